"""
Each push of an interval weighed by the time for which it stands.

In come the pushes of a session, as recorder.py hears of them; out come, once an interval, the
tally, the stretches, the counts and the pushes of its entry (entry.py).
"""

from operator import itemgetter
from typing import Any, Final, NamedTuple

import msgspec

from otel_jcmc.catalogue.metrics import CAUSE_ID, COVERS_ID, METRICS, STATE_ID
from otel_jcmc.sessions import pushes
from otel_jcmc.sessions.stretches import TENTH_MS, Key, Times, key_of, stretches_of
from otel_jcmc.sessions.vitals import COUNTED, VITAL_SCALES, StoredTally, Thresholds, Vitals
from otel_jcmc.verdict.rules import OUTAGE
from otel_jcmc.wire.push import Report

_MOST_BYTES: Final = 2 * pushes.MOST
_AT: Final = {row.field: row.id - 1 for row in METRICS}
_DOWN, _UP = _AT["outage_down"], _AT["outage_up"]
_STATE, _CAUSE, _COVERS = STATE_ID - 1, CAUSE_ID - 1, COVERS_ID - 1
_NOT_COUNTED: Final[list[float | None]] = [None] * len(COUNTED)
_NONE_COUNTED: Final = (None,) * len(COUNTED)
_MOMENT_MS: Final = TENTH_MS
_OUTAGE: Final = OUTAGE.id
_NOTHING: Final = (None, None, None)
_counted: Final = itemgetter(*COUNTED)


class First(NamedTuple):
    """A session's first push, until it is known for how long it stands."""

    found: Vitals
    key: Key


class Weighed(msgspec.Struct, gc=False):
    """
    One interval so far, and what of it lasts longer.

    Attributes:
        sums, known, bad: of each vital in the interval: value by ms, ms known, ms beyond its bound.
        times: in it, for how long which state and cause, and where.
        counts: in it, of each of vitals.COUNTED; None: not told.
        outages: how many began in it.
        is_guessed: some of its pushes did not say how much time they are about.
        pushes: of it, as an entry has them.
        tick, last, before: the last push, in tenths of a second of our clock; where it begins
            among them, and when the one before was.
        first: the session's first push, which does not say how much time it is about.
        gap_ms: the time between the last two pushes; 0: there were none.
        is_out: it is in an outage.
    """

    sums: list[float] = msgspec.field(default_factory=lambda: [0.0] * 3)
    known: list[float] = msgspec.field(default_factory=lambda: [0.0] * 3)
    bad: list[float] = msgspec.field(default_factory=lambda: [0.0] * 3)
    times: Times = {}
    counts: list[float | None] = msgspec.field(default_factory=_NOT_COUNTED.copy)
    outages: int = 0
    is_guessed: bool = False
    pushes: bytearray = msgspec.field(default_factory=bytearray)
    tick: int = 0
    last: int = 0
    before: int = 0
    first: First | None = None
    gap_ms: float = 0.0
    is_out: bool = False


class Part(NamedTuple):
    """What an entry has of an interval, see entry.py; and what its session's totals have of it."""

    tally: list[StoredTally | None]
    stretches: list[list[Any]]
    counts: list[int | None] | None
    pushes: bytes
    outages: int
    is_guessed: bool


def weigh(
    weighed: Weighed,
    report: Report,
    found: Vitals,
    at: float,
    since_ms: float | None,
    ttl_ms: int,
    bound: Thresholds,
) -> None:
    """
    Take note of a push at *at*, in seconds of our clock, with the vitals *found*.

    It stands for the time since the one before, as far as it says that it covers it, or as far as
    is usual where it does not say so.

    Args:
        since_ms: the time since the push before; None: there was none.
        ttl_ms: for longer nobody is there.
    """
    numbers = report.numbers
    key = key_of(weighed.times, report)
    covers = numbers[_COVERS] or report.session.interval_ms
    state, cause = numbers[_STATE], numbers[_CAUSE]
    weight_ms = most = covers or weighed.gap_ms
    if since_ms is not None:
        if weighed.first is not None:
            # As long as until the second one.
            until_ms = max(0, min(since_ms, ttl_ms) - _MOMENT_MS)
            _add(weighed, *weighed.first, until_ms, bound)
            weighed.first = None
        weighed.gap_ms = weight_ms = since_ms
    elif not covers:
        # It has lasted no time yet, and is what there is.
        weighed.first, weight_ms = First(found, key), _MOMENT_MS
    if not covers:
        weighed.is_guessed = True
    if cause == _OUTAGE:
        # It counts from its beginning, because nothing could be pushed meanwhile.
        most = max(most, numbers[_DOWN] or 0, numbers[_UP] or 0)
        weighed.outages += not weighed.is_out
        weighed.is_out = True
    else:
        weighed.is_out = False
    if most and most < weight_ms:
        weight_ms = most
    _add(weighed, found, key, min(weight_ms, ttl_ms), bound)
    # What a page has told before is not to be counted again.
    told = _counted(numbers if report.sent is None else report.sent)
    # The original's page tells none.
    if told != _NONE_COUNTED:
        _count(weighed.counts, told)
    code = (cause or 0) | (pushes.UNKNOWN_CODE if state is None else state << 6)
    _note(weighed, int(at * 10), code | pushes.SILENT if found == _NOTHING else code)


def _add(weighed: Weighed, found: Vitals, key: Key, weight_ms: float, bound: Thresholds) -> None:
    """Let a push with the vitals *found*, and the state and place of *key*, stand for so long."""
    weighed.times[key] = weighed.times.get(key, 0.0) + weight_ms
    quality, loss, trip = found
    sums, known, bad = weighed.sums, weighed.known, weighed.bad
    # One by one: a loop over three takes twice as long.
    if quality is not None:
        sums[0] += quality * weight_ms
        known[0] += weight_ms
        if quality < bound.quality:
            bad[0] += weight_ms
    if loss is not None:
        sums[1] += loss * weight_ms
        known[1] += weight_ms
        if loss > bound.loss:
            bad[1] += weight_ms
    if trip is not None:
        sums[2] += trip * weight_ms
        known[2] += weight_ms
        if trip > bound.round_trip:
            bad[2] += weight_ms


def _count(counts: list[float | None], told: tuple[float | None, ...]) -> None:
    """Add what is counted from push to push."""
    for index, value in enumerate(told):
        if value is not None:
            counts[index] = (counts[index] or 0) + value


def _note(weighed: Weighed, tick: int, code: int) -> None:
    """Take note of when a push was and how."""
    packed = weighed.pushes
    if len(packed) < _MOST_BYTES:
        weighed.before, weighed.last = weighed.tick, len(packed)
    else:
        del packed[weighed.last :]
    # Of the first of an interval only when it was counts.
    tenths = tick - weighed.before if packed else 0
    weighed.tick = tick
    if 0 <= tenths < pushes.LONGER:
        packed.append(tenths)
        packed.append(code)
    else:
        pushes.note(packed, tenths, code)


def take_weighed(weighed: Weighed) -> Part:
    """Return what an entry has of the interval, and begin the next one."""
    tally: list[StoredTally | None] = [
        (round(total / known * scale), int(known) // TENTH_MS, int(bad) // TENTH_MS)
        if known
        else None
        for total, known, bad, scale in zip(
            weighed.sums, weighed.known, weighed.bad, VITAL_SCALES, strict=True
        )
    ]
    stretches = stretches_of(weighed.times)
    counts: list[int | None] | None = None
    if weighed.counts != _NOT_COUNTED:
        # Of ms no more is known, and a float takes nine bytes.
        counts = [None if each is None else round(each) for each in weighed.counts]
        weighed.counts = _NOT_COUNTED.copy()
    part = Part(
        *(tally, stretches, counts, bytes(weighed.pushes)), weighed.outages, weighed.is_guessed
    )
    weighed.sums, weighed.known, weighed.bad = [0.0] * 3, [0.0] * 3, [0.0] * 3
    weighed.times, weighed.outages, weighed.is_guessed = {}, 0, False
    weighed.pushes.clear()
    return part
