"""
The pictures of docs/performance.md, and the one place that knows matplotlib.

SVG with text as outlines and nothing in it that changes from one drawing to the next. Each line has
its name beside it. The background is left out, and a dark page gets colours of its own.
"""

from collections.abc import Callable, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MultipleLocator, NullFormatter

from benchmarks.report.table import digits

Points = Sequence[dict[str, Any]]
BLUE, ORANGE, GREY, INK, GRID = "#1f5fa8", "#c4540a", "#8a8f98", "#24292f", "#e6e8eb"
# What a dark page gets in their place.
_DARK = {BLUE: "#6cb0f5", ORANGE: "#f0883e", INK: "#e6edf3", GRID: "#30363d"}
STYLE = {
    "svg.hashsalt": "otel_jcmc",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.grid": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "lines.linewidth": 1.8,
    "lines.markersize": 4,
    "savefig.transparent": True,
}


def draw_scaling(points: Points, path: Path) -> None:
    """Draw what things cost against how many participants there are, on logarithmic axes."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8.4, 6.2), layout="constrained")
        top, bottom = figure.subplots(2, 2)
        _lines(
            top[0],
            "A scrape, ms",
            points,
            {"OpenMetrics, gzip": ("openmetrics_ms", BLUE), "plain text": ("plain_ms", ORANGE)},
        )
        _lines(top[1], "CPU for a series of a scrape, µs", points, {"": ("series_us", BLUE)})
        _lines(bottom[0], "CPU for a push, µs", points, {"": ("push_us", BLUE)})
        _lines(bottom[1], "Memory of the service, MB", points, {"": ("rss_mb", BLUE)})
        for axes in bottom:
            axes.set_xlabel("live participants")
        _save(figure, path)


def draw_large(points: Points, path: Path) -> None:
    """Draw how long pushes and scrapes take, by one process and by one for each."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8.4, 3.4), layout="constrained")
        left, right = figure.subplots(1, 2)
        one, two = "one process", "one for pushes, one that reads"
        for axes, title, key in (
            (left, "p99 of a push while all are scraped every 15 s, ms", "p99_ms"),
            (right, "The longest scrape, ms", "scrape_ms"),
        ):
            lines = {one: (f"one_{key}", ORANGE), two: (f"two_{key}", BLUE)}
            _lines(axes, title, points, lines)
            axes.set_xlabel("live participants, a push every 10 s")
        _save(figure, path)


def draw_churn(points: Points, path: Path) -> None:
    """Draw the memory against how many participants have come and gone."""
    come = [point["come"] for point in points]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8.4, 3.2), layout="constrained")
        axes = figure.subplots()
        for role, name, color in (("service", "service", BLUE), ("store", "store's data", ORANGE)):
            values = [point[role] for point in points]
            axes.plot(come, values, color=color)
            said = f"{name} {values[-1]:.0f} MB"
            axes.annotate(said, (come[-1], values[-1]), (6, 0), **_BESIDE, color=color)
        axes.set_title("Memory while participants come and go, MB")
        axes.set_xlabel("participants that have come, each gone after 2 s")
        axes.set_xlim(0, come[-1])
        axes.xaxis.set_major_locator(MultipleLocator(max(20_000, come[-1] // 100_000 * 20_000)))
        axes.set_ylim(0)
        axes.xaxis.set_major_formatter(FuncFormatter(_thousands))
        axes.grid(visible=False, axis="x")
        _save(figure, path)


# What happened, as a sign: its shape and its colour.
_SIGNS = {
    "verdict.bad": ("v", ORANGE),
    "verdict.good": ("^", BLUE),
    "stats.stopped": ("s", GREY),
    "stats.resumed": ("o", GREY),
    "network.changed": ("D", INK),
    "region.changed": ("P", INK),
}


def draw_trace(spans: Points, path: Path) -> None:
    """Draw the *spans* of one trace below each other, with what happened in each."""
    spans = sorted(spans, key=lambda span: (not span["is_root"], span["start"]))
    zero = spans[0]["start"]
    row_of = {span["span_id"]: row for row, span in enumerate(spans)}
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8.4, 0.52 * len(spans) + 1.2), layout="constrained")
        axes = figure.subplots()
        for row, span in enumerate(spans):
            start, long = span["start"] - zero, span["end"] - span["start"]
            color = GREY if span["is_root"] else ORANGE if span["reason"] == "failed" else BLUE
            axes.barh(row, long, 0.5, start, color=color, alpha=0.35 if span["is_root"] else 0.75)
            share = span["bad_share"]
            said = f"{span['reason']}, bad for {share:.0%}" if share else span["reason"]
            axes.annotate(said, (start + long, row), (6, 0), **_BESIDE, color=color)
            for link in span["links"]:
                before = spans[row_of[link]]
                axes.annotate(
                    "",
                    (start, row),
                    (before["end"] - zero, row_of[link]),
                    arrowprops={"arrowstyle": "->", "color": GREY, "linestyle": "--"},
                )
            for at, name in span["events"]:
                shape, ink = _SIGNS[name.removeprefix("jitsi.session.")]
                axes.plot(at - zero, row, shape, color=ink, markersize=6, markeredgecolor="white")
        seen = {name for span in spans for _, name in span["events"]}
        for name, (shape, ink) in _SIGNS.items():
            if f"jitsi.session.{name}" in seen:
                axes.plot([], [], shape, color=ink, label=name)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=6, frameon=False)
        labels = [f"{span['name']}  {span['label']}" for span in spans]
        axes.set_yticks(range(len(spans)), labels)
        axes.invert_yaxis()
        axes.set_xlim(0, 1.22 * (spans[0]["end"] - zero))
        axes.set_title("Seconds since the conference began")
        axes.grid(visible=False, axis="y")
        _save(figure, path)


_BESIDE: dict[str, Any] = {"textcoords": "offset points", "va": "center", "annotation_clip": False}


def _lines(axes: Axes, title: str, points: Points, lines: dict[str, tuple[str, str]]) -> None:
    """Draw some *lines* of one quantity: what each is called, its key and its colour."""
    at = [point["participants"] for point in points]
    axes.set_title(title)
    drawn = [[point[key] for point in points] for key, _ in lines.values()]
    for (name, (_, color)), values in zip(lines.items(), drawn, strict=True):
        axes.plot(at, values, color=color, marker="o")
        for index in (0, len(at) // 2, len(at) - 1):
            # The numbers of the upper line stand above it, those of the other one below.
            is_upper = values[index] == max(each[index] for each in drawn)
            is_end = index in {0, len(at) - 1}
            offset = (0 if is_end else -6 if is_upper else 6, 9 if is_upper else -11)
            side = "center" if is_end else "right" if is_upper else "left"
            text = digits(values[index]) if is_end else name
            where = (at[index], values[index])
            axes.annotate(text, where, offset, **_BESIDE | {"ha": side}, color=color)
    _scale(axes, at, min(map(min, drawn)), max(map(max, drawn)))


def _scale(axes: Axes, at: Sequence[float], low: float, high: float) -> None:
    """Make the axes logarithmic, and say few numbers on them."""
    axes.set_xscale("log")
    axes.set_yscale("log")
    # At least a decade, or noise looks like growth.
    room = max(10 / (high / low), 4) ** 0.5
    axes.set_ylim(low / room, high * room)
    axes.set_xlim(at[0] / 1.6, at[-1] * 1.6)
    is_short = high / low < 10
    axes.xaxis.set_major_locator(LogLocator())
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if is_short else (1,)))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(_thousands))
        axis.set_minor_formatter(NullFormatter())


def _thousands(value: float, _position: int | None = None) -> str:
    """Return *value* as a label of an axis."""
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"


def _save(figure: Figure, path: Path) -> None:
    """Write the picture, without the date."""
    layout: Any = figure.get_layout_engine()
    layout.set(w_pad=0.12, h_pad=0.12)
    drawn = StringIO()
    figure.savefig(drawn, format="svg", metadata={"Date": None, "Creator": None})
    path.write_text(_themed(drawn.getvalue()))


def _themed(svg: str) -> str:
    """Return *svg* with a style sheet that changes its colours on a dark page."""
    rules = "".join(
        f"[style*='{kind}: {light}'] {{ {kind}: {dark} !important }}"
        for light, dark in _DARK.items()
        for kind in ("fill", "stroke")
    )
    style = f"<style>@media (prefers-color-scheme: dark) {{ {rules} }}</style>"
    before, found, after = svg.partition("<defs>")
    assert found, "matplotlib begins its SVG with definitions"
    return f"{before}{style}\n {found}{after}"


PICTURES: dict[str, Callable[[Points, Path], None]] = {
    "scaling": draw_scaling,
    "churn": draw_churn,
    "large": draw_large,
}
