"""
Each push of an interval weighed by the time for which it stands.

In come the pushes of a session, as recorder.py hears of them; they go into its `Weighed`
(weighed.py), of which once an interval an entry is made. This is done for each push: nothing is
made here that is not kept, and what nearly all are like is the shortest way.
"""

from typing import Any, Final

from otel_jcmc.catalogue.metrics import CAUSE_ID, COVERS_ID, METRICS, STATE_ID
from otel_jcmc.sessions.pushes import LONGER, MOST, SILENT, UNKNOWN_CODE, note
from otel_jcmc.sessions.stretches import GOOD, TENTH_MS, UNKNOWN, key_of
from otel_jcmc.sessions.vitals import COUNTED, LOWER_IS_WORSE, Vitals
from otel_jcmc.sessions.weighed import First, Weighed
from otel_jcmc.verdict.rules import OUTAGE
from otel_jcmc.wire.push import Report

_MOST_BYTES: Final = 2 * MOST
_AT: Final = {row.field: row.id - 1 for row in METRICS}
_DOWN, _UP = _AT["outage_down"], _AT["outage_up"]
_STATE, _CAUSE, _COVERS = STATE_ID - 1, CAUSE_ID - 1, COVERS_ID - 1
_FREEZES, _FREEZE_TIME, _FRAMES_DROPPED = COUNTED
_MOMENT_MS: Final = TENTH_MS
_OUTAGE: Final = OUTAGE.id
# From where on quality, loss and round trip are bad: a plain tuple is taken apart soonest.
Bounds = tuple[float, float, float]
_NOTHING: Final = (None, None, None)


def weigh(  # noqa: C901  # a call for each condition would cost more than the condition
    weighed: Weighed,
    report: Report,
    found: Vitals,
    at: float,
    since_ms: float | None,
    ttl_ms: int,
    bounds: Bounds,
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
    state, cause = numbers[_STATE], numbers[_CAUSE]
    # Nearly all are good.
    key = key_of(weighed.all_times(), report) if state else UNKNOWN if state is None else GOOD
    covers = numbers[_COVERS] or report.session.interval_ms
    weight_ms = most = covers or weighed.gap_ms
    if since_ms is not None:
        if weighed.first is not None:
            # As long as until the second one.
            until_ms = max(0, min(since_ms, ttl_ms) - _MOMENT_MS)
            _lengthen(weighed, weighed.first, until_ms, bounds)
            weighed.first = None
        weighed.gap_ms = weight_ms = since_ms
    elif not covers:
        # It has lasted no time yet, and is what there is.
        weighed.first, weight_ms = First(found, key), _MOMENT_MS
    if not covers:
        weighed.is_guessed = True
    if cause == _OUTAGE:
        most = _note_outage(weighed, most, numbers)
    elif weighed.is_out:
        weighed.is_out = False
    if most and most < weight_ms:
        weight_ms = most
    if weight_ms > ttl_ms:
        weight_ms = ttl_ms
    if key is not weighed.key:
        weighed.turn_to(key)
    weighed.key_ms += weight_ms
    _add(weighed, found, weight_ms, bounds)
    # What a page has told before is not to be counted again; the original's tells none.
    told = numbers if report.sent is None else report.sent
    if not told[_FREEZES] is told[_FREEZE_TIME] is told[_FRAMES_DROPPED] is None:
        _count(weighed, told)
    code = (cause or 0) | (UNKNOWN_CODE if state is None else state << 6)
    if found[0] is None and found == _NOTHING:
        code |= SILENT
    _note(weighed, int(at * 10), code)


def _note_outage(weighed: Weighed, most: float, numbers: list[Any]) -> float:
    """Take note of a push in an outage; return for how long it stands, *most* if that is more."""
    weighed.outages += not weighed.is_out
    weighed.is_out = True
    # It counts from its beginning, because nothing could be pushed meanwhile.
    return max(most, numbers[_DOWN] or 0, numbers[_UP] or 0)


def _lengthen(weighed: Weighed, first: First, more_ms: float, bounds: Bounds) -> None:
    """Let the *first* push stand for so much longer."""
    weighed.turn_to(first.key)
    weighed.key_ms += more_ms
    each = (weighed.quality, weighed.loss, weighed.trip)
    for of, value, bound, is_lower in zip(each, first.found, bounds, LOWER_IS_WORSE, strict=True):
        if value is not None:
            of.sum += value * more_ms
            of.known += more_ms
            if value < bound if is_lower else value > bound:
                of.bad += more_ms


def _add(weighed: Weighed, found: Vitals, weight_ms: float, bounds: Bounds) -> None:
    """Let a push with the vitals *found* stand for so long."""
    quality, loss, trip = found
    least_quality, most_loss, most_trip = bounds
    # One by one: a loop over three takes twice as long.
    if quality is not None:
        weighed.quality.add(quality, weight_ms)
        if quality < least_quality:
            weighed.quality.bad += weight_ms
    if loss is not None:
        weighed.loss.add(loss, weight_ms)
        if loss > most_loss:
            weighed.loss.bad += weight_ms
    if trip is not None:
        weighed.trip.add(trip, weight_ms)
        if trip > most_trip:
            weighed.trip.bad += weight_ms


def _count(weighed: Weighed, told: list[Any]) -> None:
    """Add what is counted from push to push."""
    if weighed.counts is None:
        weighed.counts = [None] * len(COUNTED)
    for index, at in enumerate(COUNTED):
        value = told[at]
        if value is not None:
            weighed.counts[index] = (weighed.counts[index] or 0) + value


def _note(weighed: Weighed, tick: int, code: int) -> None:
    """Take note of when a push was and how."""
    packed = weighed.pushes
    size = len(packed)
    if size < _MOST_BYTES:
        weighed.before, weighed.last = weighed.tick, size
    else:
        del packed[weighed.last :]
    # Of the first of an interval only when it was counts.
    tenths = tick - weighed.before if size else 0
    weighed.tick = tick
    if 0 <= tenths < LONGER:
        packed.append(tenths)
        packed.append(code)
    else:
        note(packed, tenths, code)
