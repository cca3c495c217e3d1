"""
Adds up the pushes of an interval, each weighted by the time for which it counts.

When a push comes, `noted` only makes a tuple of its values. Once an interval, or when many tuples
wait, `weigh` adds all waiting tuples of a session to the sums of the session. The processor needs
time to load the sums into its cache, so the sums are loaded once for several pushes.
"""

from typing import Final

from otel_jcmc.catalogue.metrics import CAUSE_ID, COVERS_ID, METRICS, STATE_ID
from otel_jcmc.sessions.pushes import LONGER, SILENT, UNKNOWN_CODE, bytes_of
from otel_jcmc.sessions.stretches import GOOD, TENTH_MS, UNKNOWN, key_of, spend
from otel_jcmc.sessions.vitals import COUNTED, LOWER_IS_WORSE, vitals
from otel_jcmc.sessions.weighed import MOST_BYTES, Noted, Vital, Weighed
from otel_jcmc.verdict.rules import OUTAGE
from otel_jcmc.wire.push import Report

_AT: Final = {row.field: row.id - 1 for row in METRICS}
_DOWN, _UP = _AT["outage_down"], _AT["outage_up"]
_STATE, _CAUSE, _COVERS = STATE_ID - 1, CAUSE_ID - 1, COVERS_ID - 1
_FREEZES, _FREEZE_TIME, _FRAMES_DROPPED = COUNTED
_MOMENT_MS: Final = float(TENTH_MS)
_OUTAGE: Final = OUTAGE.id
# The thresholds of quality, loss and round trip, at which they become bad (vitals.py).
Bounds = tuple[float, float, float]


def noted(report: Report, at: float) -> Noted:
    """Return those values of a push that `weigh` uses; *at*: its time by the process's clock, s."""
    numbers = report.numbers
    state, cause = numbers[_STATE], numbers[_CAUSE]
    quality, loss, trip = vitals(numbers)
    code = (cause or 0) | (UNKNOWN_CODE if state is None else state << 6)
    if quality is loss is trip is None:
        code |= SILENT
    # Nearly all pushes are good, so this case calls no function.
    key = key_of(report) if state else UNKNOWN if state is None else GOOD
    covers_ms = numbers[_COVERS] or report.session.interval_ms
    # An outage counts from its beginning, because nothing could be pushed during it.
    out_ms = max(numbers[_DOWN] or 0, numbers[_UP] or 0) if cause == _OUTAGE else None
    # A counter must not count twice, so only the counters in this push are read, and not those that
    # are known from an earlier push. The client of JCMC sends no counters.
    told = numbers if report.sent is None else report.sent
    return (
        at,
        covers_ms,
        out_ms,
        code,
        key,
        told[_FREEZES],
        told[_FREEZE_TIME],
        told[_FRAMES_DROPPED],
        quality,
        loss,
        trip,
    )


def weigh(of: Weighed, ttl_ms: float, bounds: Bounds) -> None:  # noqa: C901, PLR0912, PLR0915
    """
    Add the waiting pushes of a session to its sums.

    A push counts for the time since the previous push, but not for longer than the time that the
    push says it covers. If the push does not say that, it counts at most for the previous gap
    between two pushes. It never counts for longer than *ttl_ms*, after which a participant expires.
    """
    if not of.times:
        of.times = {}
    if of.first is not None and of.waiting:
        # The first push counts for the time until the second push.
        until_ms = min((of.waiting[0][0] - of.before) * 1000, ttl_ms)
        _lengthen(of, of.first, until_ms - _MOMENT_MS, bounds)
        of.first = None
    # This is one long function with each sum in a local name, because it handles every push. With a
    # call or a loop for each vital, or with attributes, it would take twice as long.
    least_quality, most_loss, most_trip = bounds
    before, gap_ms, last = of.before, of.gap_ms, of.tick
    pushes: list[int] = []
    room = MOST_BYTES - len(of.pushes)
    # `pushes` has no gap before the first push of an interval, because the entry has no push
    # before it.
    is_first = not of.pushes
    freezes, freeze_ms, dropped = of.counts
    quality_sum, quality_ms, quality_bad, quality_low, quality_high = of.quality
    loss_sum, loss_ms, loss_bad, loss_low, loss_high = of.loss
    trip_sum, trip_ms, trip_bad, trip_low, trip_high = of.trip
    now, now_ms = GOOD, 0.0
    waiting, of.waiting = of.waiting, []
    for each in waiting:
        at, covers_ms, out_ms, code, key, froze, frozen_ms, drops, quality, loss, trip = each
        weight_ms = most = covers_ms or gap_ms
        if before:
            weight_ms = gap_ms = (at - before) * 1000
        elif not covers_ms:
            # The first push covers no time yet. It counts for a tenth of a second, so that its
            # values are known.
            of.first, weight_ms = each, _MOMENT_MS
        before = at
        if not covers_ms:
            of.is_guessed = True
        if out_ms is not None:
            of.outages += not of.is_out
            of.is_out, most = True, max(most, out_ms)
        elif of.is_out:
            of.is_out = False
        if most and most < weight_ms:
            weight_ms = most
        if weight_ms > ttl_ms:
            weight_ms = ttl_ms
        if key is not now:
            if now_ms:
                spend(of.times, now, now_ms)
            now, now_ms = key, 0.0
        now_ms += weight_ms
        if quality is not None:
            quality_sum += quality * weight_ms
            quality_ms += weight_ms
            if quality < least_quality:
                quality_bad += weight_ms
            if quality < quality_low:
                quality_low = quality
            if quality > quality_high:
                quality_high = quality
        if loss is not None:
            loss_sum += loss * weight_ms
            loss_ms += weight_ms
            if loss > most_loss:
                loss_bad += weight_ms
            if loss < loss_low:
                loss_low = loss
            if loss > loss_high:
                loss_high = loss
        if trip is not None:
            trip_sum += trip * weight_ms
            trip_ms += weight_ms
            if trip > most_trip:
                trip_bad += weight_ms
            if trip < trip_low:
                trip_low = trip
            if trip > trip_high:
                trip_high = trip
        if froze is not None:
            freezes = froze if freezes is None else freezes + froze
        if frozen_ms is not None:
            freeze_ms = frozen_ms if freeze_ms is None else freeze_ms + frozen_ms
        if drops is not None:
            dropped = drops if dropped is None else dropped + drops
        tick = int(at * 10)
        if room <= 0:
            of.beyond = tick, code
            continue
        tenths, last = 0 if is_first else tick - last, tick
        is_first = False
        room -= 2
        pushes += (tenths, code) if 0 <= tenths < LONGER else bytes_of(tenths, code)
    if now_ms:
        spend(of.times, now, now_ms)
    of.quality = quality_sum, quality_ms, quality_bad, quality_low, quality_high
    of.loss = loss_sum, loss_ms, loss_bad, loss_low, loss_high
    of.trip = trip_sum, trip_ms, trip_bad, trip_low, trip_high
    of.counts = freezes, freeze_ms, dropped
    of.before, of.gap_ms, of.tick = before, gap_ms, last
    of.pushes += bytes(pushes)


def _lengthen(of: Weighed, first: Noted, more_ms: float, bounds: Bounds) -> None:
    """Let the *first* push of a session, which is in the sums, count for *more_ms* longer."""
    if more_ms <= 0:
        return
    _, _, _, _, key, _, _, _, *values = first
    spend(of.times, key, more_ms)
    of.quality, of.loss, of.trip = map(
        _longer, (of.quality, of.loss, of.trip), values, bounds, LOWER_IS_WORSE, [more_ms] * 3
    )


def _longer(of: Vital, value: float | None, bound: float, is_lower: bool, ms: float) -> Vital:  # noqa: FBT001
    """Return the sums *of* a vital after its *value* has counted for *ms* longer."""
    if value is None:
        return of
    total, known, bad, low, high = of
    is_bad = value < bound if is_lower else value > bound
    return total + value * ms, known + ms, bad + is_bad * ms, low, high
