"""The generated parts of docs/performance.md: Markdown from results, put between markers."""

import re
from collections.abc import Iterator
from typing import Any

from benchmarks.report.bench import Figure
from benchmarks.report.results import Results
from benchmarks.report.table import markdown


def written_into(page: str, known: Results) -> str:
    """
    Return *page* with its generated parts made from the results *known*.

    Raises:
        ValueError: the page lacks the markers of a part.
    """
    parts = {
        "machine": _machine(known),
        "targets": _targets(known),
        "profile": _profile(known),
        "figures": _figures(known),
    }
    for name, lines in parts.items():
        begin, end = f"<!-- {name}: generated -->", f"<!-- {name}: end -->"
        found = re.compile(f"{re.escape(begin)}\n.*?{re.escape(end)}", re.DOTALL)
        text = "\n".join((begin, *lines, end))
        page, count = found.subn(lambda _, text=text: text, page)  # type: ignore[misc]
        if count != 1:
            raise ValueError(f"the page has {count} parts {begin}")
    return page


def _machine(known: Results) -> Iterator[str]:
    """Say what was measured, and on what."""
    machine = known["machine"]
    versions = dict(known["versions"])
    commits = sorted({each["commit"] for each in known["measurements"].values()})
    versions.pop("commit")
    days = sorted({each["at"][:10] for each in known["measurements"].values()})
    yield f"| machine | {machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB |"
    yield "| --- | --- |"
    yield f"| system | {machine['system']} |"
    yield f"| measured | {' to '.join(dict.fromkeys((days[0], days[-1])))} |"
    yield f"| commit | {', '.join(commits)} |"
    yield f"| versions | {', '.join(f'{name} {number}' for name, number in versions.items())} |"
    if known["quick"]:
        yield "| rounds | few and short, `--quick`: no figures to compare with |"


def _targets(known: Results) -> Iterator[str]:
    """Return the figures that have a target."""
    judged = [
        (name, figure)
        for name, measured in known["measurements"].items()
        for figure in _read(measured)
        if figure.target is not None
    ]
    for name, figure in judged:
        figure.name = f"`{name}` {figure.name}"
    yield from markdown([figure for _, figure in judged])


def _profile(known: Results) -> Iterator[str]:
    """Return where the time of a push and of a scrape goes."""
    curves = known["measurements"].get("profile", {}).get("curves", {})
    for what, shares in curves.items():
        yield f"Where the time of a {what} goes:"
        yield ""
        yield "| module | share | mostly in |"
        yield "| --- | ---: | --- |"
        for share in shares:
            mostly = f"`{share['mostly']}`" if share["mostly"] else ""
            yield f"| {share['module']} | {share['percent']:.0f} % | {mostly} |"
        yield ""


def _figures(known: Results) -> Iterator[str]:
    """Return all figures, a table for each measurement."""
    for name, measured in known["measurements"].items():
        if name == "profile":
            continue
        yield f"### {name}"
        yield ""
        if measured["error"]:
            yield f"The measurement did not finish: {measured['error']}"
            yield ""
        yield from markdown(_read(measured))
        yield ""


def _read(measured: dict[str, Any]) -> list[Figure]:
    """Return the figures of a measurement."""
    return [Figure(**figure) for figure in measured["figures"]]
