"""
What the client must make of each recording: the tables of expected/, made without the client.

expected/README.md explains the cells. `replaying.py` plays the recordings to the client file, and
each cell of a table is compared with the client's push at that time.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from client.pages import Tab
from client.replaying import timed_replay
from recordings import Recording, load, names

FOLDER = Path(__file__).parent / "expected"
NOT_SAID = "."
NULL = "-"
SINCE = re.compile(r"since ([\d.]+)~([\d.]+)")


class Cell(NamedTuple):
    """What *tab* must push of `row`, in the pushes that `column` names."""

    tab: str
    column: str
    row: str
    expected: str


def cells(name: str) -> Iterator[Cell]:
    """Yield the cells of a recording's tables, except the empty ones."""
    tab, columns = "", list[str]()
    for line in (FOLDER / f"{name}.md").read_text().splitlines():
        if line.startswith("## "):
            tab, columns = line.removeprefix("## "), []
        elif line.startswith("| -"):
            continue
        elif line.startswith("|"):
            row, *texts = (text.strip() for text in line.strip("|").split("|"))
            if not columns:
                columns = texts
                continue
            for column, text in zip(columns, texts, strict=True):
                if text != NOT_SAID:
                    yield Cell(tab, column, row, text)


def told(push: dict[str, Any], row: str) -> Any:
    """Return what one push says of a metric, of its place in the session, or of its end."""
    session = push["body"]["session"]
    if row == "seq":
        return session["seq"]
    if row == "end":
        return session.get("end", {}).get("reason")
    return push["body"]["metrics"][row]["value"]


def is_as_expected(expected: str, value: Any, at: float = 0) -> bool:
    """Say whether *value*, pushed in second *at* of the recording, is what the cell demands."""
    if expected == NULL or value is None:
        return expected == NULL and value is None
    if isinstance(value, str):
        return bool(expected == value)
    if since := SINCE.fullmatch(expected):
        began, tolerance = (float(number) for number in since.groups())
        return bool(abs(value - 1000 * (at - began)) <= tolerance)
    number, _, rest = expected.partition("~")
    tolerance = float(rest or (0.006 if "." in number else 0))
    return bool(abs(value - float(number)) <= tolerance)


def wrong(cell: Cell, pushes: list[dict[str, Any]], recording: Recording) -> list[Any]:
    """Return the values in *pushes* of the cell's tab that differ from it."""
    column, row, expected = cell.column, cell.row, cell.expected
    if column in {"mean", "sum"}:
        since = recording.of("measure")[0].t if column == "mean" else 0
        numbers = [told(push, row) for push in pushes if push["t"] >= since]
        known = [number for number in numbers if number is not None]
        total = sum(known) / (len(known) if column == "mean" else 1)
        return [] if is_as_expected(expected, total) else [total]
    begin, _, end = column.partition("-")
    if end:
        chosen = [push for push in pushes if float(begin) <= push["t"] <= float(end)]
    else:
        chosen = [push for push in pushes if f"{push['t']:.1f}" == begin]
    if row == "pushes":
        return [] if is_as_expected(expected, len(chosen)) else [len(chosen)]
    values = [(push["t"], told(push, row)) for push in chosen]
    return [(at, value) for at, value in values if not is_as_expected(expected, value, at)] or [
        "no push"
    ] * (not values)


def test_each_recording_has_a_table() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.md") if path.stem != "README") == names()


@pytest.mark.parametrize("name", names())
def test_a_recording_becomes_what_was_worked_out_from_it(tab: Tab, name: str) -> None:
    recording = load(name)
    pushes = {who: timed_replay(tab, recording, who) for who in recording.tabs}
    said = list(cells(name))
    assert {cell.tab for cell in said} == set(recording.tabs)
    found = [(cell, wrong(cell, pushes[cell.tab], recording)) for cell in said]
    assert [each for each in found if each[1]] == []
