"""
The sums over all pushes of a session so far, and the verdict on the whole call.

The sums of intervals come in, which weighing.py makes; `Totals` go out. The session's card contains
them (card.py), so that a list of sessions needs no logs. Two processes that take one session's
pushes add to the same totals; log.lua takes only writes that build on the newest totals.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec

from otel_jcmc.sessions.vitals import COUNTED, LOWER_IS_WORSE, VITAL_SCALES, VITALS, StoredTally
from otel_jcmc.verdict.rules import UNKNOWN, WORD_OF, State

# A call is bad if it was bad for more than this share of its known time, and fair if it was bad or
# fair for more than this share. A hidden tab, a change of networks or a slow start take less.
BAD_SHARE: Final = 0.1
# For the order "worst first": fair time counts as this share of bad time. Each call counts as if it
# had been good for a minute more, so that a call of a few seconds does not come first.
_FAIR_WEIGHS: Final = 0.25
_MORE_TENTHS: Final = 600
_GOOD, _FAIR, _BAD = (state.value for state in State)
_STATES: Final[dict[int | None, State]] = {state.value: state for state in State}
# The highest badness.
WORST: Final = 0xFFFF


class VitalTotal(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """
    One vital over the whole session, in units of VITAL_SCALES and in tenths of a second.

    Attributes:
        sum: the sum of value times tenths.
        known, bad: how long the vital was known, and how long it was beyond its bound.
        worst: the worst value of all pushes.
    """

    sum: int = 0
    known: int = 0
    bad: int = 0
    worst: int | None = None


# Tenths of a second, the state in which they were spent (None: not known), and its cause.
Time = tuple[int, int | None, int]


class Totals(msgspec.Struct, array_like=True, gc=False):
    """
    The sums over all pushes of a session.

    Attributes:
        vitals: one for each of VITALS, in their order.
        times: one for each state and cause: how long the session was in it.
        counts: the sum of each of COUNTED (vitals.py); None: never pushed.
        outages: how many outages there were.
    """

    vitals: list[VitalTotal]
    times: list[Time] = []
    counts: list[int | None] = []
    outages: int = 0


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Totals).decode


def new_totals() -> Totals:
    """Return totals of no pushes."""
    return Totals([VitalTotal() for _ in VITALS], [], [None] * len(COUNTED))


def pack(totals: Totals) -> bytes:
    """Return *totals* in the form of a card, which takes a tenth of the objects' memory."""
    return _encode(totals)


def unpack(packed: bytes) -> Totals:
    """
    Return the totals that `pack` made into *packed*.

    Raises:
        msgspec.MsgspecError: *packed* is damaged.
    """
    return _decode(packed)


NOTHING: Final = pack(new_totals())


def add(
    totals: Totals,
    tally: Sequence[StoredTally | None],
    worst: Sequence[int | None],
    times: Iterable[Time],
    counts: Sequence[int | None],
    outages: int = 0,
) -> None:
    """
    Add one interval to *totals*.

    Args:
        tally, worst, counts: the fields of the interval's entry (entry.py).
        times: tenths of a second by state and cause.
        outages: how many outages began in the interval.
    """
    vitals = totals.vitals
    for at, is_lower in enumerate(LOWER_IS_WORSE):
        # Made anew, because setting attributes of a Struct takes longer.
        of, extreme = vitals[at], worst[at]
        before = of.worst
        if before is not None and (
            extreme is None or (before < extreme if is_lower else before > extreme)
        ):
            extreme = before
        vitals[at] = _changed(of, tally[at], extreme, 1)
    _count(totals, times, counts, 1)
    if outages:
        totals.outages += outages


def take_away(
    totals: Totals,
    tally: Sequence[StoredTally | None],
    _worst: Sequence[int | None],
    times: Iterable[Time],
    counts: Sequence[int | None],
) -> None:
    """Subtract an interval from *totals*; the worst values stay, because they did occur."""
    vitals = totals.vitals
    for at, told in enumerate(tally):
        vitals[at] = _changed(vitals[at], told, vitals[at].worst, -1)
    _count(totals, times, counts, -1)


def _changed(of: VitalTotal, told: StoredTally | None, worst: int | None, sign: int) -> VitalTotal:
    """Return *of* with the tally *told* added (*sign* 1) or subtracted (-1), and with *worst*."""
    if told is None:
        return of if worst == of.worst else VitalTotal(of.sum, of.known, of.bad, worst)
    mean, known, bad = told
    # The first push covers no time, but counts as a tenth: no other value is known.
    known = (known or 1) * sign
    return VitalTotal(of.sum + mean * known, of.known + known, of.bad + bad * sign, worst)


def _count(totals: Totals, times: Iterable[Time], counts: Sequence[int | None], sign: int) -> None:
    """Add an interval's times and counts to *totals* (*sign* 1), or subtract them (-1)."""
    rows = totals.times
    for tenths, state, cause in times:
        for at, row in enumerate(rows):
            if row[1] == state and row[2] == cause:
                rows[at] = row[0] + tenths * sign, state, cause
                break
        else:
            rows.append((tenths * sign, state, cause))
    for index, count in enumerate(counts):
        if count is not None:
            totals.counts[index] = (totals.counts[index] or 0) + count * sign


def average(totals: Totals, index: int) -> float | None:
    """Return the average of the vital at *index* of VITALS; None if it was never known."""
    of = totals.vitals[index]
    return of.sum / of.known / VITAL_SCALES[index] if of.known else None


def worst(totals: Totals, index: int) -> float | None:
    """Return the worst of the vital at *index* of VITALS; None if it was never known."""
    extreme = totals.vitals[index].worst
    return None if extreme is None else extreme / VITAL_SCALES[index]


def bad_share(totals: Totals, index: int) -> float | None:
    """Return the share of the known time of the vital at *index* in which it was bad."""
    of = totals.vitals[index]
    return min(1.0, of.bad / of.known) if of.known else None


def tenths_by_state(totals: Totals) -> dict[State | None, int]:
    """Return the tenths of a second in each state; None: not known."""
    found: Counter[State | None] = Counter()
    for tenths, state, _ in totals.times:
        # A state of a later version counts as not known.
        found[_STATES.get(state)] += tenths
    return dict(found)


def state_of(totals: Totals) -> State | None:
    """Return the state of the call as a whole; None if its state was never known."""
    return judged(totals).state


def cause_of(totals: Totals) -> str:
    """
    Return the main cause of the call's state, a word of verdict/rules.py.

    It is empty if the call was good or its state was never known, and `unknown` if most of the time
    in that state has no known cause.
    """
    return judged(totals).cause


def badness(totals: Totals) -> int:
    """Return how bad the call was, 0 to WORST: the order of "worst first"."""
    return judged(totals).badness


class Judged(NamedTuple):
    """The verdict on a whole call: see `state_of`, `cause_of` and `badness`."""

    state: State | None
    cause: str
    badness: int


_NOT_JUDGED: Final = Judged(None, "", 0)
_ALL_GOOD: Final = Judged(State.GOOD, "", 0)


def judged(totals: Totals) -> Judged:
    """Return the verdict on the whole call so far; it is made every interval, for the card."""
    good = fair = bad = 0
    for count, state, _ in totals.times:
        if state == _GOOD:
            good += count
        elif state == _BAD:
            bad += count
        elif state == _FAIR:
            fair += count
    known = good + fair + bad
    if good == known:
        return _ALL_GOOD if good else _NOT_JUDGED
    weight = (bad + _FAIR_WEIGHS * fair) / (known + _MORE_TENTHS)
    state = state_by(fair / known, bad / known)
    return Judged(state, _main_cause(totals, state), round(WORST * weight))


def state_by(fair: float, bad: float) -> State:
    """Return the state of a call from the shares of its time in which it was *fair* and *bad*."""
    if bad > BAD_SHARE:
        return State.BAD
    return State.FAIR if bad + fair > BAD_SHARE else State.GOOD


def _main_cause(totals: Totals, state: State) -> str:
    """Return the main cause of the call's *state*; empty if it is good."""
    if not state:
        return ""
    is_fair = state == _FAIR
    by: dict[str, int] = {}
    for tenths, of, cause in totals.times:
        if of == _BAD or (of == _FAIR and is_fair):
            word = WORD_OF.get(cause, UNKNOWN)
            by[word] = by.get(word, 0) + tenths
    # Nearly always there is one cause.
    return min(by, key=lambda word: (-by[word], word)) if len(by) > 1 else next(iter(by))
