"""
Adds up all pushes of a leg so far, and judges the whole call by these totals.

weighing.py adds up the pushes of each interval; `add` adds the sums of an interval to the leg's
`Totals`. The leg's card contains the totals (card.py), so that a list of sessions is made without
reading logs. If two processes take pushes of one leg, both add to the same totals: log.lua accepts
new totals only if they were made from the newest totals in Redis.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec

from otel_jcmc.sessions.vitals import COUNTED, LOWER_IS_WORSE, VITAL_SCALES, VITALS, StoredTally
from otel_jcmc.verdict.rules import UNKNOWN, WORD_OF, State

# A call is bad if it was bad for more than this share of its known time. Otherwise it is fair if it
# was bad or fair for more than this share. A hidden tab, a change of networks or a slow start takes
# a smaller share.
BAD_SHARE: Final = 0.1
# For the order "worst first": a second of fair time counts as this part of a second of bad time.
# Each call counts as if it had been good for a minute longer (_MORE_TENTHS), so that a bad call of
# a few seconds does not come first.
_FAIR_WEIGHS: Final = 0.25
_MORE_TENTHS: Final = 600
_GOOD, _FAIR, _BAD = (state.value for state in State)
_STATES: Final[dict[int | None, State]] = {state.value: state for state in State}
# The highest value that `badness` returns.
WORST: Final = 0xFFFF


class VitalTotal(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """
    One vital over the whole session; values are in units of VITAL_SCALES.

    Attributes:
        sum: the sum of each value multiplied by its time in tenths of a second.
        known: how long the vital was known, in tenths of a second.
        bad: how long the vital was worse than its bound (weighing.Bounds), in tenths of a second.
        worst: the worst value of all pushes; None: the vital was never known.
    """

    sum: int = 0
    known: int = 0
    bad: int = 0
    worst: int | None = None


# A time in tenths of a second, the session's state in this time (None: not known), and the id of
# the state's cause.
Time = tuple[int, int | None, int]


class Totals(msgspec.Struct, array_like=True, gc=False):
    """
    The sums over all pushes of a session.

    Attributes:
        vitals: a `VitalTotal` for each of VITALS, in the order of VITALS.
        times: for each pair of state and cause, how long the session had both, in tenths of a
            second.
        counts: the sum of each counter of COUNTED (vitals.py); None: it was never pushed.
        outages: how many outages the session had.
    """

    vitals: list[VitalTotal]
    times: list[Time] = []
    counts: list[int | None] = []
    outages: int = 0


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Totals).decode


def new_totals() -> Totals:
    """Return the totals of a session before its first push."""
    return Totals([VitalTotal() for _ in VITALS], [], [None] * len(COUNTED))


def pack(totals: Totals) -> bytes:
    """Return *totals* as bytes, as a card has them; they take a tenth of the memory of *totals*."""
    return _encode(totals)


def unpack(packed: bytes) -> Totals:
    """
    Return the totals from *packed*, the bytes that `pack` returned.

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
        totals: changed in place.
        tally, worst, counts: the fields of the interval's entry (entry.py).
        times: how long the session was in each state with each cause.
        outages: how many outages began in the interval.
    """
    vitals = totals.vitals
    for at, is_lower in enumerate(LOWER_IS_WORSE):
        # A new object, because setting the attributes of the old Struct takes longer.
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
    """
    Subtract an interval that `add` has added from *totals*; the arguments are those of `add`.

    The worst values stay, because a push had them.
    """
    vitals = totals.vitals
    for at, told in enumerate(tally):
        vitals[at] = _changed(vitals[at], told, vitals[at].worst, -1)
    _count(totals, times, counts, -1)


def _changed(of: VitalTotal, told: StoredTally | None, worst: int | None, sign: int) -> VitalTotal:
    """Return *of* plus (*sign* 1) or minus (-1) the tally *told*, and with *worst* as its worst."""
    if told is None:
        return of if worst == of.worst else VitalTotal(of.sum, of.known, of.bad, worst)
    mean, known, bad = told
    # The first push covers no time. It counts as a tenth of a second, because until the second push
    # no other value is known.
    known = (known or 1) * sign
    return VitalTotal(of.sum + mean * known, of.known + known, of.bad + bad * sign, worst)


def _count(totals: Totals, times: Iterable[Time], counts: Sequence[int | None], sign: int) -> None:
    """Add an interval's *times* and *counts* to *totals* (*sign* 1), or subtract them (-1)."""
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
    """Return the average over time of the vital at *index* of VITALS; None: never known."""
    of = totals.vitals[index]
    return of.sum / of.known / VITAL_SCALES[index] if of.known else None


def worst(totals: Totals, index: int) -> float | None:
    """Return the worst value of the vital at *index* of VITALS; None: never known."""
    extreme = totals.vitals[index].worst
    return None if extreme is None else extreme / VITAL_SCALES[index]


def bad_share(totals: Totals, index: int) -> float | None:
    """
    Return how long the vital at *index* of VITALS was bad, divided by how long it was known.

    The result is 0 to 1, or None if the vital was never known.
    """
    of = totals.vitals[index]
    return min(1.0, of.bad / of.known) if of.known else None


def tenths_by_state(totals: Totals) -> dict[State | None, int]:
    """Return how long the session was in each state, in tenths of a second; None: not known."""
    found: Counter[State | None] = Counter()
    for tenths, state, _ in totals.times:
        # A state that a later version has added counts as not known.
        found[_STATES.get(state)] += tenths
    return dict(found)


def state_of(totals: Totals) -> State | None:
    """Return the state of the whole call; None if the state was never known."""
    return judged(totals).state


def cause_of(totals: Totals) -> str:
    """
    Return the main cause of the whole call's state, as a word of verdict/rules.py.

    The main cause of a bad call is the cause with the longest bad time; of a fair call, the cause
    with the longest bad and fair time together. The word is `unknown` if this longest time has no
    known cause. The word is empty if the call was good or its state was never known.
    """
    return judged(totals).cause


def badness(totals: Totals) -> int:
    """Return how bad the call was, 0 to WORST; lists that are sorted "worst first" use it."""
    return judged(totals).badness


class Judged(NamedTuple):
    """The verdict on a whole call: see `state_of`, `cause_of` and `badness`."""

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
    """Return the state of a call that was *fair* and *bad* for these shares of its known time."""
    if bad > BAD_SHARE:
        return State.BAD
    return State.FAIR if bad + fair > BAD_SHARE else State.GOOD


def _main_cause(totals: Totals, state: State) -> str:
    """Return the main cause of the call's *state* as in `cause_of`; empty if the state is good."""
    if not state:
        return ""
    is_fair = state == _FAIR
    by: dict[str, int] = {}
    for tenths, of, cause in totals.times:
        if of == _BAD or (of == _FAIR and is_fair):
            word = WORD_OF.get(cause, UNKNOWN)
            by[word] = by.get(word, 0) + tenths
    # Nearly all calls that are not good have one cause.
    return min(by, key=lambda word: (-by[word], word)) if len(by) > 1 else next(iter(by))
