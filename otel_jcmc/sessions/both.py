"""
Merges two entries of one session that two processes wrote for the same time.

Two stored entries (entry.py) come in. One entry goes out, with the pushes of both entries.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from otel_jcmc.catalogue.metrics import LAST_METRIC_ID
from otel_jcmc.sessions import pushes
from otel_jcmc.sessions.entry import EPOCH_MS, Stored
from otel_jcmc.sessions.pushes import Push, begun_outages
from otel_jcmc.sessions.stretches import TENTH_MS, Stretch
from otel_jcmc.sessions.vitals import COUNTED, LOWER_IS_WORSE, VITALS, StoredTally, vitals


def is_of_one_time(one: Stored, other: Stored, interval_ms: int) -> bool:
    """
    Say whether two entries are about the same time.

    This is so if the times of their pushes overlap, or if all pushes of both entries came within
    *interval_ms*.
    """
    own, others = _in_turns(one), _in_turns(other)
    if not own or not others:
        return False
    begins = own[0].at_ms, others[0].at_ms
    ends = own[-1].at_ms, others[-1].at_ms
    return max(begins) <= min(ends) or max(ends) - min(begins) <= interval_ms


def extreme_of(entry: Stored, told: Sequence[int | None] | None) -> list[int | None]:
    """
    Return the worst or the best vitals of *entry*.

    *told* is the entry's field `worst` or `best`. If this field is None, the vitals of the entry's
    last push are returned.
    """
    if told is not None:
        return [*told]
    numbers = [*entry.numbers, *[None] * LAST_METRIC_ID][:LAST_METRIC_ID]
    # The vitals in an entry are whole numbers.
    return [None if each is None else int(each) for each in vitals(numbers)]


def tenths_of(entry: Stored) -> int:
    """Return the time that the pushes of *entry* cover together, in tenths of a second."""
    return sum(each.tenths for each in entry.stretches or ())


def scale(entry: Stored, wanted: int) -> None:
    """Change *entry* so that its pushes cover about *wanted* tenths of a second together."""
    tenths = tenths_of(entry)
    if not tenths:
        return
    entry.tally = [
        each and (each[0], each[1] * wanted // tenths, each[2] * wanted // tenths)
        for each in entry.tally or ()
    ]
    entry.stretches = [
        msgspec.structs.replace(each, tenths=round(each.tenths * wanted / tenths))
        for each in entry.stretches or ()
    ]


def _share(one: Stored, other: Stored, most: int) -> None:
    """
    Reduce the times of both entries if they cover more than *most* tenths of a second together.

    Afterwards both entries cover *most* tenths of a second together. The time of each entry is in
    proportion to the number of its pushes.
    """
    counts = len(_in_turns(one)), len(_in_turns(other))
    if tenths_of(one) + tenths_of(other) > most and all(counts):
        share = most * counts[0] // sum(counts)
        scale(one, share)
        scale(other, most - share)


def merge(one: Stored, other: Stored, most: int | None) -> Stored:
    """
    Return one entry with the pushes of *one* and *other*; this may change *one* and *other*.

    The new entry covers at most *most* tenths of a second; None: its time is not limited.
    """
    if most is not None:
        _share(one, other, most)
    early, late = (one, other) if one.at <= other.at else (other, one)
    worst, best = (
        [_pick(low == is_worst, *both) for low, both in zip(LOWER_IS_WORSE, pairs, strict=True)]
        for is_worst, pairs in (
            (True, [*zip(extreme_of(one, one.worst), extreme_of(other, other.worst), strict=True)]),
            (False, [*zip(extreme_of(one, one.best), extreme_of(other, other.best), strict=True)]),
        )
    )
    whole = Stored(late.at, late.numbers, worst, best)
    whole.attributes = early.attributes if late.attributes is None else late.attributes
    whole.verdict = late.verdict
    whole.tally = [
        _mean(*each) for each in zip(_three(one.tally), _three(other.tally), strict=True)
    ]
    whole.stretches = _together(one.stretches or (), other.stretches or ())
    if one.counts or other.counts:
        none = [None] * len(COUNTED)
        both = zip(one.counts or none, other.counts or none, strict=False)
        whole.counts = [a if b is None else b if a is None else a + b for a, b in both]
    whole.pushes = pushes.pack(_in_turns(one, other)) or None
    return whole


def _three(tally: Sequence[StoredTally | None] | None) -> list[StoredTally | None]:
    return [*(tally or ()), *[None] * len(VITALS)][: len(VITALS)]


def _pick(is_lower: bool, one: int | None, other: int | None) -> int | None:  # noqa: FBT001
    """Return the lower or the higher of two values; a value of None is ignored."""
    known = [each for each in (one, other) if each is not None]
    if not known:
        return None
    return min(known) if is_lower else max(known)


def _mean(one: StoredTally | None, other: StoredTally | None) -> StoredTally | None:
    """Return one tally for the pushes of both tallies, with the mean weighted by known time."""
    if one is None or other is None:
        return one or other
    weights = max(one[1], 1), max(other[1], 1)
    mean = round((one[0] * weights[0] + other[0] * weights[1]) / sum(weights))
    return mean, one[1] + other[1], one[2] + other[2]


def _together(*both: Iterable[Stretch]) -> list[Stretch]:
    """Return the stretches of *both*; add up stretches with the same state, cause and place."""
    tenths: dict[Any, int] = {}
    for each in (stretch for some in both for stretch in some):
        key = msgspec.structs.astuple(each)[1:]
        tenths[key] = tenths.get(key, 0) + each.tenths
    return [Stretch(count, *key) for key, count in tenths.items()]


def _in_turns(*entries: Stored | None) -> list[Push]:
    """Return the pushes of all *entries* in the order of time."""
    return sorted(
        (
            push
            for entry in entries
            if entry is not None
            for push in pushes.unpack(entry.pushes or b"", EPOCH_MS + entry.at * TENTH_MS)
        ),
        key=lambda push: push.at_ms,
    )


def more_outages(other: Stored | None, own: Stored) -> int:
    """
    Return how many outages the pushes of *own* add to the outages of *other*.

    This is the number of outages that begin in the pushes of both entries together, minus the
    number of outages that begin in the pushes of *other* alone.
    """
    return begun_outages(_in_turns(other, own)) - begun_outages(_in_turns(other))
