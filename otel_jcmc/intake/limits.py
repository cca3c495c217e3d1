"""
Applies the limits on pushes in one process; logs when a limit begins to refuse and when it stops.

`Pace` is a token bucket for any number of keys in constant memory. `Refusals` writes the log lines
for the operator. `Limits` uses both classes. Each process counts alone, so two replicas together
accept twice as many pushes as the limit of one process allows. Twice the limit is still few enough
to stop a flood. The number of participants must be exact over all replicas, so
store/participant.lua counts it in Redis.
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

# A full bucket holds the tokens of this many seconds: at a rate of 1 push a second, 10 pushes may
# come at once.
BURST_SECONDS: Final = 10.0
# How many slots a Pace has for participants, and for failed joins; a slot takes 8 bytes. When
# 10,000 participants push, one participant in 200 shares both of its slots with others. This delays
# its pushes only if those others push too often.
_PARTICIPANTS: Final = 1 << 18
_FAILURES: Final = 1 << 16
_SHIFT: Final = 24
# After this many seconds without a refusal, the log says that a limit no longer refuses.
_OVER_SECONDS: Final = 60.0


class Pace:
    """
    Limits each key to a rate per second; the tokens of BURST_SECONDS may be taken at once.

    This is the generic cell rate algorithm (ITU-T I.371): a slot holds only the time at which its
    token bucket will be full again. The number of slots is fixed. A key has two slots and uses the
    slot with more tokens, as in a count-min sketch. Other keys can delay a key only if they empty
    both of its slots. A caller can't choose its slots, because Python salts the hash of a text. A
    call of `take` takes 0.3 µs.
    """

    __slots__ = ("_every", "_full_at", "_mask", "_slack")

    def __init__(self, per_second: float, slots: int = _PARTICIPANTS) -> None:
        """Begin with full buckets; *slots* is a power of two."""
        self._every, self._slack = _bucket(per_second)
        self._full_at = array("d", bytes(8 * slots))
        self._mask = slots - 1

    def take(self, key: str, now: float) -> float:
        """Take a token of *key* and return 0, or return the seconds until *key* has one again."""
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
        """Return the seconds until *key* has a token, 0 if it has one now; take no token."""
        full_at = self._full_at
        mixed, mask = hash(key), self._mask
        first, second = full_at[mixed & mask], full_at[(mixed >> _SHIFT) & mask]
        seconds = (first if first < second else second) - now - self._slack  # noqa: FURB136
        return seconds if seconds > 0 else 0.0


_SAID: Final = {
    Reason.PARTICIPANT_LIMIT: "newcomers are refused: JCMC_LIMIT_PARTICIPANTS are live",
    Reason.CONFERENCE_LIMIT: "newcomers are refused: JCMC_LIMIT_CONFERENCE_PARTICIPANTS are live"
    " in a conference",
    Reason.NEWCOMER_RATE: "newcomers are refused: one address has more than"
    " JCMC_LIMIT_ADDRESS_NEWCOMERS_PER_SECOND",
    Reason.ADDRESS_LIMIT: "newcomers are refused: JCMC_LIMIT_ADDRESS_PARTICIPANTS of one address"
    " are live, or half of JCMC_LIMIT_CONFERENCE_PARTICIPANTS in a conference",
    Reason.ADDRESS_RATE: "pushes are refused: one address has more than"
    " JCMC_LIMIT_ADDRESS_PUSHES_PER_SECOND",
    Reason.PARTICIPANT_RATE: "pushes are refused: one participant has more than"
    " JCMC_LIMIT_PARTICIPANT_PUSHES_PER_SECOND",
}


LIMITS: Final = frozenset(_SAID)
# The crowd of all callers whose address is unknown; no limit applies to it.
NOBODY: Final = Crowd("")


class Refusals:
    """Logs a line when a limit begins to refuse pushes, and a line when it no longer does."""

    def __init__(self) -> None:
        """Begin as if no limit had refused a push."""
        self._last: dict[Reason, float] = {}

    def add(self, reason: Reason) -> None:
        """Note that the limit *reason* has refused a push or a new participant."""
        if reason not in self._last:
            log.warning("limits: %s", _SAID[reason])
        self._last[reason] = monotonic()

    def log_ended(self) -> None:
        """Log each limit that has refused nothing for a minute; call this regularly."""
        now = monotonic()
        over = [reason for reason, at in self._last.items() if now - at > _OVER_SECONDS]
        for reason in over:
            del self._last[reason]
            log.info("limits: no longer so: %s", _SAID[reason])


def _bucket(per_second: float) -> tuple[float, float]:
    """
    Return the seconds per token, and the seconds from the first token in a bucket to a full bucket.

    Without a limit (*per_second* is 0), the second value is infinite.
    """
    if not per_second:
        return 0.0, inf
    # A bucket holds at least one token, so that even a rate of one push a minute lets pushes pass.
    return 1 / per_second, max(0.0, BURST_SECONDS - 1 / per_second)


def _pace(per_second: float, slots: int) -> Pace | None:
    """Return a Pace with this rate; None if *per_second* is 0, which means no limit."""
    return Pace(per_second, slots) if per_second else None


class TooFast(Exception):
    """A limit refuses a push; the sender may try it again after *seconds*."""

    def __init__(self, reason: Reason, seconds: float) -> None:
        """Refuse a push for *reason* (one of LIMITS); the sender may try again after *seconds*."""
        super().__init__(reason)
        self.reason = reason
        self.seconds = seconds


class Limits:
    """
    The limits that each process applies only to the pushes that it gets itself.

    Attributes:
        refusals: logs when a limit begins to refuse and when it no longer does.
        crowds: has the crowd of each address (crowds.py).
        has_seat: the method of this name of `crowds`, kept here because each push calls it.
        paces_participants: whether participants have a rate limit.
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
        """
        Set the limits; 0 means no limit.

        Args:
            callers: finds the address of the caller of a push.
            address_per_second: the most pushes per second from one address.
            participant_per_second: the most pushes per second of one participant.
            newcomers_per_second: the most new participants per second from one address.
            address_participants: the most live participants from one address.
            conference_participants: the most live participants in one conference; one address may
                have at most half of them.
        """
        # The Crowd of an address holds the address's token buckets; the algorithm is as in Pace.
        self._every, self._slack = _bucket(address_per_second)
        self._joins_every, self._joins_slack = _bucket(newcomers_per_second)
        self._of_participant = _pace(participant_per_second, _PARTICIPANTS)
        self.paces_participants = self._of_participant is not None
        # Each failed join is stored as a session, so it is limited like a new session.
        self._failures = _pace(1 / BURST_SECONDS if participant_per_second else 0, _FAILURES)
        # One address may have at most half of a conference's participants, so that it can't fill
        # the conference and keep other participants out.
        seats = conference_participants // 2 if address_participants else 0
        self.crowds = Crowds(address_participants, seats)
        self.has_seat = self.crowds.has_seat
        self._most = address_participants
        is_told = address_per_second or newcomers_per_second or address_participants
        self._callers = callers if is_told else None
        self.refusals = Refusals()

    def find(self, peer: str, headers: Sequence[Header], now: float) -> Crowd:
        """Return the crowd of the address behind *peer*; NOBODY if there is no limit by address."""
        address = self._callers.key(peer, headers) if self._callers else ""
        return self.crowds.find(address, now) if address else NOBODY

    def admit(self, crowd: Crowd, now: float) -> bool:
        """
        Count a push of *crowd*, and return whether a new participant of *crowd* may join now.

        Raises:
            TooFast: too many pushes have come from this address.
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
        """Count *member* of *crowd* as live until *until* (monotonic, in s); 0: it has left."""
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
            TooFast: too many pushes have come for this participant.
        """
        pace = self._of_participant
        if pace and (seconds := pace.take(member, now)):
            raise TooFast(Reason.PARTICIPANT_RATE, seconds)

    def take_failure(self, member: str, now: float) -> None:
        """
        Count a failed join of *member*.

        Raises:
            TooFast: another join of *member* failed a moment ago.
        """
        pace = self._failures
        if pace and (seconds := pace.take(member, now)):
            raise TooFast(Reason.PARTICIPANT_RATE, seconds)

    def seconds_to_join(self, crowd: Crowd, now: float) -> float:
        """Return the seconds until the rate limit lets a new participant of *crowd* join, or 0."""
        return max(0.0, crowd.joins_full_at - now - self._joins_slack)

    def count_newcomer(self, crowd: Crowd, member: str) -> None:
        """Count *member* as a new participant of *crowd*; call this after Redis has stored it."""
        if crowd.address:
            self.crowds.seat(crowd, member)
            now = monotonic()
            # Several new participants may be on their way to Redis when the bucket becomes empty.
            # Those beyond the limit do not make later new participants wait longer.
            if crowd.joins_full_at <= now + self._joins_slack:
                crowd.joins_full_at = max(crowd.joins_full_at, now) + self._joins_every
