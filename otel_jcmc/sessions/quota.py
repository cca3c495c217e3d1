"""
Keeps history below its limits: when Redis has too many sessions, the oldest sessions are removed.

recorder.py calls `make_space` once a second. quota.lua removes at most a hundred sessions in each
call, first from the partition that has the oldest session. So several replicas can do this at the
same time, and they share the work. Sessions count as equally old if their last pushes were less
than a minute apart. If the oldest sessions of several partitions are equally old, the largest of
these partitions loses sessions. When Redis is out of memory, history removes sessions and stays
smaller for a while, because pushes need this memory.

In a rush, more sessions may begin in a second than Redis can remove. Therefore each call of
`make_space` sets how many sessions may begin before the next call. These permits are called places.
If a session begins and no place is left, history starts to keep the session later, if its
participant is still there. History keeps a share of its limits free, so that new sessions find
places even when history is full of old sessions. This share grows while places run out.
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
# its member in the index; quota.lua adds the bytes that Redis needs more than Valkey. OPEN_BYTES:
# for a session that waits for its span. ROOM_BYTES: for a conference. Measured with Valkey 9 and
# Redis 7.0 as the growth of all memory in use (tests/sessions/test_quota.py).
SESSION_BYTES: Final = 1200
OPEN_BYTES: Final = 550
ROOM_BYTES: Final = 450
# One call of quota.lua removes at most this number of sessions; each takes Redis 10 µs.
GO_AT_ONCE: Final = 100
STEPS_AT_ONCE: Final = 1000
TOLERANCE_MS: Final = 60_000
PRESENT_MS: Final = 600_000
# GIVEN_UP: when Redis is out of memory, history becomes smaller by this share of its bytes.
# MODEST_SECONDS: history stays smaller for this time.
GIVEN_UP: Final = 0.1
MODEST_SECONDS: Final = 600.0
# If history fills this share of its limits, and the participants of all its sessions are still
# there, no session that was removed early begins again.
CROWDED_SHARE: Final = 0.9
# The share of its limits that history keeps free for sessions that begin: normally (LEAST_FREE),
# and in a rush (MOST_FREE).
LEAST_FREE: Final = 0.01
MOST_FREE: Final = 0.1
# For a session, Redis needs this number of bytes more than Valkey; quota.lua has the same number.
_REDIS_BYTES: Final = 350
# The approximate number of bytes of a session's first entry, with attributes and a card.
FIRST_BYTES: Final = 500
# Places are valid for this time. If no process calls `make_space` any more, sessions then begin
# without a limit. The time is long, because on a busy machine many calls in sequence may fail.
PLACES_MS: Final = 600_000
# If a call of `make_space` needs many steps, it sets the places again after this number of steps.
STEPS_BETWEEN: Final = 50
# The time limit for quota.lua that means: remove sessions however late their last push was.
ANY: Final = -1
# The reasons to remove sessions early. NUMBER: history has too many sessions or too many bytes.
NUMBER, OUT_OF_MEMORY = "number", "out_of_memory"

_SCRIPT: Final = script("sessions/quota")


class Bounds(NamedTuple):
    """The limits of history in all partitions together; *sessions* 0: any number of sessions."""

    sessions: int
    bytes: int


class PartitionUse(NamedTuple):
    """The answer of quota.lua about one partition; the script explains the fields."""

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
    Keeps the history in one Redis below its limits, and knows the size of history.

    Attributes:
        is_full: whether Redis was out of memory at its last answer.
        evicted: reason -> number of sessions that were removed early.

    Concurrency: use it from one task only.
    """

    def __init__(
        self,
        link: AnyLink,
        keys: Keys,
        keeping: Keeping,
        bounds: Bounds,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Keep the arguments; `make_space` sends the first command to Redis."""
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
        # After Redis was out of memory, history may have this number of bytes, until this time.
        self._modest_bytes, self._modest_until = bounds.bytes, 0.0

    @property
    def sessions(self) -> int | None:
        """The number of sessions in Redis; None if it is not known."""
        return None if self._parts is None else sum(part.sessions for part in self._parts)

    @property
    def bytes(self) -> int | None:
        """The approximate number of bytes of all sessions in Redis; None if it is not known."""
        return None if self._parts is None else sum(part.bytes for part in self._parts)

    @property
    def fullness(self) -> float:
        """The share of its limits that history fills, 0 to 1; 0 while it is not known."""
        most = self._bounds.sessions
        return max(
            (self.bytes or 0) / self._bounds.bytes, (self.sessions or 0) / most if most else 0.0
        )

    async def make_space(self) -> None:
        """
        Ask Redis for the size of history, and remove sessions that are too old or too many.

        Then set how many sessions may begin before the next call.

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
        """Set how many sessions may begin before the next call of `make_space`."""
        # A session without an entry is counted with the bytes of its future first entry.
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
        """Run quota.lua for each partition; it removes too old sessions. Return its answers."""
        parts = self._parts = await self._ask(
            [(number, -1, -1, ANY) for number in range(len(self._places))]
        )
        return parts

    async def _step(self) -> bool:
        """Remove a few sessions, and say whether further sessions may have to be removed."""
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
        # If the oldest sessions of several partitions are equally old, the largest of these
        # partitions loses sessions.
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
        Return the limits for history, the time limit, and the tolerance for "equally old" in ms.

        If the last push of a session was after the time limit, the session is not removed.

        Args:
            oldest: the time of the last push of the oldest session of all, Unix time in ms.
            second: the same for the oldest session of all other partitions.
            now_ms: the present time by Redis's clock.
            there: the present size of history.
        """
        most = Bounds(self._bounds.sessions or there.sessions, self._most_bytes())
        present = now_ms - PRESENT_MS
        # For old sessions, a minute more or less does not matter. Without this tolerance, each call
        # would remove a few sessions of one partition, then of the next, which would take too long.
        # If participants are still there, a minute matters, because many sessions are equally old.
        tolerance = TOLERANCE_MS if second < present else 0
        until = second + tolerance
        is_beyond = there.bytes > most.bytes or there.sessions > most.sessions
        if oldest >= present or is_beyond:
            return most, until, tolerance
        # To make room for new sessions, only sessions are removed whose participants are no longer
        # there.
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
        """Say whether history fills CROWDED_SHARE of its limits or more; no if it is not known."""
        most = self._bounds.sessions
        return (self.bytes or 0) >= CROWDED_SHARE * self._most_bytes() or (
            most > 0 and (self.sessions or 0) >= CROWDED_SHARE * most
        )

    def _be_modest(self, held: int) -> None:
        """Keep history smaller than *held* bytes by the share GIVEN_UP, for MODEST_SECONDS."""
        now = self._clock()
        if now > self._modest_until:
            log.warning("history: Redis is out of memory; the oldest sessions make room")
        self._modest_bytes = int(held * (1 - GIVEN_UP))
        self._modest_until = now + MODEST_SECONDS

    def _most_bytes(self) -> int:
        """Return the number of bytes that history may have now."""
        if self._clock() > self._modest_until:
            return self._bounds.bytes
        return min(self._bounds.bytes, self._modest_bytes)
