"""
Keeps history below its limits: when history has too many sessions, the oldest sessions are removed.

Once a second, recorder.py calls `make_space`. It runs quota.lua, which removes up to 100 sessions
of one partition in each call. The oldest session is the session whose participant has been gone for
the longest time. The partition with the oldest session loses sessions first. Several replicas may
do this at the same time: together they remove no more sessions than one replica would. Sessions
whose last pushes came within the same minute count as equally old. If several partitions have such
sessions, the largest of these partitions loses sessions. When Redis is out of memory, history
removes sessions and takes less memory for ten minutes, because pushes need this memory.

When many participants join at once, more sessions may begin in a second than Redis can remove. For
this reason the key `places` of each partition limits how many sessions may begin until the next
call of `make_space`. A session that may not begin yet begins with a later entry, if its participant
is still there. A fraction of history is kept free for new sessions. Each time that a partition has
used up its `places`, this fraction doubles, up to a tenth of history.
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

# Bytes of memory in addition to the bytes that log.lua counts. SESSION_BYTES: for the keys of a
# session and for its element of the index, in Valkey; Redis needs _REDIS_BYTES in addition.
# OPEN_BYTES: for a session that waits for its span. ROOM_BYTES: for a conference. Measured as the
# growth of all memory in use of Valkey 9 and of Redis 7.0 (tests/sessions/test_quota.py).
SESSION_BYTES: Final = 1200
OPEN_BYTES: Final = 550
ROOM_BYTES: Final = 450
# Most sessions that one call of quota.lua removes; Redis takes 10 µs for each session.
GO_AT_ONCE: Final = 100
STEPS_AT_ONCE: Final = 1000
# Sessions whose last pushes are less than TOLERANCE_MS apart count as equally old.
TOLERANCE_MS: Final = 60_000
# If the last push of a session came in the last PRESENT_MS, its participant may still be there.
PRESENT_MS: Final = 600_000
# When Redis is out of memory, history gives up this fraction of its bytes (GIVEN_UP), and takes no
# more than the rest for so long (MODEST_SECONDS).
GIVEN_UP: Final = 0.1
MODEST_SECONDS: Final = 600.0
# History is crowded if it takes at least this fraction of its limits, and if the participants of
# all its sessions may still be there. An evicted session does not begin again in crowded history.
CROWDED_SHARE: Final = 0.9
# The smallest and the largest fraction of history that is kept free for sessions that begin.
LEAST_FREE: Final = 0.01
MOST_FREE: Final = 0.1
# Redis needs this many bytes more than Valkey for a session; quota.lua has the same number.
_REDIS_BYTES: Final = 350
# About how many bytes the first entry of a session takes, with the attributes and the card.
FIRST_BYTES: Final = 500
# The keys `places` expire after this time. If no process sets them any more, sessions then begin
# without a limit. The time is long because on a busy machine many calls in a row may fail.
PLACES_MS: Final = 600_000
# If `make_space` takes more than this many steps, it sets `places` again after each so many steps.
STEPS_BETWEEN: Final = 50
# The value of quota.lua's time limit that lets it remove any session, even if the session's last
# push has just come.
ANY: Final = -1
# Why sessions are removed early. NUMBER: history has too many sessions or too many bytes.
NUMBER, OUT_OF_MEMORY = "number", "out_of_memory"

_SCRIPT: Final = script("sessions/quota")


class Bounds(NamedTuple):
    """
    How large history may be, in all partitions together.

    Attributes:
        sessions: the most sessions; 0: any number.
        bytes: the most bytes of Redis's memory.
    """

    sessions: int
    bytes: int


class PartitionUse(NamedTuple):
    """
    What quota.lua answers about one partition.

    Attributes:
        is_full: 1 if Redis is out of memory, otherwise 0.
        old: how many sessions this call removed because of their age.
        over: how many sessions this call removed because of their number or bytes.
        sessions: how many sessions the partition has now.
        bytes: how many bytes these sessions take.
        oldest_ms: when the participant of the oldest session was last there, Unix time in ms; 0:
            the partition has no sessions.
        now_ms: the time of Redis's clock, Unix time in ms.
        fresh: how many sessions have no entry yet.
    """

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
    Keeps the history in one Redis below its limits, and knows how much memory history takes.

    Attributes:
        is_full: whether Redis was out of memory when this object last asked it.
        evicted: reason -> number of sessions that this object has removed early.

    Concurrency: only one task may use it.
    """

    def __init__(
        self,
        link: AnyLink,
        keys: Keys,
        keeping: Keeping,
        bounds: Bounds,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Prepare to keep history below *bounds*; this sends no command to Redis."""
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
        # After Redis was out of memory, history may take only `_modest_bytes` until the time
        # `_modest_until`, in seconds of *clock*.
        self._modest_bytes, self._modest_until = bounds.bytes, 0.0

    @property
    def sessions(self) -> int | None:
        """How many sessions history has; None if Redis did not answer when this was last asked."""
        return None if self._parts is None else sum(part.sessions for part in self._parts)

    @property
    def bytes(self) -> int | None:
        """About how many bytes all sessions take in Redis; None if `sessions` is None."""
        return None if self._parts is None else sum(part.bytes for part in self._parts)

    @property
    def fullness(self) -> float:
        """The fraction of its bytes or sessions that history takes, the larger; 0: not known."""
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
        """Set the keys `places`: how many sessions may begin before the next call."""
        # A session without an entry counts as if it already had its first entry.
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
        """Remove sessions that are too old; return quota.lua's answer for each partition."""
        parts = self._parts = await self._ask(
            [(number, -1, -1, ANY) for number in range(len(self._places))]
        )
        return parts

    async def _step(self) -> bool:
        """Remove up to GO_AT_ONCE sessions; say whether more sessions may have to be removed."""
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
        # If the oldest sessions of several partitions are equally old, sessions are removed from
        # the largest of these partitions.
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
        Return three limits: how large history may be, a time limit in ms, and a tolerance in ms.

        A session may not be removed if its participant was last there after the time limit. If two
        such times differ by no more than the tolerance, the two sessions count as equally old.

        Args:
            oldest: when the participant of the oldest session was last there, Unix time in ms.
            second: when the participant of the oldest session in all other partitions was last
                there, Unix time in ms.
            now_ms: the time now, Unix time in ms.
            there: how large history is now.
        """
        most = Bounds(self._bounds.sessions or there.sessions, self._most_bytes())
        present = now_ms - PRESENT_MS
        # For old sessions, a minute more or less does not matter. Without the tolerance, each call
        # would remove only a few sessions of a partition before another partition has the oldest
        # session, and this would take too long. If participants may still be there, there is no
        # tolerance, because a minute would make many of their sessions equally old.
        tolerance = TOLERANCE_MS if second < present else 0
        until = second + tolerance
        is_beyond = there.bytes > most.bytes or there.sessions > most.sessions
        if oldest >= present or is_beyond:
            return most, until, tolerance
        # To keep a fraction free for new sessions, only sessions are removed whose participants
        # have been gone for some time.
        free = Bounds(int(self._free * self._bounds.sessions), int(self._free * most.bytes))
        most = Bounds(most.sessions - free.sessions, most.bytes - free.bytes)
        return most, min(until, present), tolerance

    async def _ask(self, asked: list[tuple[int, int, int, int]]) -> list[PartitionUse]:
        """
        Run quota.lua once for each tuple of *asked*, and return its answers in the same order.

        A tuple has: number of the partition, most sessions, most bytes, time limit in ms.
        """
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
        """Say whether history takes at least CROWDED_SHARE of its limits; False: not known."""
        most = self._bounds.sessions
        return (self.bytes or 0) >= CROWDED_SHARE * self._most_bytes() or (
            most > 0 and (self.sessions or 0) >= CROWDED_SHARE * most
        )

    def _be_modest(self, held: int) -> None:
        """For MODEST_SECONDS, limit history to *held* bytes less the fraction GIVEN_UP."""
        now = self._clock()
        if now > self._modest_until:
            log.warning("history: Redis is out of memory; the oldest sessions make room")
        self._modest_bytes = int(held * (1 - GIVEN_UP))
        self._modest_until = now + MODEST_SECONDS

    def _most_bytes(self) -> int:
        """Return how many bytes history may take now: less if Redis was just out of memory."""
        if self._clock() > self._modest_until:
            return self._bounds.bytes
        return min(self._bounds.bytes, self._modest_bytes)
