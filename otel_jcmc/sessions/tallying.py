"""
Calculates the numbers in a session's summary, from the session's totals and samples.

The totals (totals.py) of a session come from its card. If a session has no card, `count` adds its
samples (entry.py) to new totals. `told_of` and `mos_of` return fields of the summary (summary.py).
"""

from collections.abc import Iterable

from otel_jcmc.sessions.entry import Sample
from otel_jcmc.sessions.stretches import TENTH_MS
from otel_jcmc.sessions.summary import MOS_SCALE, Told
from otel_jcmc.sessions.totals import Totals, add
from otel_jcmc.sessions.vitals import COUNTED, VITAL_SCALES, vitals
from otel_jcmc.verdict.rules import OUTAGE


def count(totals: Totals, sample: Sample) -> None:
    """Add the interval that *sample* describes to *totals*."""
    tally: list[tuple[int, int, int] | None] = [
        each and (round(each.mean * scale), each.known_ms // TENTH_MS, each.bad_ms // TENTH_MS)
        for each, scale in zip(sample.tally, VITAL_SCALES, strict=False)
    ] or [
        # A sample without a tally has only the vitals of the interval's last push.
        None if each is None else (round(each * scale), 0, 0)
        for each, scale in zip(vitals(sample.numbers), VITAL_SCALES, strict=True)
    ]
    worst = [
        None if each is None else round(each * scale)
        for each, scale in zip(sample.worst, VITAL_SCALES, strict=True)
    ]
    times = [(each.tenths, each.state, each.cause) for each in sample.stretches]
    counts = sample.counts or [None] * len(COUNTED)
    outages = sum(each.what.split(".")[2:] == [OUTAGE.word] for each in sample.events)
    add(totals, tally, worst, times, counts, outages)


def told_of(totals: Totals) -> list[Told]:
    """Return the vitals in *totals* as a summary has them: a `Told` for each of VITALS."""
    return [
        Told(round(of.sum / of.known), of.known, min(of.bad, of.known), of.worst)
        if of.known
        else Told()
        for of in totals.vitals
    ]


def mos_of(found: Iterable[float]) -> tuple[int, int] | None:
    """Return the average and the lowest of the MOS values *found*, in units of 1 / MOS_SCALE."""
    scores = [*found]
    if not scores:
        return None
    return round(MOS_SCALE * sum(scores) / len(scores)), round(MOS_SCALE * min(scores))
