"""
Keeps history below its limits: when Redis has too many sessions, the oldest are removed.

recorder.py starts a look once a second. quota.lua removes a hundred sessions at a time, first from
the partition with the oldest session of all. So several replicas that do this at the same time only
share the work. Sessions that were last there within the same minute count as equally old: then the
partition with the most sessions loses some. When Redis is out of memory, history removes sessions
and takes less for a while, because pushes need this memory.

A session that begins needs a place, and each look grants as many places as history has room for: in
a rush more sessions may begin in a second than can be removed. A session without a place begins
with a later entry, if its participant is still there. A share of history is kept free, so that new
sessions find places even when history is full of old sessions; the share grows while places run
out.
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

# Bytes of memory in addition to those that log.lua counts. SESSION_BYTES: for a session's keys and
# its place in the index (quota.lua adds the bytes that Redis takes more than Valkey). OPEN_BYTES:
# for a session that waits for its span. ROOM_BYTES: for a conference. Measured with Valkey 9 and
# Redis 7.0 as the growth of all memory in use (tests/sessions/test_quota.py).
SESSION_BYTES: Final = 1200
OPEN_BYTES: Final = 550
ROOM_BYTES: Final = 450
# Most sessions that one call removes; Redis takes 10 µs for each session.
GO_AT_ONCE: Final = 100
STEPS_AT_ONCE: Final = 1000
TOLERANCE_MS: Final = 60_000
PRESENT_MS: Final = 600_000
# GIVEN_UP: the share of its bytes that history gives up when Redis is out of memory.
# MODEST_SECONDS: how long history then takes less.
GIVEN_UP: Final = 0.1
MODEST_SECONDS: Final = 600.0
# If history takes this share of its limits, and the participants of all its sessions are still
# there, no evicted session begins again.
CROWDED_SHARE: Final = 0.9
# The share of history that is kept free for sessions that begin: normally, and in a rush.
LEAST_FREE: Final = 0.01
MOST_FREE: Final = 0.1
# The bytes that Redis takes more than Valkey for a session, as in quota.lua.
_REDIS_BYTES: Final = 350
# About the bytes of a session's first entry, with attributes and a card.
FIRST_BYTES: Final = 500
# How long granted places are valid: if no process looks any more, sessions then begin without a
# limit. It is long, because on a busy machine many looks one after the other may get no answer.
PLACES_MS: Final = 600_000
# Steps of a long look, after which the places are granted again.
STEPS_BETWEEN: Final = 50
# A time limit for quota.lua: sessions may be removed whatever the time when they were last there.
ANY: Final = -1
# Why sessions are removed early. NUMBER: too many sessions, or too many bytes.
NUMBER, OUT_OF_MEMORY = "number", "out_of_memory"

_SCRIPT: Final = script("sessions/quota")


class Bounds(NamedTuple):
    """Most sessions (0: any number) and most bytes of history, in all partitions together."""

    sessions: int
    bytes: int


class PartitionUse(NamedTuple):
    """The answer of quota.lua about one partition, see there."""

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
    Keeps the history in one Redis below its limits, and knows how much it takes.

    Attributes:
        is_full: whether Redis was out of memory when it was last asked.
        evicted: reason -> number of sessions that were removed early.

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
        # How many bytes history may take after Redis was out of memory, and until when.
        self._modest_bytes, self._modest_until = bounds.bytes, 0.0

    @property
    def sessions(self) -> int | None:
        """How many sessions Redis has; None if that is not known."""
        return None if self._parts is None else sum(part.sessions for part in self._parts)

    @property
    def bytes(self) -> int | None:
        """About how many bytes of Redis all sessions take; None if that is not known."""
        return None if self._parts is None else sum(part.bytes for part in self._parts)

    @property
    def fullness(self) -> float:
        """The share of its limits that history takes, 0 to 1; 0 while it is not known."""
        most = self._bounds.sessions
        return max(
            (self.bytes or 0) / self._bounds.bytes, (self.sessions or 0) / most if most else 0.0
        )

    async def make_space(self) -> None:
        """
        Ask Redis how much history takes, and remove sessions that are too old or too many.

        Raises:
            StoreUnavailable: Redis did not answer, or refused the command.
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
        """Grant the places for sessions that begin before the next look."""
        # Sessions without an entry are counted with the bytes of the entry that they will have.
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
        """Return the answer of quota.lua for each partition; it also removes old sessions."""
        parts = self._parts = await self._ask(
            [(number, -1, -1, ANY) for number in range(len(self._places))]
        )
        return parts

    async def _step(self) -> bool:
        """Remove a few sessions, and say whether there may be more to remove."""
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
        # Of the partitions whose oldest sessions are equally old, the largest loses sessions.
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
        Return the limits for history, the time limit, and the tolerance for "equally old".

        No session that was last there after the time limit may be removed. *oldest* is when the
        oldest session of all was last there, *second* is when the oldest session of the other
        partitions was. *there* is what history takes.
        """
        most = Bounds(self._bounds.sessions or there.sessions, self._most_bytes())
        present = now_ms - PRESENT_MS
        # For old sessions a minute more or less does not matter; without it, each call would remove
        # a few sessions of one partition, then of the next, which would take too long. It does
        # matter for sessions whose participants are there: many of these are equally old.
        tolerance = TOLERANCE_MS if second < present else 0
        until = second + tolerance
        is_beyond = there.bytes > most.bytes or there.sessions > most.sessions
        if oldest >= present or is_beyond:
            return most, until, tolerance
        # No session whose participant may still be there is removed to make room for new ones.
        free = Bounds(int(self._free * self._bounds.sessions), int(self._free * most.bytes))
        most = Bounds(most.sessions - free.sessions, most.bytes - free.bytes)
        return most, min(until, present), tolerance

    async def _ask(self, asked: list[tuple[int, int, int, int]]) -> list[PartitionUse]:
        """Run quota.lua for each (partition, most sessions, most bytes, time limit) of *asked*."""
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
        """Say whether history takes CROWDED_SHARE of its limits or more, as far as is known."""
        most = self._bounds.sessions
        return (self.bytes or 0) >= CROWDED_SHARE * self._most_bytes() or (
            most > 0 and (self.sessions or 0) >= CROWDED_SHARE * most
        )

    def _be_modest(self, held: int) -> None:
        """Let history take less than *held* bytes for MODEST_SECONDS."""
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
