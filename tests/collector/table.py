"""
The series at the end of each road, as in docs/roads.md, made from the answers of Prometheus.

A cell that is the same on several roads is one row; the first column names the roads.
"""

import re
from collections.abc import Iterable

from collector.roads import ROADS, Road
from rule_files import ROOT

PAGE = ROOT / "docs" / "roads.md"
# One of each kind, by its name in PromQL, whatever a road does to the end of the name.
SERIES = {
    "jcmc": [
        "jitsi_jcmc_connectionquality",
        "jitsi_jcmc_transport_rtt",
        "jitsi_jcmc_packetloss_download",
        "jitsi_jcmc_info",
        "jitsi_jcmc_conference_participants_state",
        "jitsi_jcmc_fleet_packetloss_download",
    ],
    "otel": [
        "jitsi_client_connection_quality",
        "jitsi_client_transport_round_trip_time",
        "jitsi_client_packet_loss(?:_ratio)?",
        "jitsi_client_info",
        "jitsi_conference_participants",
        "jitsi_fleet_packet_loss",
    ],
}
OWN = ["otel_jcmc_pushes", "otel_jcmc_participants", "otel_jcmc_push_duration", "target_info"]
_UNITS = "bytes|ratio|seconds|total|bucket|sum|count"
Row = tuple[str, ...]


def rows(roads: dict[str, Road], series: Iterable[str]) -> list[Row]:
    """Return the rows of *series*: names, roads, and type, unit and labels there."""
    found = []
    for each in series:
        seen: dict[Row, list[str]] = {}
        for name in ROADS:
            seen.setdefault(_cells(roads[name], each), []).append(name)
        for (names, *cells), of in seen.items():
            said = "all" if len(of) == len(ROADS) else "; ".join(of)
            found.append((names, said, *cells))
    return found


def _cells(road: Road, series: str) -> Row:
    """Return name, type, unit and labels of one of the *series* at the end of *road*."""
    pattern = f'{{__name__=~"{series}(?:_(?:{_UNITS}))*"}}'
    found = road.prometheus.ask("series", **{"match[]": pattern})
    names = sorted({each["__name__"] for each in found})
    kind, unit = _metadata(road, names)
    labels = {label for each in found for label in each if label != "__name__"}
    return (_together(names), kind, unit, ", ".join(f"`{each}`" for each in sorted(labels)))


def _together(names: list[str]) -> str:
    """Return the *names* of one family together: `name_bucket`, `_count`, `_sum`."""
    first, *others = names
    tails = [f"`_{each.rpartition('_')[2]}`" for each in others]
    return ", ".join([f"`{first}`", *tails])


def _metadata(road: Road, names: list[str]) -> Row:
    """Return type and unit, as Prometheus has them; a dash: none."""
    known = road.prometheus.ask("metadata")
    for name in names:
        for family in (name, re.sub("_(bucket|count|sum|total)$", "", name)):
            for each in known.get(family, []):
                return each["type"], each["unit"] or "-"
    return "-", "-"


def identity(road: Road, series: str) -> str:
    """Return in words the values of `job` and `instance` of *series*."""
    found = road.prometheus.ask("series", **{"match[]": series})
    job, instance = ({each.get(label, "") for each in found} for label in ("job", "instance"))
    return f"`{_one(job)}`, {_word(_one(instance), road)}"


def _one(values: set[str]) -> str:
    (value,) = values
    return value


def _word(instance: str, road: Road) -> str:
    if not instance:
        return "none"
    if re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", instance):
        return "`service.instance.id`"
    if road.collector is not None and instance == road.collector.page:
        return "the Collector's address"
    assert road.service.url.endswith(instance), instance
    return "the service's address"


def lines(rows: Iterable[Row]) -> list[str]:
    """Return *rows* as a table in Markdown."""
    return ["| " + " | ".join(row) + " |" for row in rows]


def written(head: str) -> list[str]:
    """Return the rows of the page's table whose first column is called *head*."""
    text = PAGE.read_text()
    start = text.index(f"| {head} |")
    return text[start:].partition("\n\n")[0].splitlines()[2:]


def write(head: str, new: list[str]) -> None:
    """Write *new* rows into the page's table whose first column is called *head*."""
    text = PAGE.read_text()
    start = text.index(f"| {head} |")
    table, _, rest = text[start:].partition("\n\n")
    kept = table.splitlines()[:2]
    PAGE.write_text(text[:start] + "\n".join([*kept, *new]) + "\n\n" + rest)
