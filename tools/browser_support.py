"""
Which browser can fill which metric: the catalogue's readings against client/browser_support.json.

That file says for each member of the browser's report since when each browser has it, by which
source, and how to look it up again. generate.py makes docs/browsers.md of what is found here. A
reading that names a member which the file does not have is an error: it must be looked up first.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from otel_jcmc.catalogue.metrics import OWN, ROOM
from otel_jcmc.catalogue.rows import OWN_MEMBERS, Metric

# The table's columns: their heads, and the browsers of the file that each is made of.
COLUMNS: Final = (
    ("Chrome, Edge, Electron", ("chrome",)),
    ("Firefox", ("firefox",)),
    ("Safari", ("safari", "safari_ios")),
)

# A first version, "≤139" where it may be an earlier one. False: none has it. None: not known.
Since = str | bool | None


class MemberUnknown(Exception):
    """A member is read that the file does not have."""


@dataclass(frozen=True, slots=True)
class BrowserSupport:
    """
    What the file says.

    Attributes:
        members: of each member, the first version of each browser.
        notes: what a reader should know, and of which members.
        sources: where it comes from, each in one line.
        library: of some paths into the library's stats, the members that the library makes it of;
            the others are made of what every browser has.
        besides: members that no metric is made of, and what the client reads them for.
    """

    members: dict[str, dict[str, Since]]
    notes: dict[str, list[str]]
    sources: dict[str, str]
    library: dict[str, Sequence[str]]
    besides: dict[str, str]


def read_support(path: Path) -> BrowserSupport:
    """Return what the file at *path* says."""
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
        MemberUnknown: it is made of a member that *support* does not have.
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
    """Return a cell for each column: since when all of *terms* are there; *who* reads them."""
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
    """Return since when all are there; True: since always."""
    if False in versions:
        return False
    if None in versions:
        return None
    texts = [version for version in versions if isinstance(version, str)]
    return max(texts, key=_order, default=True)


def _order(version: str) -> tuple[int, ...]:
    """Return what sorts versions: 14.1 is before 101."""
    return tuple(int(part) for part in version.removeprefix("≤").split("."))


def _cell(versions: Sequence[Since]) -> str:
    """Return the cell of a column: of Safari and iOS both, if they differ."""
    here, *others = [_since(version) for version in versions]
    other = next((text for text in others if text != here), None)
    return f"{here}; iOS: {other}" if other else here


def _since(version: Since) -> str:
    """Return what a cell says of one browser."""
    if isinstance(version, str):
        number = version.removeprefix("≤")
        return f"yes (since {number}{' or earlier' if number != version else ''})"
    return {True: "yes", False: "-", None: "not known"}[version]
