"""
Computes bars for SVG pictures: when something stood out, and when a call was in which state.

The input is times and counts. The output is positions and widths on an axis that is WIDTH units
long. The style sheet has the colours. The pictures need no scripts.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from otel_jcmc.verdict.journal import Entry

WIDTH: Final = 1000.0
ROW: Final = 22.0
MOST_ROWS: Final = 12
# The most times on the axis of a timeline: few, because that picture may be narrow.
_MOST_TICKS: Final = 4
# The least width of a stripe, so that the stripe of a short period is visible.
_LEAST: Final = 3.0
_STEPS_MIN: Final = (1, 2, 5, 10, 15, 30, 60, 120, 240, 360, 720, 1440)


class Tick(NamedTuple):
    """A time that the axis shows: its position *x*, 0 to WIDTH, and the Unix time in ms."""

    x: float
    ms: int


class Stripe(NamedTuple):
    """
    A bar for a period.

    Attributes:
        x, width: where the bar begins and how wide it is; the axis is WIDTH wide.
        word: the CSS class of the bar.
        title: the text that describes the bar.
        from_ms, to_ms: the period, Unix time in ms.
    """

    x: float
    width: float
    word: str
    title: str = ""
    from_ms: int = 0
    to_ms: int = 0


class Row(NamedTuple):
    """One row of a picture: the name and scope of a thing, and a bar for each time of it."""

    label: str
    scope: str
    stripes: list[Stripe]


class Timeline(NamedTuple):
    """Rows of bars above one axis; *more* is the number of rows that are left out."""

    rows: list[Row]
    ticks: list[Tick]
    more: int

    @property
    def height(self) -> float:
        """The height of the picture, including the axis."""
        return ROW * max(1, len(self.rows)) + 20


def ticks(from_ms: int, to_ms: int, most: int) -> list[Tick]:
    """Return about *most* times from *from_ms* to *to_ms*, at whole minutes, hours or days."""
    span = max(1, to_ms - from_ms)
    step = next(
        (each * 60_000 for each in _STEPS_MIN if span / (each * 60_000) <= most),
        86_400_000 * (1 + span // (86_400_000 * most)),
    )
    first = -(-from_ms // step) * step
    return [
        Tick(round((at - from_ms) / span * WIDTH, 1), at) for at in range(first, to_ms + 1, step)
    ]


def stripe(from_ms: int, to_ms: int, start: int, end: int, word: str, title: str = "") -> Stripe:
    """Return the bar for the time from *start* to *end*, on an axis from *from_ms* to *to_ms*."""
    span = max(1, to_ms - from_ms)
    left = max(0.0, (start - from_ms) / span * WIDTH)
    right = min(WIDTH, (end - from_ms) / span * WIDTH)
    width = max(_LEAST, right - left)
    return Stripe(round(min(left, WIDTH - width), 1), round(width, 1), word, title, start, end)


def timeline(entries: Iterable[Entry], from_ms: int, to_ms: int) -> Timeline:
    """Return a row for each thing in *entries*, the latest first; the axis ends at *to_ms*."""
    by_name: dict[tuple[str, str], list[Entry]] = {}
    for each in entries:
        by_name.setdefault((each.scope, each.name), []).append(each)
    latest = sorted(
        by_name.items(),
        key=lambda item: max((each.seen_ms, each.peak) for each in item[1]),
        reverse=True,
    )
    rows = [
        Row(name, scope, [_of(each, from_ms, to_ms) for each in some])
        for (scope, name), some in latest[:MOST_ROWS]
    ]
    return Timeline(rows, ticks(from_ms, to_ms, _MOST_TICKS), max(0, len(latest) - MOST_ROWS))


def _of(entry: Entry, from_ms: int, to_ms: int) -> Stripe:
    bad, known, _, _ = entry.coverage
    title = f"{bad} of {known} had a bad call"
    return stripe(from_ms, to_ms, entry.since_ms, entry.seen_ms, "bad", title)


def shares(counts: Sequence[int]) -> list[tuple[float, float]]:
    """Return the start and the width of each count's section in one bar that is WIDTH wide."""
    total = sum(counts) or 1
    found, at = [], 0.0
    for each in counts:
        width = each / total * WIDTH
        found.append((round(at, 1), round(width, 1)))
        at += width
    return found
