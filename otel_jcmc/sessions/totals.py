"""
Adds up all pushes of a session so far, and returns the verdict on the whole call.

weighing.py makes the sums of an interval; this file adds them to the `Totals` of the session. The
session's card contains the totals (card.py), so that a list of sessions needs no logs. If two
processes take pushes of one session, both add to the same totals: log.lua accepts a write only if
it builds on the newest totals.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec

from otel_jcmc.sessions.vitals import COUNTED, LOWER_IS_WORSE, VITAL_SCALES, VITALS, StoredTally
from otel_jcmc.verdict.rules import UNKNOWN, WORD_OF, State

# A call is bad if more than this share of its known time was bad. It is fair if more than this
# share was bad or fair. A hidden tab, a change of networks or a slow start takes a smaller share.
BAD_SHARE: Final = 0.1
# For the order "worst first", fair time counts as bad time, multiplied by _FAIR_WEIGHS. Each call
# gets a minute (_MORE_TENTHS) of good time added, so that a call of a few seconds does not come
# first.
_FAIR_WEIGHS: Final = 0.25
_MORE_TENTHS: Final = 600
_GOOD, _FAIR, _BAD = (state.value for state in State)
_STATES: Final[dict[int | None, State]] = {state.value: state for state in State}
# The badness of a call that was bad all the time would be this number.
WORST: Final = 0xFFFF


class VitalTotal(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """
    One vital over the whole session; values are multiplied by the vital's VITAL_SCALES.

    Attributes:
        sum: the sum of value times duration, with durations in tenths of a second.
        known, bad: how long the vital was known and was bad, in tenths of a second.
        worst: the worst value of all pushes; None: not known.
    """

    sum: int = 0
    known: int = 0
    bad: int = 0
    worst: int | None = None


# (tenths of a second, state of the session during this time, id of the cause). State None: not
# known.
Time = tuple[int, int | None, int]


class Totals(msgspec.Struct, array_like=True, gc=False):
    """
    The sums over all pushes of a session.

    Attributes:
        vitals: a `VitalTotal` for each of VITALS, in their order.
        times: for each state and cause, how long the session had them.
        counts: the sum of each counter of COUNTED (vitals.py); None: no push had the counter.
        outages: the number of outages.
    """

    vitals: list[VitalTotal]
    times: list[Time] = []
    counts: list[int | None] = []
    outages: int = 0


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Totals).decode


def new_totals() -> Totals:
    """Return the totals of a session without pushes."""
    return Totals([VitalTotal() for _ in VITALS], [], [None] * len(COUNTED))


def pack(totals: Totals) -> bytes:
    """Return *totals* as bytes for a card; they take a tenth of the memory of the objects."""
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
        times: how long the session had each state and cause in this interval.
        outages: the number of outages that began in the interval.
    """
    vitals = totals.vitals
    for at, is_lower in enumerate(LOWER_IS_WORSE):
        # A new object is made, because to set attributes of a Struct takes longer.
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
    """Subtract an interval that `add` has added to *totals*; the worst values stay as they are."""
    vitals = totals.vitals
    for at, told in enumerate(tally):
        vitals[at] = _changed(vitals[at], told, vitals[at].worst, -1)
    _count(totals, times, counts, -1)


def _changed(of: VitalTotal, told: StoredTally | None, worst: int | None, sign: int) -> VitalTotal:
    """Return *of* with the tally *told* added (*sign* 1) or subtracted (-1), and with *worst*."""
    if told is None:
        return of if worst == of.worst else VitalTotal(of.sum, of.known, of.bad, worst)
    mean, known, bad = told
    # The first push covers no time yet. It counts as a tenth of a second, so that the first value
    # is not lost.
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
    """Return the average of the vital VITALS[*index*]; None if it was never known."""
    of = totals.vitals[index]
    return of.sum / of.known / VITAL_SCALES[index] if of.known else None


def worst(totals: Totals, index: int) -> float | None:
    """Return the worst value of the vital VITALS[*index*]; None if it was never known."""
    extreme = totals.vitals[index].worst
    return None if extreme is None else extreme / VITAL_SCALES[index]


def bad_share(totals: Totals, index: int) -> float | None:
    """Return the share of its known time in which VITALS[*index*] was bad; None: never known."""
    of = totals.vitals[index]
    return min(1.0, of.bad / of.known) if of.known else None


def tenths_by_state(totals: Totals) -> dict[State | None, int]:
    """Return state -> tenths of a second in this state; the key None is unknown time."""
    found: Counter[State | None] = Counter()
    for tenths, state, _ in totals.times:
        # A state of a later version counts as not known.
        found[_STATES.get(state)] += tenths
    return dict(found)


def state_of(totals: Totals) -> State | None:
    """Return the state of the whole call; None if its state was never known."""
    return judged(totals).state


def cause_of(totals: Totals) -> str:
    """
    Return the main cause of the state of the whole call, a word of verdict/rules.py.

    The word is empty if the call was good or its state was never known. It is `unknown` if most of
    the time in this state has no known cause.
    """
    return judged(totals).cause


def badness(totals: Totals) -> int:
    """Return how bad the whole call was, 0 to WORST; lists with "worst first" sort by it."""
    return judged(totals).badness


class Judged(NamedTuple):
    """The verdict on a whole call; `state_of`, `cause_of` and `badness` explain the fields."""

    state: State | None
    cause: str
    badness: int


_NOT_JUDGED: Final = Judged(None, "", 0)
_ALL_GOOD: Final = Judged(State.GOOD, "", 0)


def judged(totals: Totals) -> Judged:
    """Return the verdict on the whole call so far; the card gets a new verdict every interval."""
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
    """Return the state of a call; *fair* and *bad* are shares of its known time, 0 to 1."""
    if bad > BAD_SHARE:
        return State.BAD
    return State.FAIR if bad + fair > BAD_SHARE else State.GOOD


def _main_cause(totals: Totals, state: State) -> str:
    """Return the word for the main cause of a call's *state*; empty if the state is good."""
    if not state:
        return ""
    is_fair = state == _FAIR
    by: dict[str, int] = {}
    for tenths, of, cause in totals.times:
        if of == _BAD or (of == _FAIR and is_fair):
            word = WORD_OF.get(cause, UNKNOWN)
            by[word] = by.get(word, 0) + tenths
    # Nearly all calls have a single cause.
    return min(by, key=lambda word: (-by[word], word)) if len(by) > 1 else next(iter(by))
