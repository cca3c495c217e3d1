"""
A Grafana dashboard as a value: panels in rows, and variables.

Source: Grafana's dashboard JSON model, schema version 41.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tools.dashboards.panels import SOURCE, Json

_WIDTH: Final = 24


@dataclass(frozen=True)
class Row:
    """Panels side by side, *height* units high; a *title* folds what follows."""

    height: int
    panels: tuple[Json, ...]
    widths: tuple[int, ...] = ()
    title: str = ""


def row(height: int, *panels: Json, widths: tuple[int, ...] = (), title: str = "") -> Row:
    """Return *panels* side by side, of the same width unless *widths* are told."""
    return Row(height, panels, widths, title)


def board(uid: str, title: str, about: str, variables: Sequence[Json], *rows: Row) -> Json:
    """Return a whole dashboard, which can be imported into any Grafana."""
    links = [
        {
            "title": "Other boards",
            "type": "dashboards",
            "tags": ["otel_jcmc"],
            "asDropdown": True,
            "keepTime": True,
            "includeVars": False,
        }
    ]
    return {
        "__inputs": [
            {
                "name": "DS_PROMETHEUS",
                "label": "Prometheus",
                "description": "Where the metrics of otel_jcmc are",
                "type": "datasource",
                "pluginId": "prometheus",
                "pluginName": "Prometheus",
            }
        ],
        "__requires": [
            {"type": "grafana", "id": "grafana", "name": "Grafana", "version": "10.0.0"},
            {"type": "datasource", "id": "prometheus", "name": "Prometheus", "version": "1.0.0"},
        ],
        "uid": uid,
        "title": title,
        "description": about,
        "tags": ["jitsi", "otel_jcmc"],
        "schemaVersion": 41,
        "version": 1,
        "editable": True,
        "refresh": "15s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "links": links,
        "templating": {"list": [_source_variable(), *variables]},
        "annotations": {"list": []},
        "panels": _placed(rows),
    }


def query_variable(
    name: str, label: str, query: str, *, is_many: bool = False, regex: str = ""
) -> Json:
    """Return a variable that Prometheus has the values of."""
    made: Json = {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": query, "refId": name},
        "definition": query,
        "regex": regex,
        # Each time that the range changes.
        "refresh": 2,
        "sort": 1,
        "multi": is_many,
        "includeAll": is_many,
    }
    if is_many:
        # An empty label matches too: of many participants no bridge is known.
        made |= {"allValue": ".*", "current": {"text": ["All"], "value": ["$__all"]}}
    return made


def text_variable(name: str, label: str, value: str) -> Json:
    """Return a variable that whoever looks may type in."""
    chosen = {"text": value, "value": value}
    return {
        "name": name,
        "label": label,
        "type": "textbox",
        "query": value,
        "current": chosen,
        "options": [{**chosen, "selected": True}],
    }


def _placed(rows: Sequence[Row]) -> list[Json]:
    """Return the panels of *rows*, each with its place and number."""
    found: list[Json] = []
    y = 0
    for each in rows:
        if each.title:
            place = {"x": 0, "y": y, "w": _WIDTH, "h": 1}
            found.append({"type": "row", "title": each.title, "gridPos": place, "panels": []})
            y += 1
        x = 0
        widths = each.widths or (_WIDTH // len(each.panels),) * len(each.panels)
        for panel, width in zip(each.panels, widths, strict=True):
            found.append({**panel, "gridPos": {"x": x, "y": y, "w": width, "h": each.height}})
            x += width
        y += each.height
    return [{"id": number, **panel} for number, panel in enumerate(found, 1)]


def _source_variable() -> Json:
    """Return the variable that every panel takes its data source of."""
    return {
        "name": "datasource",
        "label": "Prometheus",
        "type": "datasource",
        "query": "prometheus",
        "regex": "",
        "multi": False,
        "includeAll": False,
        # What is chosen at an import; a provisioned board has no such one, and takes the first.
        "current": {"text": "${DS_PROMETHEUS}", "value": "${DS_PROMETHEUS}"},
        "hide": 0,
    }
