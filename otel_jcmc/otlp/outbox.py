"""
Reads spans or events that wait in Redis for a receiver, removes sent ones, limits their number.

Scripts add items to a list in Redis, one list for each partition (sessions/moves.lua,
sessions/events.lua). delivery.py reads the oldest items, sends them, and removes them by their
value. So even if several processes send at once, an item is removed only after it was sent.
"""

import logging
from collections.abc import Collection, Sequence
from typing import Any, Final, NamedTuple

from otel_jcmc.catalogue.trouble import Trouble
from otel_jcmc.sessions.moves import WAITS_MS
from otel_jcmc.store.commands import Command, expect_all
from otel_jcmc.store.keys import Keys
from otel_jcmc.store.link import AnyLink

log = logging.getLogger(__name__)

OUTBOX_SECONDS: Final = 2.0
# When fewer items than this part of the limit wait, a log line says that there is room again.
ROOM_SHARE: Final = 0.9


class Kind(NamedTuple):
    """
    A kind of waiting items.

    Attributes:
        signal: the OpenTelemetry signal of these items, for the log.
        what: the name of these items, for the log.
        setting: the setting that limits how many wait.
        key: the last part of the Redis keys of its lists, one list for each partition.
    """

    signal: str
    what: str
    setting: str
    key: str


SPANS: Final = Kind("traces", "spans", "JCMC_TRACES_WAITING", "outbox")
EVENTS: Final = Kind("logs", "events", "JCMC_LOGS_WAITING", "events")


class Waiting(NamedTuple):
    """The bytes of one waiting item, and the partition whose list has the item."""

    partition: int
    item: bytes


class Outbox:
    """
    Reads and removes the waiting items of one kind, and drops the oldest of more than *most* items.

    Attributes:
        kind: the kind of the items.
        dropped: how many items were dropped so far because more than *most* items waited.
    """

    def __init__(self, link: AnyLink, keys: Keys, most: int, kind: Kind = SPANS) -> None:
        """Prepare to read the lists of *kind*; send nothing to Redis yet."""
        self.kind = kind
        self._link = link
        self._keys = keys.each(kind.key)
        self._most = most
        self._turn = 0
        self.dropped = 0
        self._full = Trouble(
            log,
            f"{kind.signal}: %s {kind.what} wait: the oldest are dropped",
            f"{kind.signal}: there is room for {kind.what} again",
        )

    async def bound(self) -> int:
        """
        Drop the oldest items beyond the limit, and return how many items wait.

        Items are dropped from the longest list. Each list is in order of time, but the order of
        items in different lists is not known.

        Raises:
            StoreUnavailable: Redis did not answer in time.
        """
        counts: list[int] = await self._run([("LLEN", key) for key in self._keys])
        while (beyond := sum(counts) - self._most) > 0:
            longest = counts.index(max(counts))
            # Cut this list to the length of the second longest list at most, so that all lists lose
            # items.
            rest = max([0, *counts[:longest], *counts[longest + 1 :]])
            gone = max(1, min(beyond, counts[longest] - rest))
            await self._run([("LTRIM", self._keys[longest], gone, -1)])
            counts[longest] -= gone
            self.dropped += gone
            self._full.update(self.kind.setting)
        if sum(counts) < ROOM_SHARE * self._most:
            self._full.update("")
        return sum(counts)

    async def read(
        self, most: int, most_bytes: int, without: Collection[Waiting] = ()
    ) -> list[Waiting]:
        """
        Return the oldest waiting items except *without*, at least one if any waits.

        They are *most* items at most, with *most_bytes* at most; a single item may be larger.

        Raises:
            StoreUnavailable: Redis did not answer in time.
        """
        found: list[Waiting] = []
        size = 0
        # Each call begins with another list, so that no list waits until the others are empty.
        self._turn += 1
        for index in range(len(self._keys)):
            partition = (self._turn + index) % len(self._keys)
            last = most - len(found) + len(without) - 1
            (items,) = await self._run([("LRANGE", self._keys[partition], 0, last)])
            for waiting in (Waiting(partition, item) for item in items):
                if waiting in without:
                    continue
                size += len(waiting.item)
                if found and (len(found) >= most or size > most_bytes):
                    return found
                found.append(waiting)
        return found

    async def remove(self, items: Sequence[Waiting]) -> None:
        """
        Remove *items*, which are at the beginning of their lists.

        Raises:
            StoreUnavailable: Redis did not answer: the items may remain and be sent again.
        """
        await self._run([("LREM", self._keys[each.partition], 1, each.item) for each in items])

    async def tend(self) -> None:
        """Set the expiry of waiting items again, so that they remain while a process sends."""
        await self._run([("PEXPIRE", key, WAITS_MS) for key in self._keys])

    async def _run(self, commands: Sequence[Command]) -> list[Any]:
        """Return the replies to *commands*; if one reply is an error, raise StoreUnavailable."""
        return expect_all(await self._link.run(commands, OUTBOX_SECONDS))
