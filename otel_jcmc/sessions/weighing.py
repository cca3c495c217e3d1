"""
Adds up the pushes of an interval: each value is multiplied by the time for which the push counts.

When a push comes, `noted` returns its values as a tuple, and the tuple waits. At the end of an
interval, or when many tuples wait, `weigh` adds all waiting tuples of a session to the session's
sums (`Weighed`). The processor needs time to fetch the sums into its cache, so this is done once
for several pushes.
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
# Quality is bad below the first value, loss is bad above the second value, and the round trip is
# bad above the third value.
Bounds = tuple[float, float, float]


def noted(report: Report, at: float) -> Noted:
    """Return the values of *report* that `weigh` uses; *at* is when it came (our clock, s)."""
    numbers = report.numbers
    state, cause = numbers[_STATE], numbers[_CAUSE]
    quality, loss, trip = vitals(numbers)
    code = (cause or 0) | (UNKNOWN_CODE if state is None else state << 6)
    if quality is loss is trip is None:
        code |= SILENT
    # Nearly all pushes are good.
    key = key_of(report) if state else UNKNOWN if state is None else GOOD
    covers_ms = numbers[_COVERS] or report.session.interval_ms
    # An outage counts from its beginning, because the client could not push during the outage.
    out_ms = max(numbers[_DOWN] or 0, numbers[_UP] or 0) if cause == _OUTAGE else None
    # A counter of an earlier push must not count twice, so counters are read only from the numbers
    # that the client sent in this push. If `sent` is None, all numbers are of this push.
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
    Add the waiting pushes in *of*, which belongs to one session, to the sums in *of*.

    Each push counts for the time since the push before, but not for longer than the time that it
    covers. If the push does not say how much time it covers, the limit is the time between the two
    pushes before it. A push in an outage may count for as long as the outage has lasted. No push
    counts for longer than *ttl_ms*, because then the participant expires. *bounds* say which values
    of the vitals are bad.
    """
    if not of.times:
        of.times = {}
    if of.first is not None and of.waiting:
        # The first push counts for the time until the second push.
        until_ms = min((of.waiting[0][0] - of.before) * 1000, ttl_ms)
        _lengthen(of, of.first, until_ms - _MOMENT_MS, bounds)
        of.first = None
    # Every push is added here, so this is one long function with each sum in a local variable. With
    # a call or a loop for each vital, or with attributes, the function would take twice as long.
    least_quality, most_loss, most_trip = bounds
    before, gap_ms, last = of.before, of.gap_ms, of.tick
    pushes: list[int] = []
    room = MOST_BYTES - len(of.pushes)
    # The bytes of an interval's first push have 0 instead of the time since the push before.
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
            # A session's first push that does not say how much time it covers counts for a moment
            # (_MOMENT_MS) until the second push comes, because no other value is known.
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
    """Let a session's *first* push, which is in the sums already, count for *more_ms* longer."""
    if more_ms <= 0:
        return
    _, _, _, _, key, _, _, _, *values = first
    spend(of.times, key, more_ms)
    of.quality, of.loss, of.trip = map(
        _longer, (of.quality, of.loss, of.trip), values, bounds, LOWER_IS_WORSE, [more_ms] * 3
    )


def _longer(of: Vital, value: float | None, bound: float, is_lower: bool, ms: float) -> Vital:  # noqa: FBT001
    """Return *of* with *value* counted for *ms* longer; lowest and highest value do not change."""
    if value is None:
        return of
    total, known, bad, low, high = of
    is_bad = value < bound if is_lower else value > bound
    return total + value * ms, known + ms, bad + is_bad * ms, low, high
