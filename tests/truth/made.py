"""Recordings made by hand: a call of ada and bob of some seconds, for tests."""

from collections.abc import Mapping
from typing import Any

from recordings import Line, Recording

IDS = {"ada": "a1", "bob": "b1"}
PACKETS_A_SECOND = 100


def made(
    *more: Line,
    seconds: int = 40,
    interval_ms: int = 2000,
    exported: Mapping[str, float | None] | None = None,
    dead: dict[str, tuple[float, float]] | None = None,
    loss_percent: dict[str, float] | None = None,
    loss_down_percent: dict[str, float] | None = None,
    plan: list[tuple[float, str]] | None = None,
) -> Recording:
    """
    Return a call from 0 to *seconds*, whose story begins at 1.

    *exported* are the numbers of each push and scrape of both; *dead* are the times in which
    nothing of a sender comes through; *loss_percent* is what is lost of a sender all the time, and
    *loss_down_percent* what is lost on the way to somebody.
    *more* lines take the place of those of the same time, tab and kind.
    """
    about = {"story": "made", "says": "by hand", "interval_ms": interval_ms}
    lines = [Line(0, "plan", "story", about)]
    lines += [
        Line(t, "plan", do, {"tab": "ada"}) for t, do in plan or [(1, "net"), (seconds, "stop")]
    ]
    for tab, id_ in IDS.items():
        lines.append(Line(0, tab, "event", {"event": "conference.joined", "words": [], "id": id_}))
    values = exported or {}
    step = interval_ms // 1000
    for at in range(0, seconds + 1, step):
        lines += [push(at, tab, values) for tab in IDS]
    for half in range(2 * seconds + 1):
        t = half / 2
        known = {name: value for name, value in values.items() if value is not None}
        lines.append(Line(t, "service", "scrape", dict.fromkeys(IDS.values(), known)))
        for tab in IDS:
            sent = int(t * PACKETS_A_SECOND)
            lost = int(sent * (loss_percent or {}).get(tab, 0) / 100)
            lost_down = int(sent * (loss_down_percent or {}).get(tab, 0) / 100)
            begin, end = (dead or {}).get(tab, (0.0, 0.0))
            lost += int(PACKETS_A_SECOND * max(0.0, min(t, end) - begin))
            ways = {
                "up": {"sent": sent, "lost": lost, "bytes": 0, "is_dead": begin <= t < end},
                "down": {"sent": sent, "lost": lost_down, "bytes": 0, "is_dead": False},
            }
            lines.append(Line(t, tab, "relay", ways))
    replaced = {(line.t, line.who, line.kind) for line in more}
    lines = [line for line in lines if (line.t, line.who, line.kind) not in replaced]
    return Recording(sorted([*lines, *more], key=lambda line: line.t))


def push(
    t: float,
    tab: str,
    values: Mapping[str, float | None] | None = None,
    *,
    age_ms: float = 0,
    status: int = 200,
    **more: float | None,
) -> Line:
    """Return a push of *tab* with such numbers."""
    metrics = {name: {"value": value} for name, value in {**(values or {}), **more}.items()}
    body = {"session": {"stats_age_ms": age_ms}, "metrics": metrics}
    return Line(t, tab, "push", {"status": status, "body": body})


def raw(t: float, tab: str, *stats: dict[str, Any]) -> Line:
    """Return the browser's own report."""
    return Line(t, tab, "raw", {"report": list(stats)})


def video(frames: int, **members: Any) -> dict[str, Any]:
    """Return a received video stream that has decoded so many *frames*."""
    stat = {"id": "V", "type": "inbound-rtp", "kind": "video", "framesDecoded": frames}
    return stat | {"totalFreezesDuration": 0, "totalPausesDuration": 0} | members


def pair(answers: int, round_trip_seconds: float) -> dict[str, Any]:
    """Return the candidate pair after so many *answers*."""
    stat = {"id": "P", "type": "candidate-pair", "responsesReceived": answers}
    return stat | {"totalRoundTripTime": round_trip_seconds}
