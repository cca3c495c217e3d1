"""
Writes pushes into Redis; pushes that come at the same time go in one exchange (group commit).

`submit` adds a push to the next batch, and calls back when Redis has answered. One batch is under
way at a time; pushes that come in the meantime make the next batch. This code runs in callbacks of
the event loop and uses no task and no future: for a small batch, these would take more time than
Redis takes.
"""

import asyncio
from collections.abc import Callable, Sequence
from enum import Enum
from functools import partial
from time import monotonic
from typing import Any, Final, NamedTuple

import msgspec
from redis.exceptions import OutOfMemoryError

from otel_jcmc.catalogue.reasons import Reason, StoreUnavailable
from otel_jcmc.store.commands import bulk
from otel_jcmc.store.keeping import Keeping
from otel_jcmc.store.keys import Keys
from otel_jcmc.store.link import TIMEOUT_SECONDS, AnyLink
from otel_jcmc.store.participant import Write
from otel_jcmc.store.refusals import Refusals
from otel_jcmc.store.scripts import begin_call, script, send_scripts

# How long a push waits for Redis in total: in the queue, for a connection and for the answer.
PUSH_SECONDS: Final = 0.9
BATCH_PUSHES: Final = 256
# The most pushes in one call of the script. Redis takes about 20 µs for each push, and does nothing
# else during the call.
CALL_PUSHES: Final = 64
QUEUE_PUSHES: Final = 20_000
QUEUE_BYTES: Final = 64 * 1024 * 1024
# For how long Redis remembers that a session has ended, so that a late push of the session is
# refused. It is the longest time for which a push keeps a participant live.
REMEMBER_ENDED_MS: Final = 300_000
PRUNE_BEHIND_MS: Final = 60_000

SCRIPT: Final = script("store/participant")
_encode: Final = msgspec.msgpack.Encoder().encode


class Stored(Enum):
    """What Redis did with a push. JOINED: stored, and its participant was not live before."""

    STORED = ord("1")
    SUPERSEDED = ord("2")
    SESSION_ENDED = ord("3")
    PARTICIPANT_LIMIT = ord("4")
    CONFERENCE_LIMIT = ord("5")
    NEWCOMER = ord("6")
    TAKEN = ord("7")
    JOINED = ord("8")


# A dict, because `Stored(value)` takes longer than all other work for an answer.
# `Stored.JOINED` takes as long, so code that handles every push has module names for these values.
_STORED_OF: Final = {member.value: member for member in Stored}
Done = Callable[[Stored | Exception], None]
_WaitingWrite = tuple[Write, Done, float]
# For each script call of a batch: the partition, and its pushes. A partition with many pushes in a
# batch has several calls.
_Parts = list[tuple[int, list[_WaitingWrite]]]


class Limits(NamedTuple):
    """
    How many participants may be live.

    Attributes:
        participants: most in all conferences together, 0 for any number. A batch may exceed the
            limit, because the numbers in other partitions may have changed since the last answer.
        in_conference: most in one conference, 0 for any number.
    """

    participants: int = 0
    in_conference: int = 0


class Writes:
    """
    Collects pushes into batches, and sends the batches to Redis one after the other.

    Attributes:
        live: how many live participants each partition had at the last answer of Redis.
        refusals: whether Redis refuses writes, and why.

    Concurrency: use it from one event loop.
    """

    def __init__(
        self,
        link: AnyLink,
        keys: Keys,
        limits: Limits,
        keeping: Keeping,
        first_life_ms: int,
        on_batch: Callable[[float], None],
        heard: Callable[[list[Any] | Exception, float], None],
    ) -> None:
        """
        Prepare to send the pushes for *keys* by *link*.

        *keeping*, *first_life_ms* and *on_batch*: see Store. *heard* is called after each exchange
        with its outcome and the seconds that it took.
        """
        self._link = link
        self._keys = keys
        self._limit = limits.participants
        self._on_batch, self._heard = on_batch, heard
        # -1 means any number to the script, and 0 means none.
        ends_limit = limits.participants // 2 or -1
        # A participant that comes back continues its session only while Redis has its expiry.
        grace_ms = keeping.grace_ms if keeping.sessions else 0
        args = (
            *keeping.to_args(),
            *(limits.in_conference or -1, ends_limit, REMEMBER_ENDED_MS),
            *(max(PRUNE_BEHIND_MS, grace_ms), first_life_ms or -1),
        )
        self._calls = [self._begin_call(partition, args) for partition in keys.every]
        self.live = [0] * keys.partitions
        self.refusals = Refusals()
        self._queue: list[_WaitingWrite] = []
        self._queued_bytes = 0
        self._is_sending = False
        # The least seconds for the next batch. The first batch gets the full time: no other batch
        # was under way, so its pushes have not waited for Redis, only for this event loop.
        self._least = TIMEOUT_SECONDS
        self._emptied: asyncio.Future[None] | None = None

    def submit(self, write: Write, done: Done) -> None:
        """Store *write* or remove its participant; see Store.submit."""
        queued_bytes = self._queued_bytes + len(write.payload)
        if len(self._queue) >= QUEUE_PUSHES or queued_bytes > QUEUE_BYTES:
            done(StoreUnavailable(Reason.STORE_BUSY))
            return
        self._queued_bytes = queued_bytes
        self._queue.append((write, done, monotonic()))
        if not self._is_sending:
            self._is_sending = True
            self._least = TIMEOUT_SECONDS
            # Send in the next turn of the loop: all pushes that this turn reads are then in the
            # batch.
            asyncio.get_running_loop().call_soon(self._send)

    def _send(self) -> None:
        """Send the pushes that have waited longest to Redis, as one batch."""
        batch, self._queue = self._queue[:BATCH_PUSHES], self._queue[BATCH_PUSHES:]
        # Nearly always the queue is empty now, so this sum takes no time.
        self._queued_bytes = sum([len(write.payload) for write, _, _ in self._queue])
        began, oldest = monotonic(), batch[0][2]
        seconds = min(max(self._least, oldest + PUSH_SECONDS - began), TIMEOUT_SECONDS)
        parts = self._parts_of(batch)
        told = partial(self._end, batch, parts, began)
        try:
            commands = [self._command(*each) for each in parts]
            send_scripts(self._link, commands, [SCRIPT], seconds, told)
        except Exception as error:  # noqa: BLE001  # that it was is known all the same
            told(error)

    def _end(
        self,
        batch: list[_WaitingWrite],
        parts: _Parts,
        began: float,
        outcome: list[Any] | Exception,
    ) -> None:
        """Answer each push of *batch* by its *outcome*, and send the pushes that wait."""
        now = monotonic()
        try:
            self._heard(outcome, now - began)
            if isinstance(outcome, Exception):
                _fail(batch, outcome)
            else:
                self._answer(parts, outcome)
        except Exception as error:  # noqa: BLE001  # that it was is known all the same
            _fail(batch, error)
        # Pushes that waited while this loop stood still get the full time: Redis was not slow.
        self._least = TIMEOUT_SECONDS if self._link.stood_still else 0.0
        self._on_batch(now - batch[0][2])
        if self._queue:
            asyncio.get_running_loop().call_soon(self._send)
            return
        self._is_sending = False
        if self._emptied is not None:
            self._emptied.set_result(None)
            self._emptied = None

    def _answer(self, parts: _Parts, replies: list[Any]) -> None:
        """Answer each push of *parts* by the *replies* to them."""
        for (partition, part), reply in zip(parts, replies, strict=True):
            codes, _, live = reply.partition(b";") if isinstance(reply, bytes) else (b"", b"", b"")
            if len(codes) == len(part):
                if live:
                    self.live[partition] = int(live)
                for (_, done, _), code in zip(part, codes, strict=True):
                    done(_STORED_OF[code])
            else:
                full = isinstance(reply, OutOfMemoryError)
                reason = Reason.STORE_FULL if full else Reason.STORE_UNAVAILABLE
                _fail(part, StoreUnavailable(reason))
        self.refusals.add(replies)

    def _parts_of(self, batch: list[_WaitingWrite]) -> _Parts:
        """Divide *batch* by partition, with CALL_PUSHES pushes at most for each script call."""
        of_partition: list[list[_WaitingWrite]] = [[] for _ in self._keys.every]
        table, is_one = self._keys.table, self._keys.digits == 1
        for waiting in batch:
            member = waiting[0].member
            # Indexing one digit costs less than taking a slice.
            of_partition[table[member[0] if is_one else member[:2]]].append(waiting)
        return [
            (partition, part[first : first + CALL_PUSHES])
            for partition, part in enumerate(of_partition)
            for first in range(0, len(part), CALL_PUSHES)
        ]

    def _begin_call(self, partition: int, args: Sequence[int | str]) -> bytes:
        """Return the beginning of each script call for *partition*: all except two arguments."""
        base = self._keys.bases[partition]
        keys = (f"{base}live", f"{base}ended", f"{base}conferences")
        return begin_call(SCRIPT, keys, *args, more=2)

    def _command(self, partition: int, part: list[_WaitingWrite]) -> bytes:
        """Return the script call for *part*, some pushes of *partition*."""
        pushes = _encode([write for write, _, _ in part])
        room = b"%d" % self._room(partition)
        return b"".join((self._calls[partition], bulk(room), bulk(pushes)))

    def _room(self, partition: int) -> int:
        """Return how many participants *partition* may have live now, -1 for any number."""
        if not self._limit:
            return -1
        return max(0, self._limit - sum(self.live) + self.live[partition])

    async def close(self) -> None:
        """Wait until each push has its answer."""
        if self._is_sending:
            self._emptied = asyncio.get_running_loop().create_future()
            await self._emptied


def _fail(batch: list[_WaitingWrite], error: Exception) -> None:
    """Answer each push of *batch* with *error*."""
    for _, done, _ in batch:
        done(error)
