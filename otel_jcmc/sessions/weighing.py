"""
What a span wants to know of an interval: each push weighed by the time for which it stands.

In come the pushes of a session, as recorder.py hears of them; out come, once an interval, the
tally, the events, the stretches and the counts of its entry (entry.py).
"""

from operator import itemgetter
from typing import Any, Final

import msgspec

from otel_jcmc.catalogue.metrics import CAUSE_ID, COVERS_ID, METRICS, STATE_ID
from otel_jcmc.sessions.stretches import TENTH_MS, Times, add_time, stretches_of
from otel_jcmc.sessions.vitals import COUNTED, VITAL_SCALES, StoredTally, Thresholds, Vitals
from otel_jcmc.verdict.rules import OUTAGE, UNKNOWN, WORD_OF, State
from otel_jcmc.wire.push import Report

# Of an interval; a state that jumps to and fro at each push is told no better by more of them.
MOST_EVENTS: Final = 20
# What a push stands for that is the first of its session and does not say how often they come.
FIRST_MS: Final = 10_000
_AT: Final = {row.field: row.id - 1 for row in METRICS}
_DOWN, _UP = _AT["outage_down"], _AT["outage_up"]
_STATE, _CAUSE, _COVERS = STATE_ID - 1, CAUSE_ID - 1, COVERS_ID - 1
_NOT_COUNTED: Final[list[float | None]] = [None] * len(COUNTED)
_NONE_COUNTED: Final = (None,) * len(COUNTED)
_counted: Final = itemgetter(*COUNTED)
_WORDS: Final = {state.value: state.name.lower() for state in State}


class Weighed(msgspec.Struct, gc=False):
    """
    One interval so far, and what of it lasts longer.

    Attributes:
        sums, known, bad: of each vital in the interval: value by ms, ms known, ms beyond its bound.
        events: in it; with when they were, by our clock in seconds.
        times: in it, for how long which state and cause, and where.
        counts: in it, of each of vitals.COUNTED; None: not told.
        state: as it was last known; None: it was not yet.
        is_silent: whether the stats have stopped; None: there were none yet.
    """

    sums: list[float] = msgspec.field(default_factory=lambda: [0.0] * 3)
    known: list[float] = msgspec.field(default_factory=lambda: [0.0] * 3)
    bad: list[float] = msgspec.field(default_factory=lambda: [0.0] * 3)
    events: list[tuple[float, str, float | None]] = []
    times: Times = {}
    counts: list[float | None] = msgspec.field(default_factory=_NOT_COUNTED.copy)
    state: int | None = None
    is_silent: bool | None = None


# What an entry has of it, see entry.py: tally, events, stretches, counts.
Part = tuple[
    list[StoredTally | None],
    list[tuple[int, str, float | None]],
    list[list[Any]],
    list[int | None] | None,
]


def weight_of(report: Report, since_ms: float | None, ttl_ms: int) -> float:
    """
    Return for how many ms a push stands.

    It is the time since the one before, as far as the push says that it covers it; an outage
    counts from its beginning, because nothing could be pushed meanwhile.

    Args:
        since_ms: the time since the push before; None: there was none.
        ttl_ms: for longer nobody is there.
    """
    numbers = report.numbers
    most = numbers[_COVERS] or ttl_ms
    if numbers[_CAUSE] == OUTAGE.id:
        most = max(most, numbers[_DOWN] or 0, numbers[_UP] or 0)
    if since_ms is None:
        since_ms = report.session.interval_ms or FIRST_MS
    return min(since_ms, most, ttl_ms)


def weigh(
    weighed: Weighed, report: Report, found: Vitals, at: float, weight_ms: float, bound: Thresholds
) -> None:
    """Take note of a push at *at* with the vitals *found*, which stands for *weight_ms*."""
    _weigh_vitals(weighed, found, weight_ms, bound)
    add_time(weighed.times, report, weight_ms)
    state = report.numbers[_STATE]
    if state is not None and state != weighed.state:
        # Who was never anything else has not become good.
        if state or weighed.state:
            _happened(weighed, at, _event_of(state, report.numbers[_CAUSE]))
        weighed.state = state
    # What a page has told before is not to be counted again.
    _count(weighed.counts, report.numbers if report.sent is None else report.sent)
    is_silent = found == (None, None, None)
    # Who has just joined has none yet: they have not stopped.
    if weighed.is_silent is None and is_silent:
        return
    if weighed.is_silent is (not is_silent):
        _happened(weighed, at, "stats.stopped" if is_silent else "stats.resumed")
    weighed.is_silent = is_silent


def _weigh_vitals(weighed: Weighed, found: Vitals, weight_ms: float, bound: Thresholds) -> None:
    """Take note of the vitals *found*, and of which is beyond its *bound*."""
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


def _count(counts: list[float | None], numbers: list[Any]) -> None:
    """Add what is counted from push to push."""
    told = _counted(numbers)
    # The original's page tells none.
    if told == _NONE_COUNTED:
        return
    for index, value in enumerate(told):
        if value is not None:
            counts[index] = (counts[index] or 0) + value


def _event_of(state: int, cause: int | None) -> str:
    """Return what has happened: `verdict.good`, or `verdict.bad.uplink`."""
    word = f"verdict.{_WORDS[state]}"
    return f"{word}.{WORD_OF.get(cause or 0, UNKNOWN)}" if state else word


def _happened(weighed: Weighed, at: float, what: str, value: float | None = None) -> None:
    """Add an event, if there have not been too many."""
    if len(weighed.events) < MOST_EVENTS:
        weighed.events.append((at, what, value))


def take_weighed(weighed: Weighed, at: float) -> Part:
    """Return what an entry at *at* has of the interval, and begin the next one."""
    tally = [
        (round(total / known * scale), int(known) // TENTH_MS, int(bad) // TENTH_MS)
        if known
        else None
        for total, known, bad, scale in zip(
            weighed.sums, weighed.known, weighed.bad, VITAL_SCALES, strict=True
        )
    ]
    events = [
        (int((at - when) * 1000) // TENTH_MS, what, value) for when, what, value in weighed.events
    ]
    counts: list[int | None] | None = None
    if weighed.counts != _NOT_COUNTED:
        # Of ms no more is known, and a float takes nine bytes.
        counts = [None if each is None else round(each) for each in weighed.counts]
    part = tally, events, stretches_of(weighed.times), counts
    weighed.sums, weighed.known, weighed.bad = [0.0] * 3, [0.0] * 3, [0.0] * 3
    weighed.events, weighed.times, weighed.counts = [], {}, _NOT_COUNTED.copy()
    return part
