"""
Draws values over time as lines of SVG, in a box that is WIDTH wide and HEIGHT high.

The input is the `Course` of a session. The output is charts. A chart has a line with gaps where no
value is known, a scale, and a text for readers who can't see the picture.
"""

from collections.abc import Callable, Iterable, Sequence
from math import floor, log10
from typing import Final, NamedTuple

from otel_jcmc.pages.charts import WIDTH
from otel_jcmc.pages.course import (
    LOSS_DOWN,
    LOSS_UP,
    MEASURES,
    MOS,
    QUALITY,
    RECEIVED,
    ROUND_TRIP,
    SENT,
    Course,
    Measure,
    Point,
)
from otel_jcmc.pages.words import bitrate, milliseconds, percent, score, span

HEIGHT: Final = 100.0
_MOST_UNKNOWN: Final = 1
_NICE: Final = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)


class Line(NamedTuple):
    """
    A line of a chart.

    Attributes:
        label: the name of the line; empty if the chart has only one line.
        word: the CSS class of the line.
        path: the SVG path.
        reach: the lowest and the highest value, as text.
    """

    label: str
    word: str
    path: str
    reach: str


class Chart(NamedTuple):
    """
    A chart: its lines over one scale, and its texts.

    Attributes:
        title, detail: the name of what the chart shows, and a text beside it.
        area: an SVG path around the best and worst values; empty if best values are not kept.
        lowest, highest: the ends of the scale, as text.
        threshold_y, threshold: the threshold beyond which values are bad, as a height in the chart
            and as text. None and empty: the measure has no threshold.
        text: describes the chart for readers who can't see it.
    """

    title: str
    detail: str
    lines: list[Line]
    area: str
    lowest: str
    highest: str
    threshold_y: float | None
    threshold: str
    text: str


class _Plan(NamedTuple):
    title: str
    detail: str
    measures: tuple[tuple[Measure, str], ...]
    write: Callable[[float], str]
    low: float = 0
    high: float | None = None


_PLANS: Final = (
    _Plan(
        "Quality",
        "as Jitsi Meet shows it",
        ((QUALITY, "one"),),
        "{:.0f}".format,
        0,
        100,
    ),
    _Plan("Packet loss", "both directions", ((LOSS_UP, "up"), (LOSS_DOWN, "down")), percent),
    _Plan("Round trip", "to the bridge and back", ((ROUND_TRIP, "one"),), milliseconds),
    _Plan("Speech quality", "as heard (MOS)", ((MOS, "one"),), score, 1, 4.5),
    _Plan("Bitrate", "sent and received", ((SENT, "up"), (RECEIVED, "down")), bitrate),
)
_WAYS: Final = {"up": "sent", "down": "received", "one": ""}


def charts_of(course: Course, bad_loss: float, bad_round_trip_ms: float) -> list[Chart]:
    """Return a chart of each measure in *course*; loss and round trip have a threshold."""
    bounds = {"Packet loss": bad_loss, "Round trip": bad_round_trip_ms}
    made = (_chart(course, plan, bounds.get(plan.title)) for plan in _PLANS)
    return [each for each in made if each.lines]


def _chart(course: Course, plan: _Plan, bound: float | None) -> Chart:
    told = [
        (measure, word, found)
        for measure, word in plan.measures
        if (found := course.extremes(measure)) is not None
    ]
    high = plan.high
    if high is None:
        most = max((max(found) for _, _, found in told), default=0.0)
        high = nice(max(most, (bound or 0) * 1.25))
    scale = (plan.low, high)
    lines, texts = [], []
    for measure, word, (best, usual, worst) in told:
        label, is_high_bad = _WAYS[word], not measure.is_low_bad
        path = _path(course, MEASURES.index(measure), scale)
        ends = (best, worst) if is_high_bad else (worst, best)
        low, up = map(plan.write, ends)
        lines.append(Line(label, word, path, span(low, up)))
        texts.append(
            f"{label or plan.title}: best {plan.write(best)}, median {plan.write(usual)},"
            f" worst {plan.write(worst)}"
        )
    has_area = len(told) == 1 and told[0][0].vital is not None
    return Chart(
        *(plan.title, plan.detail, lines),
        _area(course, MEASURES.index(told[0][0]), scale) if has_area else "",
        plan.write(plan.low),
        plan.write(high),
        None if bound is None else _y(bound, scale),
        "" if bound is None else plan.write(bound),
        f"{plan.title}, {plan.detail}. {'; '.join(texts)}",
    )


def nice(value: float) -> float:
    """Return the upper end of a scale for *value*: *value* itself, or a round number above it."""
    if value <= 0:
        return 1.0
    size = 10.0 ** floor(log10(value))
    return next(each * size for each in _NICE if each * size >= value * 0.999)


def _y(value: float, scale: tuple[float, float]) -> float:
    low, high = scale
    share = (value - low) / ((high - low) or 1)
    return round(HEIGHT * (1 - min(1.0, max(0.0, share))), 1)


def _x(at_ms: int, course: Course) -> float:
    span = max(1, course.to_ms - course.from_ms)
    return round(min(1.0, max(0.0, (at_ms - course.from_ms) / span)) * WIDTH, 1)


def _runs(points: Iterable[Point], at: int) -> list[list[Point]]:
    """
    Split *points* at each gap, and return the parts, without points that lack the measure *at*.

    A single point without a value makes no gap: browsers report upload loss only now and then.
    """
    found: list[list[Point]] = []
    unknown = 0
    for each in points:
        if each.is_after_gap:
            unknown = _MOST_UNKNOWN + 1
        if each.values[at] is None:
            unknown += 1
            continue
        if not found or unknown > _MOST_UNKNOWN:
            found.append([])
        found[-1].append(each)
        unknown = 0
    return found


def _path(course: Course, at: int, scale: tuple[float, float]) -> str:
    """Return the SVG path of the line of the measure *at*; a point without neighbours is a dot."""
    return " ".join(
        "M"
        + " L".join(f"{_x(each.at_ms, course)},{_y(each.values[at] or 0, scale)}" for each in run)
        + ("h.01" if len(run) == 1 else "")
        for run in _runs(course.points, at)
    )


def _area(course: Course, at: int, scale: tuple[float, float]) -> str:
    """Return the SVG path around the worst and the best values of the measure *at*."""
    return " ".join(
        "M"
        + " L".join([*_edge(course, run, at, scale), *reversed(_other(course, run, at, scale))])
        + "Z"
        for run in _runs(course.points, at)
        if len(run) > 1
    )


def _edge(course: Course, run: Sequence[Point], at: int, scale: tuple[float, float]) -> list[str]:
    return [f"{_x(each.at_ms, course)},{_y(each.values[at] or 0, scale)}" for each in run]


def _other(course: Course, run: Sequence[Point], at: int, scale: tuple[float, float]) -> list[str]:
    ends = [each.values[at] if each.others[at] is None else each.others[at] for each in run]
    return [
        f"{_x(each.at_ms, course)},{_y(end or 0, scale)}"
        for each, end in zip(run, ends, strict=True)
    ]
