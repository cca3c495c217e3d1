"""
Recorded intervals in the form that the simulated crowd uses (otel_jcmc/simulate/recorded.json.xz).

Each recording of tests/recordings is played to the client file in a real browser: once complete,
and five times with every fifth of its statistics, which is what a page with 10 s would have seen.
The result is each push with its part of the story: before, during or after the trouble. Intervals
that nobody has recorded yet are made from a recorded one; `derived` says so.
"""

import json
import lzma
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from client.pages import Tab
from client.replaying import timed_replay
from recordings import Line, Recording

# What is of the participant and its page, not of the interval; or of a call of two.
_OF_THE_PAGE: Final = {"conference_participants", "join_time", "transport_rtt", "rating"}
EVERY: Final = 5
# While the plan stops everything goes away.
_STOPPING_SECONDS: Final = 1.0
_BEGINS: Final = (
    *("net", "mute", "hide", "cut pushes", "leave", "crash"),
    *("slow", "show one", "show none"),
)
_ENDS: Final = ("net", "unmute", "show", "mend pushes", "show all")


@dataclass
class Spell:
    """
    The pushes of one tab in one recording.

    Attributes:
        phases: of each push `b`, `d` or `a`: before, during, after.
        covers_ms, ages_ms: the time that a push is about, and how old its statistics were.
        labels: of the connection quality; `path`: of its one transport, without addresses.
        values: by metric, null where it was not known. `round_trip` is the transport's.
        derived: what has been changed since it was recorded.
    """

    story: str
    tab: str
    interval_ms: int
    browser: str
    derived: str = ""
    phases: str = ""
    covers_ms: list[int] = field(default_factory=list)
    ages_ms: list[int] = field(default_factory=list)
    labels: list[dict[str, str]] = field(default_factory=list)
    values: dict[str, list[float | None]] = field(default_factory=dict)


def thinned(recording: Recording, first: int = 0, every: int = EVERY) -> Recording:
    """
    Return *recording* as a page sees it that asks for statistics so many times less often.

    Args:
        first: how many of the statistics come before the first that it sees.
    """
    seen: dict[str, int] = {}
    lines: list[Line] = []
    for line in recording.lines:
        if line.kind == "story":
            interval = {"interval_ms": every * line.data["interval_ms"]}
            lines.append(line._replace(data=line.data | interval))
            continue
        if line.kind == "stats":
            seen[line.who] = seen.get(line.who, -1) + 1
            if (seen[line.who] - first) % every or seen[line.who] < first:
                continue
        lines.append(line)
    return Recording(lines)


def spells(tab: Tab, name: str, recording: Recording) -> Iterator[Spell]:
    """Return the spells of all tabs of a recording, as it is and thinned."""
    for played in (recording, *(thinned(recording, first) for first in range(EVERY))):
        for who in recording.tabs:
            yield _spell(name, who, played, timed_replay(tab, played, who))


def _spell(name: str, who: str, recording: Recording, pushes: list[dict[str, Any]]) -> Spell:
    about = recording.story
    made = Spell(
        name.removesuffix("-firefox").removesuffix("-10s"),
        who,
        about["interval_ms"],
        about.get("browser", "Chromium"),
    )
    onset, end, stop = _times(recording)
    told = [each for each in pushes if "metrics" in each["body"] and each["t"] < stop]
    fields = {metric for each in told for metric in each["body"]["metrics"]} - _OF_THE_PAGE
    if not recording.of("late", who):
        # An older recording: how late its timers were nobody has kept.
        fields -= {"event_loop_delay"}
    made.values = {metric: [] for metric in sorted(fields | {"round_trip"})}
    for each in told:
        session, metrics = each["body"]["session"], each["body"]["metrics"]
        made.phases += "b" if each["t"] <= onset else "d" if each["t"] <= end else "a"
        made.covers_ms.append(session["interval_ms"])
        made.ages_ms.append(session["stats_age_ms"])
        labels = dict(metrics["connectionquality"].get("labels", {}))
        # Also a room by a bridge is told with it.
        labels.pop("p2p", None)
        made.labels.append(labels)
        path = (metrics.get("transport_rtt") or [{"value": None}])[0]
        for metric in made.values:
            told_of = path if metric == "round_trip" else metrics.get(metric, {"value": None})
            made.values[metric].append(told_of["value"])
    return made


def _times(recording: Recording) -> tuple[float, float, float]:
    """Return when what the story tells begins and ends, and when the plan stops."""
    plan = [line for line in recording.lines if line.who == "plan"]
    begins = [line.t for line in plan if line.kind in _BEGINS]
    last = recording.lines[-1].t
    stop = next((line.t for line in plan if line.kind == "stop"), last + 60)
    onset = begins[0] if begins else stop
    # Several things may begin together.
    ends = [line.t for line in plan if line.kind in _ENDS and line.t > onset + 1]
    return onset, (ends[-1] if ends else stop), stop - _STOPPING_SECONDS


# What nobody has recorded, as a change of each push of a recorded spell.
Change = Callable[[dict[str, Any], int], dict[str, Any]]


def _far(values: dict[str, Any], _covers_ms: int) -> dict[str, Any]:
    """A way 300 ms longer than the recorded one."""
    return {
        name: values[name] + 300
        for name in ("round_trip", "round_trip_time")
        if values.get(name) is not None
    }


def _slow_receiver(values: dict[str, Any], covers_ms: int) -> dict[str, Any]:
    """Decoding takes longer than until the next frame: the picture stops, frames are dropped."""
    # A reader of one number after the other must not find them all alike.
    some = 1 + (values.get("bitrate_download") or 0) % 7 / 10
    return {
        "framerate_download": round(11 / some, 3),
        "decode_time": round(95 * some, 3),
        "frames_dropped": round(4 * some * covers_ms / 1000),
        "freeze_time": round(0.12 * some * covers_ms),
        "freezes": 1,
    }


def _slow_sender(values: dict[str, Any], _covers_ms: int) -> dict[str, Any]:
    """The CPU holds the sent picture down."""
    cpu = 60 + (values.get("bitrate_upload") or 0) % 40
    return {
        "limitation_cpu": cpu,
        "limitation_none": 100 - cpu,
        "limitation_bandwidth": 0,
        "encode_time": 45,
        "framerate_upload": 9,
        "resolution_height_upload": 180,
        "resolution_width_upload": 240,
    }


def _one_of_two(values: dict[str, Any], _covers_ms: int) -> dict[str, Any]:
    """Beside the recorded sender there is a sound one, who sends as much."""
    halved = ("packetloss_download", "audio_concealed")
    changed = {name: values[name] / 2 for name in halved if values.get(name) is not None}
    if values.get("packetloss_download_best") is not None:
        changed["packetloss_download_best"] = 0
    return changed


# The story that is made, of which story and tab, and how.
_DERIVED: Final[list[tuple[str, str, str, Change]]] = [
    ("far", "delay", "ada", _far),
    ("far", "delay", "bob", _far),
    ("slow-receiver", "hidden", "bob", _slow_receiver),
    ("slow-receiver", "hidden", "ada", _slow_receiver),
    ("slow-sender", "hidden", "bob", _slow_sender),
    ("slow-sender", "hidden", "ada", _slow_sender),
    ("one-of-two", "loss-up", "bob", _one_of_two),
    ("one-of-two", "loss-down", "ada", _one_of_two),
]


def derived(recorded: Iterable[Spell]) -> Iterator[Spell]:
    """Return what is made of *recorded* spells, in which each push of the story is changed."""
    told = list(recorded)
    for name, story, tab, change in _DERIVED:
        for spell in told:
            if (spell.story, spell.tab) != (story, tab):
                continue
            says = f"{story}: {(change.__doc__ or '').strip()}"
            values = {metric: list(column) for metric, column in spell.values.items()}
            for at, phase in enumerate(spell.phases):
                if phase == "d":
                    now = {metric: column[at] for metric, column in values.items()}
                    for metric, value in change(now, spell.covers_ms[at]).items():
                        values[metric][at] = value if value is None else round(value, 3)
            made = {**vars(spell), "story": name, "derived": says, "values": values}
            yield Spell(**made)


def packed(told: Iterable[Spell]) -> bytes:
    """Return the file that the package has; the same spells make the same bytes."""
    text = json.dumps([vars(each) for each in told], separators=(",", ":"))
    return lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME)
