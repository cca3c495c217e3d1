"""
Draws a metric over time with characters.

The input is points, with the range of values at each point. The output is lines for a terminal.
Where no value is known, the plot has a gap, also in the axis. We use no library for this. plotext 5
skips missing values (its issue 114), so it draws a line across a gap; plotext 6 is new. Neither can
draw ranges, and our code to call either of them would be as long as this file.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from math import ceil, floor, log10
from typing import Final, NamedTuple

HEIGHT: Final = 12
# The labels to the left of the axis are at least this wide, so that several plots align.
MARGIN: Final = 3
_TICKS: Final = 3


class Signs(NamedTuple):
    """The characters of a plot: for a value, for the range around it, and for the axes."""

    value: str
    range: str
    axis: str
    side: str
    corner: str


BLOCKS: Final = Signs("█", "░", "─", "┤", "└")
ASCII: Final = Signs("*", ":", "-", "|", "+")


class Point(NamedTuple):
    """
    A metric's value from *start* to *end*, both in seconds.

    Attributes:
        value: the value at *end*; None: not known.
        low, high: the lowest and the highest value between *start* and *end*.
    """

    start: float
    end: float
    value: float | None
    low: float | None
    high: float | None


class _PlotColumn(NamedTuple):
    """One column of a plot: the rows of its value and of the ends of its range, from below."""

    value: int
    low: int
    high: int


def plot(
    points: Sequence[Point],
    width: int,
    *,
    top: float | None = None,
    signs: Signs = BLOCKS,
    zone: tzinfo = UTC,
) -> list[str]:
    """
    Return the plot of *points* as lines of at most *width* characters, with times in *zone*.

    The scale goes from 0 to *top*; None: to a round number above all values. A column shows the
    mean of the values in its time.
    """
    known = [each for each in points if each.value is not None]
    if not known:
        return []
    most = max(part for each in known for part in (each.value, each.high) if part is not None)
    top = top or _round_up(most)
    labels = [f"{top:g}", f"{top / 2:g}", "0"]
    margin = max(MARGIN, *map(len, labels))
    count = max(_TICKS, width - margin - 2)
    start, end = points[0].start, max(points[-1].end, points[0].start + 1)
    columns = _columns(known, start, (end - start) / count, count, HEIGHT / top)
    at = {HEIGHT - 1: labels[0], HEIGHT // 2: labels[1], 0: labels[2]}
    lines = []
    for row in range(HEIGHT - 1, -1, -1):
        cells = "".join(_cell(each, row, signs) for each in columns)
        lines.append(f"{at.get(row, ''):>{margin}} {signs.side}{cells}".rstrip())
    # The axis is drawn only where there are values.
    ground = "".join(signs.axis if each else " " for each in columns).rstrip()
    lines.append(f"{' ' * margin} {signs.corner}{ground}")
    lines.append(f"{' ' * (margin + 2)}{_times(start, end, count, zone)}")
    return lines


def _columns(
    known: Sequence[Point], start: float, seconds: float, count: int, rows: float
) -> list[_PlotColumn | None]:
    """Return *count* columns, each for *seconds* of time; None for a column without a value."""
    gathered: list[list[Point]] = [[] for _ in range(count)]
    for point in known:
        first = floor((point.start - start) / seconds)
        last = max(first, ceil((point.end - start) / seconds) - 1)
        for index in range(max(0, first), min(last, count - 1) + 1):
            gathered[index].append(point)
    return [_column(each, rows) if each else None for each in gathered]


def _column(points: Sequence[Point], rows: float) -> _PlotColumn:
    """Return the column that shows *points*; *rows* is the height, in rows, of a value of 1."""
    values = [each.value for each in points if each.value is not None]
    ends = [part for each in points for part in (each.low, each.high) if part is not None]

    def row(value: float) -> int:
        return max(0, min(HEIGHT - 1, floor(value * rows)))

    return _PlotColumn(
        row(sum(values) / len(values)), row(min([*ends, *values])), row(max([*ends, *values]))
    )


def _cell(column: _PlotColumn | None, row: int, signs: Signs) -> str:
    """Return the character of *column* in the line *row*, counted from below."""
    if column is None:
        return " "
    if row == column.value:
        return signs.value
    return signs.range if column.low <= row <= column.high else " "


def _round_up(value: float) -> float:
    """Return the smallest of 1, 2, 5, 10, 20, 50 ... that is not below *value*."""
    if value <= 1:
        return 1
    ten = 10.0 ** floor(log10(value))
    return next(each * ten for each in (1, 2, 5, 10) if each * ten >= value)


def _times(start: float, end: float, count: int, zone: tzinfo) -> str:
    """Return the line of times under the axis: start, end, and if there is room, the middle."""
    form = "%H:%M:%S" if end - start < 600 else "%H:%M"
    first, middle, last = (
        datetime.fromtimestamp(start + (end - start) * part / 2, zone).strftime(form)
        for part in range(_TICKS)
    )
    space = count - len(first) - len(last)
    if space > len(middle) + 2:
        return f"{first}{middle:^{space}}{last}"
    return f"{first}{' ' * max(1, space)}{last}"
