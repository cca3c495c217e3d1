"""
How often somebody may push, and what the log says when limits refuse.

`Pace` is a token bucket for any number of keys in a memory that does not grow with them, `Refusals`
what an operator reads, `Limits` all of them together. They are of this process alone: two replicas
let through twice as much, which is enough against a flood. What has to be exact over replicas, how
many participants there are, is counted in Redis by store/participant.lua.
"""

import logging
from array import array
from collections.abc import Sequence
from math import inf
from time import monotonic
from typing import Final

from otel_jcmc.catalogue.reasons import Reason
from otel_jcmc.intake.callers import Callers, Header
from otel_jcmc.intake.crowds import Crowd, Crowds

log = logging.getLogger(__name__)

# A bucket holds what flows into it in this time: 1 push a second allows 10 at once.
BURST_SECONDS: Final = 10.0
# Places of 8 bytes. Of 10,000 participants that push at a time one in 200 shares both of its places
# with others, which matters only if those push too often as well.
_PARTICIPANTS: Final = 1 << 18
_FAILURES: Final = 1 << 16
_SHIFT: Final = 24
# After so long without a refusal for it a limit counts as kept again.
_OVER_SECONDS: Final = 60.0


class Pace:
    """
    At most so many a second for each key, and BURST_SECONDS' worth of them at once.

    The generic cell rate algorithm (ITU-T I.371): a place holds the time at which its bucket will
    be full again, nothing else. There is no place for each key but a fixed number of them, of which
    a key has two and believes the better one, as in a count-min sketch: to be held up by others
    both must be taken. Which two can't be chosen from outside: Python's hash of a text is salted.
    0.3 µs a call.
    """

    __slots__ = ("_every", "_full_at", "_mask", "_slack")

    def __init__(self, per_second: float, slots: int = _PARTICIPANTS) -> None:
        """Begin with full buckets; *slots* is a power of two."""
        self._every, self._slack = _bucket(per_second)
        self._full_at = array("d", bytes(8 * slots))
        self._mask = slots - 1

    def take(self, key: str, now: float) -> float:
        """Take a token of *key*, and return 0; or the seconds until there is one."""
        full_at = self._full_at
        mixed, mask = hash(key), self._mask
        first, second = mixed & mask, (mixed >> _SHIFT) & mask
        at_first, at_second = full_at[first], full_at[second]
        at = at_first if at_first < at_second else at_second  # noqa: FURB136  # min() costs more
        if at < now:
            at = now
        elif at > now + self._slack:
            return at - now - self._slack
        at += self._every
        if at_first < at:
            full_at[first] = at
        if at_second < at:
            full_at[second] = at
        return 0.0

    def wait(self, key: str, now: float) -> float:
        """Return the seconds until there is a token of *key*, 0 if there is one; take none."""
        full_at = self._full_at
        mixed, mask = hash(key), self._mask
        first, second = full_at[mixed & mask], full_at[(mixed >> _SHIFT) & mask]
        seconds = (first if first < second else second) - now - self._slack  # noqa: FURB136
        return seconds if seconds > 0 else 0.0


_SAID: Final = {
    Reason.PARTICIPANT_LIMIT: "newcomers are refused: JCMC_LIMIT_PARTICIPANTS are live",
    Reason.CONFERENCE_LIMIT: "newcomers are refused: JCMC_LIMIT_CONFERENCE_PARTICIPANTS are live"
    " in a conference",
    Reason.NEWCOMER_RATE: "newcomers are refused: more of one address than"
    " JCMC_LIMIT_ADDRESS_NEWCOMERS_PER_SECOND",
    Reason.ADDRESS_LIMIT: "newcomers are refused: JCMC_LIMIT_ADDRESS_PARTICIPANTS of one address"
    " are live, or half of JCMC_LIMIT_CONFERENCE_PARTICIPANTS in a conference",
    Reason.ADDRESS_RATE: "pushes are refused: more of one address than"
    " JCMC_LIMIT_ADDRESS_PUSHES_PER_SECOND",
    Reason.PARTICIPANT_RATE: "pushes are refused: more for one participant than"
    " JCMC_LIMIT_PARTICIPANT_PUSHES_PER_SECOND",
}


LIMITS: Final = frozenset(_SAID)
# Who comes from nobody knows where.
NOBODY: Final = Crowd("")


class Refusals:
    """Which limits refuse now: said once when one begins to, and once when it has ended."""

    def __init__(self) -> None:
        """Begin with none."""
        self._last: dict[Reason, float] = {}

    def add(self, reason: Reason) -> None:
        """Note that something was refused for *reason*, which is a limit."""
        if reason not in self._last:
            log.warning("limits: %s", _SAID[reason])
        self._last[reason] = monotonic()

    def log_ended(self) -> None:
        """Say which limits have refused nothing for a minute; to be called now and then."""
        now = monotonic()
        over = [reason for reason, at in self._last.items() if now - at > _OVER_SECONDS]
        for reason in over:
            del self._last[reason]
            log.info("limits: no longer so: %s", _SAID[reason])


def _bucket(per_second: float) -> tuple[float, float]:
    """Return the seconds that a token takes, and how far ahead a bucket may be; 0: any."""
    if not per_second:
        return 0.0, inf
    # One token at least: a rate of one in a minute lets one through.
    return 1 / per_second, max(0.0, BURST_SECONDS - 1 / per_second)


def _pace(per_second: float, slots: int) -> Pace | None:
    """Return a pace, None where there is to be none."""
    return Pace(per_second, slots) if per_second else None


class TooFast(Exception):
    """A limit refuses a push; the same may be taken after *seconds*."""

    def __init__(self, reason: Reason, seconds: float) -> None:
        """Refuse for *reason*, one of LIMITS."""
        super().__init__(reason)
        self.reason = reason
        self.seconds = seconds


class Limits:
    """
    The limits on pushes that a process keeps by itself.

    Attributes:
        refusals: what limits refuse now.
        crowds: who of each address there is.
        has_seat: as Crowds has it; it is asked for each push.
        paces_participants: whether a participant may push only so often.
    """

    def __init__(
        self,
        callers: Callers,
        address_per_second: float = 0,
        participant_per_second: float = 0,
        newcomers_per_second: float = 0,
        address_participants: int = 0,
        conference_participants: int = 0,
    ) -> None:
        """Limit pushes of an address and for a participant, and who comes of an address; 0: not."""
        # Of an address there is a Crowd, which has the bucket: see Pace for how it is counted.
        self._every, self._slack = _bucket(address_per_second)
        self._joins_every, self._joins_slack = _bucket(newcomers_per_second)
        self._of_participant = _pace(participant_per_second, _PARTICIPANTS)
        self.paces_participants = self._of_participant is not None
        # Each makes a session, so they may come as often as sessions may begin.
        self._failures = _pace(1 / BURST_SECONDS if participant_per_second else 0, _FAILURES)
        # Half of a conference is for others: who fills a room from one address keeps nobody out.
        seats = conference_participants // 2 if address_participants else 0
        self.crowds = Crowds(address_participants, seats)
        self.has_seat = self.crowds.has_seat
        self._most = address_participants
        is_told = address_per_second or newcomers_per_second or address_participants
        self._callers = callers if is_told else None
        self.refusals = Refusals()

    def find(self, peer: str, headers: Sequence[Header], now: float) -> Crowd:
        """Return what is known of the address that a request counts against."""
        address = self._callers.key(peer, headers) if self._callers else ""
        return self.crowds.find(address, now) if address else NOBODY

    def admit(self, crowd: Crowd, now: float) -> bool:
        """
        Count a push of *crowd*, and return whether it may be a new participant's.

        Raises:
            TooFast: there are too many.
        """
        if not crowd.address:
            return True
        at = crowd.full_at
        if at < now:
            at = now
        elif at > now + self._slack:
            raise TooFast(Reason.ADDRESS_RATE, at - now - self._slack)
        crowd.full_at = at + self._every
        if crowd.joins_full_at > now + self._joins_slack:
            return False
        return len(crowd.lives) < self._most or self.crowds.has_room(crowd, now)

    def count_live(self, crowd: Crowd, member: str, until: float) -> None:
        """Count *member* of *crowd* as live *until* then; 0: it has left."""
        if not (crowd.address and self._most):
            return
        if until:
            crowd.lives[hash(member)] = until
        elif crowd.lives.pop(hash(member), None) is not None:
            crowd.looks_at = 0.0

    def take_participant(self, member: str, now: float) -> None:
        """
        Count a push for *member*.

        Raises:
            TooFast: there are too many.
        """
        pace = self._of_participant
        if pace and (seconds := pace.take(member, now)):
            raise TooFast(Reason.PARTICIPANT_RATE, seconds)

    def take_failure(self, member: str, now: float) -> None:
        """
        Count a join of *member* that failed.

        Raises:
            TooFast: another one did so a moment ago.
        """
        pace = self._failures
        if pace and (seconds := pace.take(member, now)):
            raise TooFast(Reason.PARTICIPANT_RATE, seconds)

    def seconds_to_join(self, crowd: Crowd, now: float) -> float:
        """Return the seconds until a new participant of *crowd* may come; 0: now."""
        return max(0.0, crowd.joins_full_at - now - self._joins_slack)

    def count_newcomer(self, crowd: Crowd, member: str) -> None:
        """Count *member* as new of *crowd*, which is known only when Redis has answered."""
        if crowd.address:
            self.crowds.seat(crowd, member)
            now = monotonic()
            # Those who were on their way when it was empty do not lengthen the wait.
            if crowd.joins_full_at <= now + self._joins_slack:
                crowd.joins_full_at = max(crowd.joins_full_at, now) + self._joins_every
