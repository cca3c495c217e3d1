"""
Grafana's panels as values: a number, lines, bands, a table.

What is true now is asked by an instant query, so that what is gone is gone at once. No range query
chooses series by their values: it would choose anew at each step.

Source: Grafana's dashboard JSON model, schema version 41.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
GREEN, YELLOW, RED, GREY = "green", "yellow", "red", "#808080"
Json = dict[str, Any]


@dataclass(frozen=True)
class Query:
    """A query of a range: *expr*, and what its series are called."""

    expr: str
    legend: str = ""


@dataclass(frozen=True)
class Column:
    """
    A column of a table: a label of the rows, or what *expr* says of each.

    Attributes:
        name: as it is shown.
        label: of the rows; empty: a value.
        colours: from which value on it is which colour.
        words: what its values mean, and their colours.
        url: where a click leads.
        is_hidden: its query brings labels alone.
    """

    name: str
    label: str = ""
    expr: str = ""
    unit: str = ""
    colours: Mapping[float, str] = field(default_factory=dict)
    words: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    url: str = ""
    decimals: int | None = None
    is_hidden: bool = False


def stat(
    title: str,
    expr: str,
    about: str,
    *,
    unit: str = "short",
    words: Mapping[int, tuple[str, str]] | None = None,
    colours: Mapping[float, str] | None = None,
) -> Json:
    """Return one number of now; *words* are what a value means, and its colour."""
    defaults: Json = {"unit": unit, "noValue": "unknown", "color": {"mode": "thresholds"}}
    defaults["thresholds"] = _thresholds(colours or {})
    defaults["mappings"] = _mappings(words or {})
    return {
        **_panel("stat", title, about, defaults),
        "targets": [_target(0, expr, "", is_instant=True)],
        "options": {
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "colorMode": "background" if words or colours else "value",
            "graphMode": "none",
            "textMode": "value",
        },
    }


def lines(
    title: str,
    about: str,
    *queries: Query,
    unit: str = "short",
    is_stacked: bool = False,
    colours: Mapping[str, str] | None = None,
    most: float | None = None,
) -> Json:
    """Return lines over time, all in one *unit*; *colours* are of the lines of a name."""
    custom: Json = {"spanNulls": False, "showPoints": "auto", "fillOpacity": 0}
    if is_stacked:
        custom |= {"stacking": {"mode": "normal", "group": "A"}, "fillOpacity": 60, "lineWidth": 0}
    defaults: Json = {"unit": unit, "min": 0, "custom": custom, "noValue": "not reported"}
    if most is not None:
        defaults["max"] = most
    overrides = [
        _override(name, {"color": {"mode": "fixed", "fixedColor": colour}})
        for name, colour in (colours or {}).items()
    ]
    return {
        **_panel("timeseries", title, about, defaults, overrides),
        "targets": [_target(at, each.expr, each.legend) for at, each in enumerate(queries)],
        "options": {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
    }


def timeline(title: str, about: str, query: Query, words: Mapping[int, tuple[str, str]]) -> Json:
    """Return a band over time for each series of *query*, in the colours of *words*."""
    defaults: Json = {
        "custom": {"fillOpacity": 80, "lineWidth": 0, "spanNulls": False},
        "color": {"mode": "thresholds"},
        "mappings": _mappings(words),
        "noValue": "not reported",
    }
    return {
        **_panel("state-timeline", title, about, defaults),
        "targets": [_target(0, query.expr, query.legend)],
        "options": {
            "mergeValues": True,
            "showValue": "never",
            "alignValue": "left",
            "rowHeight": 0.8,
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "single"},
        },
    }


def table(title: str, about: str, *columns: Column, sort: str, limit: int = 0) -> Json:
    """Return a table of now, a row for each label set that the columns' queries share."""
    values = [each for each in columns if each.expr]
    # With one query the column of its values has no letter.
    letters = [f"Value #{_letter(at)}" if len(values) > 1 else "Value" for at in range(len(values))]
    fields = {each.name: letter for each, letter in zip(values, letters, strict=True)}
    raw = [each.label or fields[each.name] for each in columns]
    transformations: list[Json] = [
        {"id": "merge", "options": {}},
        {
            "id": "organize",
            "options": {
                "excludeByName": {"Time": True},
                "indexByName": {name: at for at, name in enumerate(raw)},
                "renameByName": {name: each.name for name, each in zip(raw, columns, strict=True)},
            },
        },
        {"id": "sortBy", "options": {"sort": [{"field": sort, "desc": True}]}},
    ]
    if limit:
        transformations.append({"id": "limit", "options": {"limitField": limit}})
    return {
        **_panel("table", title, about, {"noValue": "-"}, [_column(each) for each in columns]),
        "targets": [
            _target(at, each.expr, "", is_instant=True, is_table=True)
            for at, each in enumerate(values)
        ],
        "transformations": transformations,
        "options": {"showHeader": True, "cellHeight": "sm", "footer": {"show": False}},
    }


def _panel(
    kind: str, title: str, about: str, defaults: Json, overrides: Sequence[Json] = ()
) -> Json:
    return {
        "type": kind,
        "title": title,
        "description": about,
        "datasource": SOURCE,
        "fieldConfig": {"defaults": defaults, "overrides": list(overrides)},
    }


def _letter(number: int) -> str:
    return chr(ord("A") + number)


def _target(
    number: int, expr: str, legend: str, *, is_instant: bool = False, is_table: bool = False
) -> Json:
    made: Json = {
        "refId": _letter(number),
        "datasource": SOURCE,
        "expr": expr,
        "legendFormat": legend or "__auto",
        "instant": is_instant,
        "range": not is_instant,
    }
    if is_table:
        made["format"] = "table"
    return made


def _thresholds(colours: Mapping[float, str]) -> Json:
    """Return from where on a value has which colour; below all it is green."""
    steps: list[Json] = [{"color": GREEN, "value": None}]
    steps += [{"color": colour, "value": value} for value, colour in sorted(colours.items())]
    return {"mode": "absolute", "steps": steps}


def _mappings(words: Mapping[int, tuple[str, str]]) -> list[Json]:
    """Return what values mean: value -> word and colour."""
    options = {
        str(value): {"text": word, "color": colour, "index": at}
        for at, (value, (word, colour)) in enumerate(words.items())
    }
    return [{"type": "value", "options": options}] if options else []


def _override(name: str, properties: Json) -> Json:
    """Return what is otherwise for the field *name*."""
    return {
        "matcher": {"id": "byName", "options": name},
        "properties": [{"id": key, "value": value} for key, value in properties.items()],
    }


def _column(column: Column) -> Json:
    """Return how a *column* is shown."""
    properties: Json = {}
    if column.unit:
        properties["unit"] = column.unit
    if column.decimals is not None:
        properties["decimals"] = column.decimals
    if column.colours:
        properties["thresholds"] = _thresholds(column.colours)
        properties["color"] = {"mode": "thresholds"}
        properties["custom.cellOptions"] = {"type": "color-background", "mode": "basic"}
    if column.words:
        properties["mappings"] = _mappings(column.words)
        properties["custom.cellOptions"] = {"type": "color-background", "mode": "basic"}
    if column.is_hidden:
        properties["custom.hidden"] = True
    if column.url:
        properties["links"] = [{"title": column.name, "url": column.url, "targetBlank": False}]
    return _override(column.name, properties)
