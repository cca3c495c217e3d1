"""The generated parts of docs/performance.md and of the README: results as Markdown."""

import re
from collections.abc import Iterator
from typing import Any

from benchmarks.report.bench import Figure
from benchmarks.report.results import Results
from benchmarks.report.table import digits, markdown

# What the README tells: the measurement, its figure, what it is, and the original's figure for the
# same payload (Node 20, Redis 7.0, two cores; None: it has nothing like it).
_COSTS = (
    ("push", "a push, head of four lines: service CPU", "CPU of a push", "405 to 440 µs"),
    ("push", "a push, head of four lines: 64 connections", "pushes by one process", "2,500 /s"),
    (
        *("scrape", "13 series each: OpenMetrics, gzip, one in ten has pushed"),
        *("a scrape of 10,000 participants", "432 to 508 ms"),
    ),
    ("together", "scraped every 2 s: p99", "p99 of a push meanwhile", "286 to 521 ms"),
    (
        *("memory", "service, 10,000 live, 13 series each, after 20 scrapes"),
        *("memory with 10,000 participants", "305 MB"),
    ),
    ("memory", "store, a participant of 30", "Redis for a participant of 30 series", None),
    ("history", "a sample, sessions of an hour", "Redis for a sample of history", None),
    ("startup", "command to the first answer", "from the command to the first answer", None),
)


def with_costs(page: str, known: Results) -> str:
    """
    Return the README with its table of costs made from the results *known*.

    Raises:
        ValueError: the page lacks the markers, or a figure was not measured.
    """
    return _filled(page, {"costs": _costs(known)})


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
    return _filled(page, parts)


def _filled(page: str, parts: dict[str, Iterator[str]]) -> str:
    """Return *page* with new lines between the markers of each of *parts*."""
    for name, lines in parts.items():
        begin, end = f"<!-- {name}: generated -->", f"<!-- {name}: end -->"
        found = re.compile(f"{re.escape(begin)}\n.*?{re.escape(end)}", re.DOTALL)
        text = "\n".join((begin, *lines, end))
        page, count = found.subn(lambda _, text=text: text, page)  # type: ignore[misc]
        if count != 1:
            raise ValueError(f"the page has {count} parts {begin}")
    return page


def _costs(known: Results) -> Iterator[str]:
    """Return the figures of the README."""
    yield "| what | measured | the original |"
    yield "| --- | ---: | ---: |"
    for name, figure, what, original in _COSTS:
        found = [each for each in _read(known["measurements"][name]) if each.name == figure]
        if len(found) != 1:
            raise ValueError(f"{name} has no figure {figure!r}")
        yield f"| {what} | {digits(found[0].value)} {found[0].unit} | {original or ''} |"


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
