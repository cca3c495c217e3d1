"""
The live participants in Redis: the only road to write them, and the one to read them all.

`submit` joins the batch that is being gathered and calls back when Redis has answered for it, so
one exchange serves all pushes that are in flight together (group commit). `read_live` returns the
value of everyone who has not expired, left or been replaced (reads.py). Nothing of a participant is
kept in this process.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from enum import Enum
from functools import partial
from time import monotonic
from typing import Any, Final

import msgspec
from redis.exceptions import OutOfMemoryError

from otel_jcmc.catalogue.reasons import Reason, StoreCannotStart, StoreUnavailable
from otel_jcmc.catalogue.trouble import Trouble
from otel_jcmc.store.agreement import AgreedLink
from otel_jcmc.store.cluster import open_link
from otel_jcmc.store.keeping import NOTHING_KEPT, Keeping
from otel_jcmc.store.keys import DEFAULT_KEYS, Keys
from otel_jcmc.store.link import (
    TIMEOUT_SECONDS,
    AnyLink,
    Command,
    PartAway,
    Unfit,
    bulk,
    expect_all,
)
from otel_jcmc.store.participant import Write
from otel_jcmc.store.reads import KnownExpiries, Live, is_away, read_clocks, read_pages
from otel_jcmc.store.refusals import Refusals
from otel_jcmc.store.scripts import begin_call, run_scripts, script

log = logging.getLogger(__name__)

# A push waits for Redis this long in all: in the queue, for a connection and for the answer.
PUSH_SECONDS: Final = 0.9
READ_SECONDS: Final = 2.0
BATCH_PUSHES: Final = 256
# One call of the script, in which Redis does nothing else: a push takes it about 20 µs.
CALL_PUSHES: Final = 64
QUEUE_PUSHES: Final = 20_000
QUEUE_BYTES: Final = 64 * 1024 * 1024
# An end is remembered for as long as a push may live: nothing older is still on its way.
REMEMBER_ENDED_MS: Final = 300_000
PRUNE_BEHIND_MS: Final = 60_000

_SCRIPT: Final = script("store/participant")
_encode: Final = msgspec.msgpack.Encoder().encode


class Stored(Enum):
    """What Redis did with a push; JOINED: it is stored, and its participant was not there."""

    STORED = ord("1")
    SUPERSEDED = ord("2")
    SESSION_ENDED = ord("3")
    PARTICIPANT_LIMIT = ord("4")
    CONFERENCE_LIMIT = ord("5")
    NEWCOMER = ord("6")
    TAKEN = ord("7")
    JOINED = ord("8")


# Calling the enum costs more than the rest of an answer, and so does each member that is found by
# its class: who handles every push has them as names of its own.
_STORED_OF: Final = {member.value: member for member in Stored}
Done = Callable[[Stored | Exception], None]
_WaitingWrite = tuple[Write, Done, float]


class Store:
    """
    The participants of one Redis under one key prefix.

    Attributes:
        keys: where they are.
        up: whether the last exchange with Redis worked, and in a cluster all that is asked for was
            there; None before the first.

    Concurrency: to be used from one event loop.
    """

    def __init__(
        self,
        url: str,
        keys: Keys = DEFAULT_KEYS,
        participant_limit: int = 0,
        conference_limit: int = 0,
        on_batch: Callable[[float], None] = lambda _seconds: None,
        keeping: Keeping = NOTHING_KEPT,
        first_life_ms: int = 0,
    ) -> None:
        """
        Prepare; nothing is opened yet.

        Args:
            participant_limit: most participants in all, 0 for any number. What the other
                partitions have is known from their last answers, so a batch may go beyond it.
            conference_limit: most participants in a conference, 0 for any number.
            on_batch: called after each batch with the seconds its oldest push has waited.
            keeping: what is kept of sessions.
            first_life_ms: what a participant lives for after its first push, whatever it asks
                for; 0: as long as it asks for.
        """
        self.keys = keys
        self._participant_limit = participant_limit
        # -1 is the script's word for any number: 0 is none.
        self._conference_limit = conference_limit or -1
        self._ends_limit = participant_limit // 2 or -1
        self._live = [0] * keys.partitions
        self._on_batch = on_batch
        self._keeping = keeping.to_args()
        self._first_life_ms = first_life_ms or -1
        # Who comes back goes on with the same session for as long as his expiry is known.
        self._grace_ms = keeping.grace_ms if keeping.sessions else 0
        self._calls = [self._begin_call(partition) for partition in keys.every]
        self._writes = AgreedLink(open_link(url), keys)
        self._reads = AgreedLink(open_link(url), keys, writes=False)
        self._queue: list[_WaitingWrite] = []
        self._queued_bytes = 0
        self._flushing: asyncio.Task[None] | None = None
        self._refusals = Refusals()
        self._unfit = Trouble(
            log, "store: Redis is of no use: %s", "store: Redis answers", logging.ERROR
        )
        # Since Redis was last away.
        self._has_tried = False
        self.up: bool | None = None

    def submit(self, write: Write, done: Done) -> None:
        """
        Store *write*, or remove its participant.

        *done* hears what Redis did, or why it is not known, perhaps before this returns. Only
        the first word counts, should there be another.
        """
        queued_bytes = self._queued_bytes + len(write.payload)
        if len(self._queue) >= QUEUE_PUSHES or queued_bytes > QUEUE_BYTES:
            done(StoreUnavailable(Reason.STORE_BUSY))
            return
        self._queued_bytes = queued_bytes
        self._queue.append((write, done, monotonic()))
        if self._flushing is None:
            self._flushing = asyncio.get_running_loop().create_task(self._flush())

    async def _flush(self) -> None:
        """Send batch after batch until nobody waits."""
        # Nobody was before the first: only this loop can have let them wait.
        least = TIMEOUT_SECONDS
        try:
            while self._queue:
                batch, self._queue = self._queue[:BATCH_PUSHES], self._queue[BATCH_PUSHES:]
                # Nearly always nobody is left, and who counts bytes has nothing to do.
                self._queued_bytes = sum([len(write.payload) for write, _, _ in self._queue])
                oldest = batch[0][2]
                try:
                    await self._commit(batch, max(least, oldest + PUSH_SECONDS - monotonic()))
                except Exception as error:  # noqa: BLE001  # that it was is known all the same
                    _fail(batch, error)
                # Who waited while nothing moved here is no later than who was asked for meanwhile.
                least = TIMEOUT_SECONDS if self._writes.stood_still else 0.0
                self._on_batch(monotonic() - oldest)
        finally:
            self._flushing = None

    async def _commit(self, batch: list[_WaitingWrite], seconds: float) -> None:
        """Send *batch* to Redis and give everyone in it an answer, within *seconds*."""
        of_partition: list[list[_WaitingWrite]] = [[] for _ in self.keys.every]
        table, is_one = self.keys.table, self.keys.digits == 1
        for waiting in batch:
            member = waiting[0].member
            # A digit costs less than a piece of text.
            of_partition[table[member[0] if is_one else member[:2]]].append(waiting)
        parts = [
            (partition, part[first : first + CALL_PUSHES])
            for partition, part in enumerate(of_partition)
            for first in range(0, len(part), CALL_PUSHES)
        ]
        commands = [self._command(*each) for each in parts]
        replies = await self._run(self._writes, commands, min(seconds, TIMEOUT_SECONDS))
        for (partition, part), reply in zip(parts, replies, strict=True):
            codes, _, live = reply.partition(b";") if isinstance(reply, bytes) else (b"", b"", b"")
            if len(codes) == len(part):
                if live:
                    self._live[partition] = int(live)
                for (_, done, _), code in zip(part, codes, strict=True):
                    done(_STORED_OF[code])
            else:
                full = isinstance(reply, OutOfMemoryError)
                reason = Reason.STORE_FULL if full else Reason.STORE_UNAVAILABLE
                _fail(part, StoreUnavailable(reason))
        self._refusals.add(replies)

    def _begin_call(self, partition: int) -> bytes:
        """Return what is the same in each script call for *partition*: all but two arguments."""
        base = self.keys.bases[partition]
        return begin_call(
            _SCRIPT,
            (f"{base}live", f"{base}ended", f"{base}conferences"),
            *(*self._keeping, self._conference_limit, self._ends_limit, REMEMBER_ENDED_MS),
            *(max(PRUNE_BEHIND_MS, self._grace_ms), self._first_life_ms),
            more=2,
        )

    def _command(self, partition: int, part: list[_WaitingWrite]) -> Command:
        """Return the script call for one partition's share of a batch."""
        pushes = _encode([write for write, _, _ in part])
        room = b"%d" % self._room(partition)
        return b"".join((self._calls[partition], bulk(room), bulk(pushes)))

    def _room(self, partition: int) -> int:
        """Return how many may be live in *partition*, -1 for any number."""
        if not self._participant_limit:
            return -1
        return max(0, self._participant_limit - sum(self._live) + self._live[partition])

    def read_live(
        self, known: KnownExpiries, partitions: Sequence[int] | None = None
    ) -> AsyncIterator[Live]:
        """
        Return every live participant of *partitions*, None: of all, page by page; see `read_pages`.

        Each value is one whole push; they are read one after the other, so two participants may
        differ by the seconds in between.

        Raises:
            StoreUnavailable: Redis did not answer in time.
        """
        read = partial(self._run, self._reads, seconds=READ_SECONDS)
        wanted = self.keys.every if partitions is None else partitions
        return read_pages(read, self.keys, known, wanted)

    async def count(self) -> None:
        """
        Learn from Redis how many are live in each partition, for the limit over all of them.

        Each batch tells it of its own partitions; this is for those that others write to.

        Raises:
            StoreUnavailable: Redis did not answer in time.
        """
        indexes = self.keys.each("live")
        read = partial(self._run, self._reads, seconds=TIMEOUT_SECONDS)
        clocks = await read_clocks(read, indexes)
        counts = await read(
            [("ZCOUNT", *each, "+inf") for each in zip(indexes, clocks, strict=True)]
        )
        # Of a partition that is away the last word stands.
        self._live = [
            before if is_away(count) else count
            for before, count in zip(self._live, counts, strict=True)
        ]

    async def ping(self) -> None:
        """
        Ask Redis for a sign of life.

        Raises:
            StoreUnavailable: there was none in time.
        """
        expect_all(await self._run(self._reads, [("PING",)], TIMEOUT_SECONDS))

    async def start(self) -> None:
        """
        Find out whether Redis takes writes; that it is away now is no reason not to start.

        Raises:
            StoreCannotStart: it is none that we can use.
        """
        try:
            await self._writes.run([("PING",)])
        except StoreUnavailable as away:
            # Not logged: the line with which the start ends says it.
            if isinstance(away.__cause__, Unfit):
                raise StoreCannotStart(str(away.__cause__)) from None
            self._set_up(up=False, why=away.__cause__)
        else:
            with suppress(StoreUnavailable):
                await self.try_writing()

    async def try_writing(self) -> None:
        """
        Ask Redis for a write in each partition that changes nothing, for what it says to that.

        Raises:
            StoreUnavailable: Redis did not answer in time.
        """
        # A text that does not exist stays so when nothing is written into it; and yet this is
        # refused by whatever refuses a push: memory, a replica, a disk that is full, a cluster.
        tries: list[Command] = [("SETRANGE", key, 0, "") for key in self.keys.each("try")]
        replies = await self._run(self._writes, tries, TIMEOUT_SECONDS)
        if all(isinstance(reply, PartAway) for reply in replies):
            raise StoreUnavailable from replies[0]
        self._has_tried = True
        self._refusals.settle(replies)

    @property
    def is_refusing(self) -> bool:
        """Whether Redis refuses writes, as far as is known."""
        return bool(self._refusals.why)

    async def why_not_ready(self) -> str:
        """
        Return in a line for everybody why pushes are not taken now, empty if they are.

        Redis is asked for a sign of life; whether it takes writes is known from the last ones.
        """
        try:
            await (self.ping() if self._has_tried else self.try_writing())
        except StoreUnavailable as away:
            is_unfit = isinstance(away.__cause__, Unfit)
            return str(away.__cause__) if is_unfit else "Redis does not answer"
        return self._refusals.why

    async def _run(self, link: AnyLink, commands: list[Command], seconds: float) -> list[Any]:
        """Run *commands* and take note of whether Redis is there."""
        try:
            deadline = monotonic() + seconds
            replies = await run_scripts(link, commands, [_SCRIPT], seconds)
        except StoreUnavailable as error:
            self._set_up(up=False, why=error.__cause__)
            raise
        # What takes longer than a push may take is no sign that pushes are stored again.
        if away := self._writes.away or self._reads.away:
            self._set_up(up=False, why=PartAway(away))
        elif self.up is not False or monotonic() < deadline - seconds + TIMEOUT_SECONDS:
            self._set_up(up=True)
        return replies

    def _set_up(self, *, up: bool, why: BaseException | None = None) -> None:
        """Remember whether Redis is there; say so when it changes."""
        if isinstance(why, Unfit):
            self._unfit.update(str(why))
        elif up and self._unfit.what:
            self._unfit.update("")
        elif up != self.up:
            if up:
                log.info("store: Redis answers")
            else:
                log.warning("store: Redis does not answer: %s", str(why or "") or "time-out")
        self._has_tried = self._has_tried and up
        self.up = up

    async def close(self) -> None:
        """Answer who still waits, then close the connections."""
        if self._flushing is not None:
            await self._flushing
        await self._writes.close()
        await self._reads.close()


def _fail(batch: list[_WaitingWrite], error: Exception) -> None:
    """Tell everyone in *batch* the *error*."""
    for _, done, _ in batch:
        done(error)
