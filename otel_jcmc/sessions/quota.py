"""
How much of Redis history may take: the oldest sessions go when there are too many.

Asked once a second by recorder.py. quota.lua takes a hundred at a time away, those of the partition
first whose oldest is the oldest of all, so several replicas that do this at once only share the
work. Who was there within the same minute is as old: then the partition gives that has most. When
Redis is out of memory history makes room, and keeps to that for a while: it must not take at once
what a push could have.

Those who begin need a place, of which each look grants as many as there is room for: in a rush
more come in a second than can be taken away. Who finds none begins with a later sample, if he is
there still. So that there are places when history is full of what was long ago, a share of it is
kept free, a larger one while places run out.
"""

import logging
from collections.abc import Callable
from time import monotonic
from typing import Final, NamedTuple

from otel_jcmc.catalogue.reasons import StoreUnavailable
from otel_jcmc.store.commands import Command, expect_all
from otel_jcmc.store.keeping import Keeping
from otel_jcmc.store.keys import Keys
from otel_jcmc.store.link import AnyLink
from otel_jcmc.store.scripts import run_scripts, script

log = logging.getLogger(__name__)

# What is taken besides what log.lua counts: by the keys of a session and its place in the index, of
# which quota.lua knows that Redis takes more than Valkey; by what waits for its span; by what is
# known of a conference. Measured with Valkey 9 and Redis 7.0 as all that Redis uses more of
# (tests/sessions/test_quota.py).
SESSION_BYTES: Final = 1200
OPEN_BYTES: Final = 550
ROOM_BYTES: Final = 450
# Redis takes 10 µs for each.
GO_AT_ONCE: Final = 100
STEPS_AT_ONCE: Final = 1000
TOLERANCE_MS: Final = 60_000
PRESENT_MS: Final = 600_000
# Of what history has, when Redis is out of memory; and how long it stays with less.
GIVEN_UP: Final = 0.1
MODEST_SECONDS: Final = 600.0
# From this share on nobody who was evicted is begun again, if all that are kept are there still.
CROWDED_SHARE: Final = 0.9
# What is kept free for those who begin, of what there may be: as a rule, and in a rush.
LEAST_FREE: Final = 0.01
MOST_FREE: Final = 0.1
# What Redis takes for a session that Valkey does not, as quota.lua has it.
_REDIS_BYTES: Final = 350
# What a first entry brings, about: with attributes and a card.
FIRST_BYTES: Final = 500
# A busy machine has no answer for many looks in turn; but without any look any number may begin.
PLACES_MS: Final = 600_000
# Of a long look, between which the places are told again.
STEPS_BETWEEN: Final = 50
# No bound on when a session was last there.
ANY: Final = -1
# Why sessions go before their time; the first is for too many bytes as well.
NUMBER, OUT_OF_MEMORY = "number", "out_of_memory"

_SCRIPT: Final = script("sessions/quota")


class Bounds(NamedTuple):
    """Most sessions, 0 for any number, and most bytes, over all partitions."""

    sessions: int
    bytes: int


class PartitionUse(NamedTuple):
    """What quota.lua tells of a partition."""

    is_full: int = 0
    old: int = 0
    over: int = 0
    sessions: int = 0
    bytes: int = 0
    oldest_ms: int = 0
    now_ms: int = 0
    fresh: int = 0


class Quota:
    """
    What history may take of one Redis, and takes.

    Attributes:
        is_full: whether Redis was out of memory when it was last asked.
        evicted: reason -> sessions that went before their time.

    Concurrency: to be used from one task.
    """

    def __init__(
        self,
        link: AnyLink,
        keys: Keys,
        keeping: Keeping,
        bounds: Bounds,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Prepare; nothing is asked yet."""
        self._parts: list[PartitionUse] | None = None
        self.is_full = False
        self.evicted = {NUMBER: 0, OUT_OF_MEMORY: 0}
        self._link = link
        self._indexes = keys.each("sessions")
        self._places = keys.each("places")
        self._free = LEAST_FREE
        self._each_bytes = SESSION_BYTES + _REDIS_BYTES + FIRST_BYTES
        if keeping.spans:
            self._each_bytes += OPEN_BYTES + ROOM_BYTES
        self._keeping = keeping.to_args()
        self._bounds = bounds
        self._clock = clock
        # What it may take after Redis was out of memory, and until when.
        self._modest_bytes, self._modest_until = bounds.bytes, 0.0

    @property
    def sessions(self) -> int | None:
        """How many there are in Redis, None if that is not known."""
        return None if self._parts is None else sum(part.sessions for part in self._parts)

    @property
    def bytes(self) -> int | None:
        """How many bytes of Redis they take, about; None if that is not known."""
        return None if self._parts is None else sum(part.bytes for part in self._parts)

    @property
    def fullness(self) -> float:
        """How much of its bounds history takes, 1 for all; 0 while it is not known."""
        most = self._bounds.sessions
        return max(
            (self.bytes or 0) / self._bounds.bytes, (self.sessions or 0) / most if most else 0.0
        )

    async def make_space(self) -> None:
        """
        See what there is, and take away what is too old or too much.

        Raises:
            StoreUnavailable: Redis did not answer, or refuses.
        """
        try:
            await self._ask_all()
            for step in range(STEPS_AT_ONCE):
                if not await self._step():
                    break
                if step % STEPS_BETWEEN == STEPS_BETWEEN - 1:
                    await self._ask_all()
                    await self._grant()
            await self._grant()
        except StoreUnavailable:
            self._parts = None
            raise

    async def _grant(self) -> None:
        """Say how many may begin until it is looked again."""
        # Who has no entry yet will have one.
        fresh = sum(part.fresh for part in self._parts or ())
        held = (self.bytes or 0) + FIRST_BYTES * fresh
        free = (self._most_bytes() - held) / self._each_bytes
        if self._bounds.sessions:
            free = min(free, self._bounds.sessions - (self.sessions or 0))
        places = max(0, int(free / len(self._places)))
        commands = [("SET", key, places, "PX", PLACES_MS, "GET") for key in self._places]
        left = expect_all(await self._link.run(commands))
        if any(each is not None and int(each) <= 0 for each in left):
            self._free = min(MOST_FREE, 2 * self._free)
        else:
            self._free = max(LEAST_FREE, self._free / 2)

    async def _ask_all(self) -> list[PartitionUse]:
        """Ask each partition what it has, and let go what is old."""
        parts = self._parts = await self._ask(
            [(number, -1, -1, ANY) for number in range(len(self._places))]
        )
        return parts

    async def _step(self) -> bool:
        """Take a few away, and say whether there may be more to take."""
        parts = self._parts or []
        if any(part.old >= GO_AT_ONCE for part in parts):
            await self._ask_all()
            return True
        held, count = sum(part.bytes for part in parts), sum(part.sessions for part in parts)
        reason = OUT_OF_MEMORY if self.is_full else NUMBER
        if self.is_full:
            self._be_modest(held)
        there = sorted((part.oldest_ms, at) for at, part in enumerate(parts) if part.sessions)
        if not there:
            return False
        oldest, second = there[0][0], there[min(1, len(there) - 1)][0]
        most, until, tolerance = self._wanted(oldest, second, parts[0].now_ms, Bounds(count, held))
        if held <= most.bytes and count <= most.sessions:
            return False
        # Of those whose oldest are as old the one gives that has most.
        alike = [at for when, at in there if when <= oldest + tolerance]
        by_number = count > most.sessions
        at = max(alike, key=lambda at: parts[at].sessions if by_number else parts[at].bytes)
        sessions = max(0, most.sessions - count + parts[at].sessions)
        of_bytes = max(0, most.bytes - held + parts[at].bytes)
        (parts[at],) = await self._ask([(at, sessions, of_bytes, until)])
        self.evicted[reason] += parts[at].over
        return parts[at].over + parts[at].old > 0

    def _wanted(
        self, oldest: int, second: int, now_ms: int, there: Bounds
    ) -> tuple[Bounds, int, int]:
        """
        Return what may stay, who was there later than when does, and within which time all are old.

        *oldest* is when the oldest of all was last *there*, *second* that of another partition.
        """
        most = Bounds(self._bounds.sessions or there.sessions, self._most_bytes())
        present = now_ms - PRESENT_MS
        # Of what was long ago not to the minute: a few at a time, from partition to partition, take
        # too long. Of the present many have the same minute.
        tolerance = TOLERANCE_MS if second < present else 0
        until = second + tolerance
        is_beyond = there.bytes > most.bytes or there.sessions > most.sessions
        if oldest >= present or is_beyond:
            return most, until, tolerance
        # Nobody who may be there goes for those who may come.
        free = Bounds(int(self._free * self._bounds.sessions), int(self._free * most.bytes))
        most = Bounds(most.sessions - free.sessions, most.bytes - free.bytes)
        return most, min(until, present), tolerance

    async def _ask(self, asked: list[tuple[int, int, int, int]]) -> list[PartitionUse]:
        """Run the script for each of partition, most sessions, most bytes and none later than."""
        is_crowded = int(self._is_crowded())
        commands: list[Command] = [
            (
                *("EVALSHA", _SCRIPT.sha, 1, self._indexes[at], *self._keeping),
                *(most_sessions, most_bytes, SESSION_BYTES, OPEN_BYTES, ROOM_BYTES),
                *(until, GO_AT_ONCE, is_crowded),
            )
            for at, most_sessions, most_bytes, until in asked
        ]
        replies = expect_all(await run_scripts(self._link, commands, [_SCRIPT]))
        told = [PartitionUse(*map(int, reply.split(b";"))) for reply in replies]
        self.is_full = any(part.is_full for part in told)
        return told

    def _is_crowded(self) -> bool:
        """Say whether there is about as much as there may be, by what is known."""
        most = self._bounds.sessions
        return (self.bytes or 0) >= CROWDED_SHARE * self._most_bytes() or (
            most > 0 and (self.sessions or 0) >= CROWDED_SHARE * most
        )

    def _be_modest(self, held: int) -> None:
        """Take less than what is *held*, for a while."""
        now = self._clock()
        if now > self._modest_until:
            log.warning("history: Redis is out of memory; the oldest sessions make room")
        self._modest_bytes = int(held * (1 - GIVEN_UP))
        self._modest_until = now + MODEST_SECONDS

    def _most_bytes(self) -> int:
        """Return how many bytes history may take now."""
        if self._clock() > self._modest_until:
            return self._bounds.bytes
        return min(self._bounds.bytes, self._modest_bytes)
