"""
The OpenAPI document: the push endpoint, and what FastAPI can't know of the other routes.

`described` completes the document that FastAPI makes of its routes. The schema of a push is made of
the rows of catalogue and the limits of the deployment: a push that it takes is stored whole, and
of one that it does not take the answer names what is wrong. Called by routes.py when somebody asks
for /openapi.json.

Source: OpenAPI 3.1, whose schemas are JSON Schema 2020-12 with ECMA-262's regular expressions.
"""

from collections.abc import Iterable
from typing import Final

from otel_jcmc.catalogue.attributes import CLIENT, CONFERENCE, MEETING, PARTICIPANT, SESSION
from otel_jcmc.catalogue.metrics import METRICS
from otel_jcmc.catalogue.rows import Attribute, Kind, Metric, Scope
from otel_jcmc.web.push import PUSH_PATH
from otel_jcmc.web.schemas import (
    JSON,
    TEXT,
    Schema,
    answer,
    at_most,
    header,
    later,
    listing,
    object_of,
    or_null,
    refused,
    text_of,
    within,
)
from otel_jcmc.wire.by_type import ABSENT
from otel_jcmc.wire.rules import Rules
from otel_jcmc.wire.session import END_REASONS, MAX_AGE_MS, MAX_INTERVAL_MS, MAX_SEQ

# What is pushed


def push_schema(rules: Rules) -> Schema:
    """Return the schema of a push in which all is well by *rules*."""
    metrics = {row.field: _metric(row, rules) for row in METRICS}
    identity = [rules.rows[row.id] for row in (CLIENT, PARTICIPANT, CONFERENCE)]
    return {
        "title": "Push",
        "description": "One participant's state; it replaces the one before whole.",
        **object_of(
            {
                "default_labels": object_of(
                    {_key(row): text_of(row, 1) for row in identity},
                    required=[_key(row) for row in identity],
                ),
                "session": or_null(_session(rules)),
                "metrics": or_null(object_of(metrics)),
                "token": {"description": "A token where a header can't be sent: text."},
            },
            required=["default_labels"],
        ),
        # Something to keep: a session, or at least one metric.
        "anyOf": [
            {"required": ["session"], "properties": {"session": {"type": "object"}}},
            {
                "required": ["metrics"],
                "properties": {"metrics": {"type": "object", "minProperties": 1}},
            },
        ],
    }


def _session(rules: Rules) -> Schema:
    """Return the schema of `session`."""
    end = {
        "type": "object",
        "properties": {"reason": {"type": "string", "enum": sorted(END_REASONS)}},
        "required": ["reason"],
    }
    return object_of(
        {
            "id": text_of(rules.rows[SESSION.id]),
            "meeting_id": or_null(text_of(rules.rows[MEETING.id])),
            "seq": {"type": "integer", **within(0, MAX_SEQ)},
            "interval_ms": {"type": "number", **within(0, MAX_INTERVAL_MS)},
            "stats_age_ms": {"type": "number", **within(0, MAX_AGE_MS)},
            "end": or_null(end),
        }
    )


def _metric(row: Metric, rules: Rules) -> Schema:
    """Return the schema of one entry of `metrics`, by its row."""
    if row.is_list:
        entry = _entry(row, rules.labels_of(Scope.PATH))
        return {"type": "array", "items": entry} | at_most("maxItems", rules.transports)
    return _entry(row, rules.labels_of(Scope.QUALITY) if row.field == "connectionquality" else {})


def _entry(row: Metric, labels: dict[str, Attribute]) -> Schema:
    """Return the schema of a value and its *labels*."""
    return object_of(
        {
            "value": {
                "description": f"{row.brief}; {row.unit}. null: not known now.",
                "type": ["number", "null"],
                **within(row.minimum, row.maximum),
            },
            "labels": or_null(object_of({key: _label(each) for key, each in labels.items()})),
        },
        required=["value"],
    )


def _label(row: Attribute) -> Schema:
    """Return the schema of a label, which may say in three ways that it has nothing to say."""
    absent = sorted(ABSENT)
    if row.kind is Kind.CHOICE:
        return {"description": row.brief, "enum": [*row.choices, *absent, None]}
    if row.kind is Kind.ADDRESS:
        addresses = [{"type": "string", "format": each} for each in ("ipv4", "ipv6")]
        return {"description": row.brief, "anyOf": [*addresses, {"enum": [*absent, None]}]}
    return or_null(text_of(row))


def _key(row: Attribute) -> str:
    """Return the attribute's key on the wire."""
    return row.field.rpartition(".")[2]


# What is answered


def _push(rules: Rules) -> Schema:
    """Return the operations of the push endpoint."""
    stored = answer("Stored whole.", TEXT)
    stored["content"][TEXT]["schema"]["const"] = "OK"
    stored["description"] += " With a list: stored without what it names."
    stored["content"][JSON] = {"schema": listing("dropped")}
    return {
        "post": {
            "summary": "Push one participant's state",
            "description": "The body is JSON in UTF-8, with any Content-Type: beacons send text."
            " One that does not fit the schema costs what is wrong, and is refused when that is"
            " who it is, or all of it.",
            "parameters": [
                header("User-Agent", "Tells the browser and the system."),
                header("Origin", "Of the page, as browsers send it."),
            ],
            "requestBody": {"required": True, "content": {JSON: {"schema": push_schema(rules)}}},
            "responses": {
                "200": stored,
                "400": refused("Not JSON, not known whose it is, or nothing was kept."),
                "401": refused("A token is wanted, or this one is no longer good."),
                "403": refused("Not from this page, or not for this conference or participant."),
                "413": refused("The body is larger than JCMC_LIMIT_BODY_BYTES."),
                "429": later("Too many pushes; to be sent again after Retry-After."),
                "503": later("Not stored; to be sent again after Retry-After."),
            },
        },
        "options": {
            "summary": "Preflight of a push",
            "responses": {"204": answer("What a page of the Origin may send.")},
        },
    }


def _token() -> Schema:
    """Return the schema of a push token."""
    token = {"type": "string", "description": "For the header of a push, or its body's `token`."}
    life = {"type": "integer", "minimum": 1, "description": "Seconds for which it is good."}
    return object_of({"token": token, "expires_in": life}, required=["token", "expires_in"])


_PUSH_TOKEN: Final = (
    {
        "200": {"description": "A token.", "content": {JSON: {"schema": _token()}}},
        "403": refused("No origin is said, or none that is allowed."),
        "429": later("Too many from this address; to be asked for again after Retry-After."),
        "503": later("Not to be had now; to be asked for again after Retry-After."),
    },
    (header("Origin", "Of the page that asks, as browsers say it."),),
)
_GZIP: Final = header("Accept-Encoding", "gzip, or nothing.")
# Where who may read is told by an address or a token.
_FORWARDED: Final = (
    header("X-Forwarded-For", "Who a proxy says that it asks for."),
    header("Forwarded", "The same by RFC 7239."),
)
_READER: Final[dict[str, Schema]] = {
    "401": answer("A token is wanted.", TEXT),
    "403": answer("Only private addresses may read this.", TEXT),
    "503": answer("Redis does not answer; to be asked again.", TEXT),
}


def _asked(name: str, description: str, example: str, schema: Schema) -> Schema:
    """Return a part of the query."""
    told = {"name": name, "in": "query", "description": description, "example": example}
    return told | {"required": False, "schema": {"type": "string"} | schema}


_SID: Final = "3fd3c1ab52e0f5ae04ad5ee3a1b0c7f2019363a4d2f0c81b"
_IS_SID: Final[Schema] = {"pattern": "^[0-9a-f]{48}$"}
_IS_NAME: Final[Schema] = {"pattern": r"^[^\u0000]+$"}
_IS_TIME: Final[Schema] = {
    "anyOf": [
        {"pattern": "^-[0-9]{1,9}[smhd]$"},
        {"pattern": r"^[0-9]{1,10}(\.[0-9]{1,3})?$"},
        {"format": "date-time"},
    ]
}
_FIELD: Final = "|".join(row.field for row in METRICS)
_IS_FIELDS: Final[Schema] = {"pattern": f"^({_FIELD})(,({_FIELD}))*$"}
_TIME: Final = "RFC 3339, Unix seconds, or so long ago: -2h (s, m, h, d)."
_CLIENT: Final = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
_WHO: Final = (
    _asked("conference", "Name of the conference, or its hash.", "standup", _IS_NAME),
    _asked("client_id", "The client's id, or its hash.", _CLIENT, _IS_NAME),
)
_SESSIONS: Final = (
    {
        "200": {
            "description": "Sessions, newest first, and what to go on after if there are more.",
            "content": {
                JSON: {
                    "schema": {
                        "type": "object",
                        "properties": {
                            "sessions": {"type": "array", "items": {"type": "object"}},
                            "next": {"type": ["string", "null"]},
                        },
                        "required": ["sessions", "next"],
                    }
                }
            },
        },
        "400": answer("What is asked for can't be; what can.", TEXT),
        "404": answer("No history is kept.", TEXT),
        **_READER,
    },
    (
        *_WHO,
        _asked("from", f"It was there then or later: {_TIME}", "-2h", _IS_TIME),
        _asked("to", f"It had begun by then: {_TIME}", "2026-03-01T09:30:00Z", _IS_TIME),
        _asked("limit", "At most so many.", "50", {"type": "integer", **within(1, 500)}),
        _asked("after", "The `next` of the page before.", _SID, _IS_SID),
        *_FORWARDED,
    ),
)
_DELETED: Final = object_of({"deleted": {"type": "integer", "minimum": 0}}, required=["deleted"])
_ERASURE: Final = (
    {
        "200": {
            "description": "How many sessions were erased.",
            "content": {JSON: {"schema": _DELETED}},
        },
        "400": answer("No client is named, or something that can't be.", TEXT),
        "404": answer("Nothing is kept of sessions.", TEXT),
        **_READER,
    },
    (
        _WHO[0],
        {**_WHO[1], "required": True},
        header("Origin", "No page may erase: there must be none."),
        *_FORWARDED,
    ),
)
_SESSION: Final = (
    {
        "200": {
            "description": "One session: who, when, and its samples in the order of their times.",
            "content": {
                JSON: {
                    "schema": {
                        "type": "object",
                        "properties": {"samples": {"type": "array", "items": {"type": "object"}}},
                        "required": ["id", "metrics", "samples"],
                    }
                },
                "text/csv": {"schema": {"type": "string"}},
            },
        },
        "400": answer("What is asked for can't be; what can.", TEXT),
        "404": answer("There is no such session, or no history is kept.", TEXT),
        **_READER,
    },
    (
        {
            "name": "sid",
            "in": "path",
            "required": True,
            "description": "The `id` of the list.",
            "example": _SID,
            "schema": {"type": "string", **_IS_SID},
        },
        _asked("metrics", "Fields, with commas.", "connectionquality", _IS_FIELDS),
        _asked("format", "As JSON or CSV.", "json", {"enum": ["json", "csv"]}),
        _asked(
            "fill",
            "Whether what a push left out has the value before.",
            "true",
            {"enum": ["true", "false"]},
        ),
        header("Accept", "text/csv is format=csv."),
        *_FORWARDED,
    ),
)
_CLIENT_FILE: Final = (
    {
        "200": answer("The browser's file.", "text/javascript"),
        "304": answer("The one that the asker has is good."),
    },
    (header("If-None-Match", "The tag of the file that the asker has."), _GZIP),
)
# By method and path: the answers, and the headers that count.
_ROUTES: Final[dict[tuple[str, str], tuple[Schema, Iterable[Schema]]]] = {
    ("get", "/"): ({"200": answer("It is up.", TEXT)}, ()),
    ("get", "/-/healthy"): ({"200": answer("It is up.", TEXT)}, ()),
    ("get", "/-/ready"): (
        {
            "200": answer("It takes pushes.", TEXT),
            "503": answer("Redis does not answer.", TEXT),
        },
        (),
    ),
    ("get", "/client-file"): _CLIENT_FILE,
    ("get", "/metrics"): (
        {
            "200": answer("The exposition.", TEXT, "application/openmetrics-text"),
            "401": answer("A token is wanted.", TEXT),
            "403": answer("Only private addresses may scrape.", TEXT),
            "404": answer("OTEL_METRICS_EXPORTER does not name prometheus.", TEXT),
            "503": answer("Too many scrapes at a time; to be asked again.", TEXT),
        },
        (_GZIP, *_FORWARDED),
    ),
    ("get", "/sessions"): _SESSIONS,
    ("delete", "/sessions"): _ERASURE,
    ("get", "/sessions/{sid}"): _SESSION,
    ("post", "/push-token"): _PUSH_TOKEN,
    ("post", "/metrics/push-token"): _PUSH_TOKEN,
}


def described(
    document: Schema, rules: Rules, guarded: Iterable[str], jmmc: dict[str, Schema]
) -> Schema:
    """
    Return FastAPI's *document* with what it can't know.

    Pushes are checked by *rules*; *guarded* are the paths that want a bearer token. *jmmc* has the
    operations of JMMC pages' pushes, by the path where they come.
    """
    paths = document["paths"]
    clients = {("get", path): _CLIENT_FILE for path in paths if path.endswith("/getClient")}
    for (method, path), (answers, headers) in {**_ROUTES, **clients}.items():
        if path in paths:
            paths[path][method] |= {"responses": answers, "parameters": [*headers]}
    paths[PUSH_PATH] = _push(rules)
    paths |= jmmc
    if guarded:
        document["components"] = {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}
        }
    for path in guarded:
        # A push may have it in its body, where a header can't be sent.
        is_push = path == PUSH_PATH or path in jmmc
        paths[path]["post" if is_push else "get"]["security"] = [{"token": []}, *[{}] * is_push]
    return document
