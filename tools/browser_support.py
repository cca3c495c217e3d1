"""
Tells which browser can fill which metric, from client/browser_support.json.

That file tells for each member of the browser's report since which version each browser has it, by
which source, and how to look it up again. generate.py makes docs/browsers.md from the result. A
reading with a member that the file does not have is an error: look the member up first.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from otel_jcmc.catalogue.metrics import OWN, ROOM
from otel_jcmc.catalogue.rows import OWN_MEMBERS, Metric

# The table's columns: the head of each, and its browsers in the file.
COLUMNS: Final = (
    ("Chrome, Edge, Electron", ("chrome",)),
    ("Firefox", ("firefox",)),
    ("Safari", ("safari", "safari_ios")),
)

# A first version, "≤139" if it may be an earlier one. False: no version has it. None: not known.
Since = str | bool | None


class MemberUnknown(Exception):
    """A reading has a member that the file does not have."""


@dataclass(frozen=True, slots=True)
class BrowserSupport:
    """
    The content of the file.

    Attributes:
        members: member -> the first version of each browser.
        notes: text for readers -> the members that it is about.
        sources: the sources, one line each.
        library: for some paths into the library's stats, the members that the library reads. Every
            browser has those of the other paths.
        besides: members that no metric needs, and what the client reads them for.
    """

    members: dict[str, dict[str, Since]]
    notes: dict[str, list[str]]
    sources: dict[str, str]
    library: dict[str, Sequence[str]]
    besides: dict[str, str]


def read_support(path: Path) -> BrowserSupport:
    """Return the content of the file at *path*."""
    told = json.loads(path.read_text("utf-8"))
    members = told["members"]
    notes: dict[str, list[str]] = {}
    for member, row in members.items():
        if "note" in row:
            notes.setdefault(row["note"], []).append(member)
    return BrowserSupport(
        members={
            member: {browser: row[browser][0] for _, of in COLUMNS for browser in of}
            for member, row in members.items()
        },
        notes=notes,
        sources=told["sources"],
        library=told["library"],
        besides=told["besides"],
    )


def support_row(metric: Metric, support: BrowserSupport) -> tuple[str, ...]:
    """
    Return a metric's row of the table: its field, what it is made of, and a cell for each column.

    Raises:
        MemberUnknown: *support* lacks a member that the metric needs.
    """
    if metric.reading:
        needed = [*metric.reading.of, *metric.reading.per]
        members = dict.fromkeys(".".join(term.lstrip("-").split(".")[:2]) for term in needed)
        made_of = ", ".join(f"`{member}`" for member in members)
    elif metric.client.startswith(ROOM):
        needed = []
        made_of = f"the library's `{metric.client}`"
    else:
        needed = list(support.library.get(metric.client, ()))
        made_of = f"the library's `{metric.client}`"
        if metric.client.startswith(OWN):
            made_of = ", ".join(f"`{member}`" for member in needed)
    cells = member_cells(needed, support, f"the metric {metric.field}")
    return (f"`{metric.field}`", made_of, *cells)


def member_cells(terms: Iterable[str], support: BrowserSupport, who: str) -> tuple[str, ...]:
    """Return a cell for each column: since when it has all *terms*; *who* reads them."""
    needed = set()
    for term in terms:
        for part in OWN_MEMBERS[term].of if term in OWN_MEMBERS else (term,):
            member = _member(part)
            if member not in support.members:
                raise MemberUnknown(f"client/browser_support.json has no {member}: {who} reads it")
            if not part.startswith("-"):
                needed.add(member)
    return tuple(
        _cell([_latest([support.members[member][browser] for member in needed]) for browser in of])
        for _, of in COLUMNS
    )


def _member(term: str) -> str:
    """Return the `type.member` of a term, without its sign and the member's own members."""
    type_, member = term.removeprefix("-").split(".")[:2]
    return f"{type_.partition(':')[0]}.{member}"


def _latest(versions: Sequence[Since]) -> Since:
    """Return the version since which all are there; True: always."""
    if False in versions:
        return False
    if None in versions:
        return None
    texts = [version for version in versions if isinstance(version, str)]
    return max(texts, key=_order, default=True)


def _order(version: str) -> tuple[int, ...]:
    """Return the sort key of a *version*: 14.1 is before 101."""
    return tuple(int(part) for part in version.removeprefix("≤").split("."))


def _cell(versions: Sequence[Since]) -> str:
    """Return the cell of a column; for Safari and iOS both versions if they differ."""
    here, *others = [_since(version) for version in versions]
    other = next((text for text in others if text != here), None)
    return f"{here}; iOS: {other}" if other else here


def _since(version: Since) -> str:
    """Return the text of a cell for one browser."""
    if isinstance(version, str):
        number = version.removeprefix("≤")
        return f"yes (since {number}{' or earlier' if number != version else ''})"
    return {True: "yes", False: "-", None: "not known"}[version]
