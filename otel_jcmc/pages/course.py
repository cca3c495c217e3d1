"""
Reduces the samples of one session to as many points as a chart can show.

The input is the samples of a log, in order of time. The output is at most about MOST_POINTS
points. A point has the worst value of each measure in its time. `Course` also gives the best,
median and worst value of each measure over the whole session.
"""

from collections.abc import Callable, Sequence
from statistics import median
from typing import Any, Final, NamedTuple

from otel_jcmc.catalogue.metrics import METRICS, MOS_ID
from otel_jcmc.sessions.entry import Sample
from otel_jcmc.sessions.vitals import vitals

# This many points fill a wide screen. A day of samples, one each half minute, is six times as many.
MOST_POINTS: Final = 480
_ID_OF: Final = {row.field: row.id for row in METRICS}


class Measure(NamedTuple):
    """
    A kind of number that a chart shows.

    Attributes:
        is_low_bad: whether low values are bad; otherwise high values are bad.
        of: a function that returns the value of a sample; None: not known.
        vital: the measure's index in `Sample.worst` and `Sample.best`; None: samples have no worst
            and best value of this measure.
    """

    name: str
    is_low_bad: bool
    of: Callable[[Sample], float | None]
    vital: int | None = None


def _number(field: str) -> Callable[[Sample], float | None]:
    at = _ID_OF[field] - 1

    def of(sample: Sample) -> float | None:
        value: float | None = sample.numbers[at]
        return value

    return of


def _mos(sample: Sample) -> float | None:
    value: Any = sample.numbers[MOS_ID - 1]
    return None if value is None else float(value)


def _round_trip(sample: Sample) -> float | None:
    return vitals(sample.numbers)[2]


QUALITY: Final = Measure("quality", True, _number("connectionquality"), 0)
LOSS_UP: Final = Measure("upload loss", False, _number("packetloss_upload"))
LOSS_DOWN: Final = Measure("download loss", False, _number("packetloss_download"))
ROUND_TRIP: Final = Measure("round-trip time", False, _round_trip, 2)
MOS: Final = Measure("speech quality", True, _mos)
SENT: Final = Measure("sent bitrate", True, _number("bitrate_upload"))
RECEIVED: Final = Measure("received bitrate", True, _number("bitrate_download"))
MEASURES: Final = (QUALITY, LOSS_UP, LOSS_DOWN, ROUND_TRIP, MOS, SENT, RECEIVED)


class Point(NamedTuple):
    """
    The values of a short time of a session.

    Attributes:
        at_ms: the end of this time, Unix time in ms.
        values: the worst value of each of MEASURES; None: not known.
        others: the best value of each of MEASURES; None: not known, or not kept for this measure.
        is_after_gap: whether pushes were missing just before this time.
    """

    at_ms: int
    values: tuple[float | None, ...]
    others: tuple[float | None, ...]
    is_after_gap: bool


class Course(NamedTuple):
    """The points of a session, and the beginning and end of the axis, Unix time in ms."""

    from_ms: int
    to_ms: int
    points: list[Point]

    def known(self, measure: Measure) -> list[float]:
        """Return the known values of *measure*."""
        at = MEASURES.index(measure)
        return [value for each in self.points if (value := each.values[at]) is not None]

    def extremes(self, measure: Measure) -> tuple[float, float, float] | None:
        """Return best, median and worst of *measure*; None: no value is known."""
        known = self.known(measure)
        if not known:
            return None
        best, worst = (max, min) if measure.is_low_bad else (min, max)
        at = MEASURES.index(measure)
        others = [value for each in self.points if (value := each.others[at]) is not None]
        return best([*known, *others]), median(known), worst(known)


def course_of(samples: Sequence[Sample], from_ms: int, to_ms: int, apart_ms: int) -> Course:
    """Return the course of *samples*; more than *apart_ms* between two samples is a gap."""
    step = max(1, -(-(to_ms - from_ms) // MOST_POINTS))
    points: list[Point] = []
    slot, before_ms = -1, 0
    for sample in samples:
        is_after_gap = not points or sample.at_ms - before_ms > apart_ms
        before_ms = sample.at_ms
        made = _point(sample, is_after_gap)
        here = (sample.at_ms - from_ms) // step
        # Samples that fall into one point are merged, also if there was a gap between them: the
        # chart could not show so short a gap.
        if here == slot and points:
            points[-1] = _merged(points[-1], made)
        else:
            points.append(made)
        slot = here
    return Course(from_ms, to_ms, points)


def _point(sample: Sample, is_after_gap: bool) -> Point:  # noqa: FBT001  # one of two
    values: list[float | None] = []
    others: list[float | None] = []
    for each in MEASURES:
        value, other = each.of(sample), None
        if each.vital is not None:
            worst, other = sample.worst[each.vital], sample.best[each.vital]
            value = value if worst is None else worst
        values.append(value)
        others.append(other)
    return Point(sample.at_ms, tuple(values), tuple(others), is_after_gap)


def _merged(first: Point, second: Point) -> Point:
    """Return one point in place of two, with their worst `values` and their best `others`."""
    values, others = [], []
    for at, each in enumerate(MEASURES):
        worse, better = (min, max) if each.is_low_bad else (max, min)
        values.append(_of_known(worse, first.values[at], second.values[at]))
        others.append(_of_known(better, first.others[at], second.others[at]))
    return Point(second.at_ms, tuple(values), tuple(others), first.is_after_gap)


def _of_known(
    chosen: Callable[[float, float], float], one: float | None, other: float | None
) -> float | None:
    if one is None or other is None:
        return other if one is None else one
    return chosen(one, other)
