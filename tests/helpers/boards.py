"""The shipped dashboards, for tests: their queries, with the variables filled in."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from otel_jcmc.doctor.shipped import CONFERENCE, VARIABLES, fill

ROOT = Path(__file__).parents[2]
DASHBOARDS = sorted((ROOT / "collector-config/grafana/dashboards").glob("*/*.json"))
# What a board's variables are when nobody has chosen anything but the conference.
CHOSEN = {**VARIABLES, CONFERENCE: "room-0"}


class Asked(NamedTuple):
    """One query of one panel."""

    board: str
    panel: str
    kind: str
    column: str
    expr: str
    is_instant: bool


def load(path: Path) -> dict[str, Any]:
    """Return a board."""
    board: dict[str, Any] = json.loads(path.read_text())
    return board


def queries(path: Path, chosen: dict[str, str] | None = None) -> list[Asked]:
    """Return every query of a board, with its variables as *chosen*."""
    found = []
    for panel in load(path)["panels"]:
        for target in panel.get("targets", []):
            expr = fill(target["expr"], CHOSEN | (chosen or {}))
            found.append(
                Asked(
                    f"{path.parent.name}/{path.stem}",
                    panel["title"],
                    panel["type"],
                    target["refId"],
                    expr,
                    target["instant"],
                )
            )
    return found


def column(path: Path, panel: str, name: str) -> str:
    """Return what fills the column *name* of a table, with the variables' first values."""
    (found,) = [each for each in load(path)["panels"] if each.get("title") == panel]
    (organized,) = [each for each in found["transformations"] if each["id"] == "organize"]
    names = {new: old for old, new in organized["options"]["renameByName"].items()}
    letter = names[name].removeprefix("Value #")
    (asked,) = [each for each in queries(path) if each.panel == panel and each.column == letter]
    return asked.expr


def links(path: Path, panel: str) -> list[str]:
    """Return the links of a table's cells."""
    (found,) = [each for each in load(path)["panels"] if each.get("title") == panel]
    return [
        link["url"]
        for override in found["fieldConfig"]["overrides"]
        for each in override["properties"]
        if each["id"] == "links"
        for link in each["value"]
    ]
