"""
Shows one session on the terminal: participant, times, verdict, plots of metrics, and events.

The input is the service's answer, the output is lines to print. A plot has a gap where the page did
not push, or where the value was not known. Below the plots, a bar shows how the call was.
"""

from collections.abc import Iterator
from datetime import datetime, tzinfo
from typing import Any, Final

from otel_jcmc.command.bars import Stretch, bar, can_show, has_colours, legend, signs_here
from otel_jcmc.command.plot import ASCII, BLOCKS, Point, Signs, plot
from otel_jcmc.command.running_service import printable
from otel_jcmc.command.tables import end_text, joined, lasted, local_time, rating_text, role_text

# Metric -> the name under which a sample has its worst and best value; other metrics have none.
_RANGES: Final = {
    "connectionquality": "quality",
    "packetloss_total": "loss",
    "transport_rtt": "round_trip",
}
_TOPS: Final = {"connectionquality": 100.0}
# Kind of change -> the attributes in which the change can be seen.
_PLACES: Final = {"region": ("serverregion", "bridge"), "network": ("networkType", "protocol")}
# The most events and changes shown: as many as fit on one screen. --json has all.
MOST_HAPPENINGS: Final = 20


def session_lines(
    told: dict[str, Any], metrics: list[str], zone: tzinfo, width: int
) -> Iterator[str]:
    """Return the lines to print about the session in *told*, with plots of *metrics*."""
    participant = " ".join(filter(None, [told["participant_id"], role_text(told)]))
    began = local_time(told["started"], zone, "%Y-%m-%d %H:%M:%S %Z")
    end = end_text(told) or "goes on"
    lines = [
        joined(", ", told["conference"], participant, told.get("name"), told["region"]),
        joined(" on ", told["browser"], told["system"]),
        f"{began}, {lasted(told['duration_seconds'])}, {end}; {told['samples_count']} samples",
        _how(told),
        _summary(told["summary"]),
        joined(": ", rating_text(told), told.get("feedback")),
    ]
    yield from filter(None, lines)
    for metric in metrics:
        yield ""
        yield from _plotted(told, metric, zone, width)
    yield from _states(told, width)
    yield from _happenings(told, zone)


def _how(told: dict[str, Any]) -> str:
    """Return the verdict on the whole session: state, cause, scope, and for how long it was bad."""
    verdict = told.get("verdict") or {}
    if not verdict.get("state"):
        return ""
    seconds = told.get("seconds") or {}
    long = [f"{word} for {lasted(seconds[word])}" for word in ("bad", "fair") if seconds.get(word)]
    causes = [
        f"{name}: {verdict[name]}" for name in ("cause", "scope") if verdict.get(name) is not None
    ]
    return ", ".join([f"the call was {verdict['state']}", *causes, *long])


def _summary(summary: dict[str, dict[str, float | None]]) -> str:
    """Return a line, at most 80 characters, with worst and mean quality, loss and round trip."""
    units = {"quality": "quality {}", "loss": "loss {} %", "round_trip": "round trip {} ms"}
    known = [
        units[name].format(f"{of['worst']:.3g} ({of['mean']:.3g})")
        for name, of in summary.items()
        if of["worst"] is not None and of["mean"] is not None
    ]
    return f"worst (mean): {', '.join(known)}" if known else ""


def _plotted(told: dict[str, Any], metric: str, zone: tzinfo, width: int) -> Iterator[str]:
    """Return the lines of the plot of one *metric*; the first line has its name."""
    signs = _signs()
    about = f"  {signs.value} last  {signs.range} worst to best" if metric in _RANGES else ""
    yield f"{metric}{about}"
    points = _points(told, metric)
    drawn = plot(points, width, top=_TOPS.get(metric), signs=signs, zone=zone)
    yield from drawn or ["never known"]


def _points(told: dict[str, Any], metric: str) -> list[Point]:
    """Return a point to draw for each sample, with its value and its range of values."""
    which = _RANGES.get(metric)
    found = []
    for start, end, sample in _spans(told):
        value = sample["metrics"][metric]
        if isinstance(value, list):
            value = max((each for each in value if each is not None), default=None)
        ends = [sample[each][which] for each in ("worst", "best")] if which else []
        known = [each for each in ends if each is not None]
        found.append(Point(start, end, value, min(known, default=None), max(known, default=None)))
    return found


def _spans(told: dict[str, Any]) -> Iterator[tuple[float, float, dict[str, Any]]]:
    """Return each sample with the start and the end of the time that it covers, in seconds."""
    before = _seconds(told["started"])
    for sample in told["samples"]:
        end = _seconds(sample["time"])
        is_gap = "gap_seconds" in sample
        yield end - told["interval_seconds"] if is_gap else min(before, end), end, sample
        before = end


def _states(told: dict[str, Any], width: int) -> Iterator[str]:
    """Return the bar of states, aligned with the plots, and its legend; none without states."""
    bands: list[Stretch] = [
        (start, end, sample.get("verdict", {}).get("state", "unknown"))
        for start, end, sample in _spans(told)
    ]
    if all(state == "unknown" for _, _, state in bands):
        return
    signs = signs_here()
    start, end = bands[0][0], max(bands[-1][1], bands[0][0] + 1)
    drawn = bar(bands, start, end, width - 5, signs, is_coloured=has_colours())
    yield from ["", f"call {drawn}", f"     {legend(signs)}"]


def _happenings(told: dict[str, Any], zone: tzinfo) -> Iterator[str]:
    """Return a line for each event, and for each change of region, bridge or network."""
    found = [*_events(told), *_changes(told)]
    if found:
        yield ""
    for time, what in sorted(found)[:MOST_HAPPENINGS]:
        yield f"{local_time(time, zone, '%H:%M:%S')} {printable(what)}"
    if len(found) > MOST_HAPPENINGS:
        yield f"and {len(found) - MOST_HAPPENINGS} more: --json has all"


def _events(told: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Return time and text of each event in the log: `bad: uplink`, `good`, `stats stopped`."""
    for sample in told["samples"]:
        for event in sample.get("events", ()):
            kind, *words = event["what"].split(".")
            if words:
                text = f"stats {words[0]}" if kind == "stats" else ": ".join(words)
                yield event["time"], text


def _changes(told: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Return time and text of each change of region, bridge or network."""
    known: dict[str, str] = {}
    for sample in told["samples"]:
        attributes = sample.get("attributes")
        if attributes is None:
            continue
        paths = attributes.get("transport_rtt") or [{}]
        texts = {**attributes, **paths[0]}
        for kind, names in _PLACES.items():
            now = " ".join(str(texts[name]) for name in names if texts.get(name))
            # If a page's stats have stopped, it names no region: that is not a change.
            if now and known.get(kind, now) != now:
                yield sample["time"], f"{kind}: {known[kind]} to {now}"
            known[kind] = now or known.get(kind, "")
            if not known[kind]:
                del known[kind]


def _seconds(time: str) -> float:
    """Return *time*, text of the service's answer, as Unix time in seconds."""
    return datetime.fromisoformat(time).timestamp()


def _signs() -> Signs:
    """Return BLOCKS if the terminal's encoding can show them, otherwise ASCII."""
    return BLOCKS if can_show("".join(BLOCKS)) else ASCII
