"""
Recordings of conferences, for tests: what happened, line by line.

Each line is one event: when, with whom, of what kind, and details. tests/recordings/README.md
describes the kinds. The recordings of that folder are read by name.
"""

import json
import lzma
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).parents[1] / "recordings"
# Recordings on which the rules of the verdict are tested, but not made.
HELD = FOLDER / "held"
# Recordings that were held out in an earlier version.
SEEN = FOLDER / "seen"


class Line(NamedTuple):
    """An event at `t`, in seconds since the recording began."""

    t: float
    who: str
    kind: str
    data: Any


@dataclass(frozen=True)
class Recording:
    """The lines of a conference, in the order of time."""

    lines: list[Line]

    def of(self, kind: str, who: str = "") -> list[Line]:
        """Return the lines of *kind*, of all tabs or of *who* alone."""
        return [line for line in self.lines if line.kind == kind and who in {"", line.who}]

    @cached_property
    def story(self) -> dict[str, Any]:
        """The description of the recording: `story`, `says`, `interval_ms`."""
        about: dict[str, Any] = self.of("story")[0].data
        return about

    @cached_property
    def tabs(self) -> list[str]:
        """The names of the recorded tabs."""
        return sorted({line.who for line in self.lines} - {"plan", "service"})

    def participant(self, tab: str) -> str:
        """Return the id of *tab* in the conference; empty if it has never joined."""
        joined = (line.data["id"] for line in self.of("event", tab) if line.data["id"])
        return next(joined, "")


def load(name: str) -> Recording:
    """Return a recording of tests/recordings by its name."""
    return read(FOLDER / f"{name}.jsonl.xz")


def names() -> list[str]:
    """Return the names of all recordings of calls of two."""
    return sorted(_all() - set(bridge_names()))


def bridge_names() -> list[str]:
    """Return the names of all recordings of conferences by a bridge."""
    return sorted(name for name in _all() if name.startswith("sfu-"))


def _all() -> set[str]:
    return {path.name.partition(".")[0] for path in FOLDER.glob("*.jsonl.xz")}


def read(path: Path) -> Recording:
    """Return the recording in a file, compressed (.xz) or plain."""
    raw = path.read_bytes()
    text = (lzma.decompress(raw) if path.suffix == ".xz" else raw).decode()
    return Recording(list(_parsed(text)))


def _parsed(text: str) -> Iterator[Line]:
    for line in text.splitlines():
        yield Line(**json.loads(line))
