"""Plays recordings of real conferences to the client file in a real browser."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from client.pages import Tab
from recordings import Recording

HERE = Path(__file__).parent
PLAYED = ("stats", "event", "raw", "late", "cut pushes", "mend pushes")


def replay(
    page: Tab, recording: Recording, tab: str, answers: Sequence[dict[str, Any] | int] = ()
) -> list[dict[str, Any]]:
    """
    Return the bodies of the pushes that the client file makes of *tab* in *recording*.

    The clock is the recording's. Each request for the browser's report gets the report of that
    time. A push that the recording cuts, and that the client then gives up, is not returned. Each
    push gets the next one of *answers* (tests/client/fakes.js), then 200.
    """
    return [push["body"] for push in timed_replay(page, recording, tab, answers)]


def timed_replay(
    page: Tab, recording: Recording, tab: str, answers: Sequence[dict[str, Any] | int] = ()
) -> list[dict[str, Any]]:
    """Return the same pushes, each as its `body` and `t`, its second in the recording."""
    lines = [
        line._asdict()
        for line in recording.lines
        if line.kind in PLAYED and tab in {line.who, _tab(line.data)}
    ]
    page.page.add_script_tag(path=HERE / "replay.js")
    pushes: list[dict[str, Any]] = page.run(
        "return replay(revive(argument));",
        {
            "lines": lines,
            "id": recording.participant(tab),
            "intervalMs": recording.story["interval_ms"],
            "isByBridge": "bridge" in recording.story,
            "answers": list(answers),
        },
    )
    return pushes


def _tab(data: Any) -> Any:
    return data.get("tab") if isinstance(data, dict) else None
