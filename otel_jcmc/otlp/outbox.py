"""
What waits in Redis for a receiver, spans or events: reads it, removes it when taken, limits it.

Scripts add items, one list for each partition (sessions/moves.lua, sessions/events.lua).
delivery.py reads the oldest, sends them, and removes them by their value. So an item is removed
only after it was sent, however many processes send, and however often.
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
# Below this share of the limit, the log says that there is room again.
ROOM_SHARE: Final = 0.9


class Kind(NamedTuple):
    """
    A kind of waiting items.

    Attributes:
        signal: its name in the log.
        what: the name of its items.
        setting: the setting that limits how many wait.
        key: of its lists, below the keys of a partition.
    """

    signal: str
    what: str
    setting: str
    key: str


SPANS: Final = Kind("traces", "spans", "JCMC_TRACES_WAITING", "outbox")
EVENTS: Final = Kind("logs", "events", "JCMC_LOGS_WAITING", "events")


class Waiting(NamedTuple):
    """One waiting item, as it is stored, and its partition."""

    partition: int
    item: bytes


class Outbox:
    """
    What waits in one Redis under one key prefix, at most *most* items.

    Attributes:
        kind: of the items.
        dropped: how many were dropped for newer ones so far.
    """

    def __init__(self, link: AnyLink, keys: Keys, most: int, kind: Kind = SPANS) -> None:
        """Prepare; Redis is not asked yet."""
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
        Drop the oldest items beyond the limit, and return how many wait.

        Items are dropped from the longest list: each list is in order of time, but not all
        together.

        Raises:
            StoreUnavailable: Redis did not answer in time.
        """
        counts: list[int] = await self._run([("LLEN", key) for key in self._keys])
        while (beyond := sum(counts) - self._most) > 0:
            longest = counts.index(max(counts))
            # At most until it is as long as the next longest, so that all lists share the loss.
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
        Return the oldest waiting items except *without*: at least one if there is any.

        Raises:
            StoreUnavailable: Redis did not answer in time.
        """
        found: list[Waiting] = []
        size = 0
        # Each list comes first in its turn, so that none has to wait for the end of another.
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
            StoreUnavailable: it is unknown whether they are removed; they may be sent again.
        """
        await self._run([("LREM", self._keys[each.partition], 1, each.item) for each in items])

    async def tend(self) -> None:
        """Keep waiting items from expiring while a process can send them."""
        await self._run([("PEXPIRE", key, WAITS_MS) for key in self._keys])

    async def _run(self, commands: Sequence[Command]) -> list[Any]:
        """Return the replies to *commands*; an error among them counts as no answer."""
        return expect_all(await self._link.run(commands, OUTBOX_SECONDS))
