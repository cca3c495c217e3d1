"""
The OpenAPI document: the push endpoint, and what FastAPI can't know of the other routes.

`described` completes the document that FastAPI makes of its routes. The schema of a push is made of
the rows of catalogue.py and the limits of the deployment: a push that it takes is stored whole, and
of one that it does not take the answer names what is wrong. Called by routes.py when somebody asks
for /openapi.json.

Source: OpenAPI 3.1, whose schemas are JSON Schema 2020-12 with ECMA-262's regular expressions.
"""

import sys
from collections.abc import Iterable, Sequence
from typing import Any, Final

from otel_jcmc.answers import MAX_LISTED, RETRY_AFTER_SECONDS
from otel_jcmc.catalogue import (
    CLIENT,
    CONFERENCE,
    MEETING,
    METRICS,
    PARTICIPANT,
    SESSION,
    Attribute,
    Kind,
    Metric,
    Scope,
)
from otel_jcmc.checks import Rules
from otel_jcmc.faults import Reason
from otel_jcmc.push_session import END_REASONS, MAX_AGE_MS, MAX_INTERVAL_MS, MAX_SEQ
from otel_jcmc.push_shape import ABSENT
from otel_jcmc.receiver import PUSH_PATH

Schema = dict[str, Any]

_HEX: Final = "[0-9a-fA-F]"
# What the text of a kind must be, beyond its length. No lone surrogates either: UTF-8 has none.
_PATTERNS: Final = {
    Kind.TEXT: r"^[^\u0000]*$",
    Kind.GUID: rf"^{_HEX}{{8}}(-{_HEX}{{4}}){{3}}-{_HEX}{{12}}$",
    Kind.SESSION: "^[A-Za-z0-9_-]{8,64}$",
}
_GUID_LENGTH: Final = 36
_TEXT: Final = "text/plain"
_JSON: Final = "application/json"


# What is pushed


def push_schema(rules: Rules) -> Schema:
    """Return the schema of a push in which all is well by *rules*."""
    metrics = {row.field: _metric(row, rules) for row in METRICS}
    identity = [rules.rows[row.id] for row in (CLIENT, PARTICIPANT, CONFERENCE)]
    return {
        "title": "Push",
        "description": "One participant's state; it replaces the one before whole.",
        **_object(
            {
                "default_labels": _object(
                    {_key(row): _text(row, 1) for row in identity},
                    required=[_key(row) for row in identity],
                ),
                "session": _or_null(_session(rules)),
                "metrics": _or_null(_object(metrics)),
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
    return _object(
        {
            "id": _text(rules.rows[SESSION.id]),
            "meeting_id": _or_null(_text(rules.rows[MEETING.id])),
            "seq": {"type": "integer", **_within(0, MAX_SEQ)},
            "interval_ms": {"type": "number", **_within(0, MAX_INTERVAL_MS)},
            "stats_age_ms": {"type": "number", **_within(0, MAX_AGE_MS)},
            "end": _or_null(end),
        }
    )


def _metric(row: Metric, rules: Rules) -> Schema:
    """Return the schema of one entry of `metrics`, by its row."""
    if row.is_list:
        entry = _entry(row, rules.labels_of(Scope.PATH))
        return {"type": "array", "items": entry} | _at_most("maxItems", rules.transports)
    return _entry(row, rules.labels_of(Scope.QUALITY) if row.field == "connectionquality" else {})


def _entry(row: Metric, labels: dict[str, Attribute]) -> Schema:
    """Return the schema of a value and its *labels*."""
    return _object(
        {
            "value": {
                "description": f"{row.brief}; {row.unit}. null: not known now.",
                "type": ["number", "null"],
                **_within(row.minimum, row.maximum),
            },
            "labels": _or_null(_object({key: _label(each) for key, each in labels.items()})),
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
    return _or_null(_text(row))


def _text(row: Attribute, shortest: int = 0) -> Schema:
    """Return the schema of the text of an attribute."""
    longest = _GUID_LENGTH if row.kind is Kind.GUID else row.max_length
    return {
        "description": row.brief,
        "type": "string",
        "pattern": _PATTERNS[row.kind],
        **_at_most("maxLength", longest),
        **({"minLength": shortest} if shortest else {}),
    }


def _at_most(key: str, most: int) -> Schema:
    """Return a bound, nothing where any number may be."""
    return {} if most == sys.maxsize else {key: most}


def _key(row: Attribute) -> str:
    """Return the attribute's key on the wire."""
    return row.field.rpartition(".")[2]


def _object(properties: dict[str, Any], required: Sequence[str] = ()) -> Schema:
    """Return the schema of an object with these *properties* and no others."""
    closed: Schema = {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }
    return closed | ({"required": [*required]} if required else {})


def _or_null(schema: Schema) -> Schema:
    """Return *schema*, null allowed."""
    return schema | {"type": [schema["type"], "null"]}


def _within(minimum: int, maximum: int) -> Schema:
    """Return the bounds of a number."""
    return {"minimum": minimum, "maximum": maximum}


# What is answered


def _answer(description: str, *kinds: str) -> Schema:
    """Return an answer of text of these *kinds* of content; without any it has no body."""
    content = {kind: {"schema": {"type": "string"}} for kind in kinds}
    return {"description": description} | ({"content": content} if content else {})


def _listing(key: str) -> Schema:
    """Return the schema of the faults that an answer lists under *key*."""
    fault = _object(
        {
            "field": {"type": "string", "description": "Path of the field; empty: all of it."},
            "reason": {"type": "string", "enum": [str(reason) for reason in Reason]},
        },
        required=["field", "reason"],
    )
    faults = {"type": "array", "minItems": 1, "maxItems": MAX_LISTED, "items": fault}
    more = {"type": "integer", "minimum": 0, "description": "How many more there are."}
    return _object({key: faults, "more": more}, required=[key, "more"])


def _refused(description: str) -> Schema:
    """Return an answer that lists what is wrong."""
    return {"description": description, "content": {_JSON: {"schema": _listing("errors")}}}


def _later(description: str) -> Schema:
    """Return an answer that lists what is wrong and says when to come back."""
    seconds = {"type": "integer", "minimum": 1, "example": RETRY_AFTER_SECONDS}
    header = {"description": "Seconds to wait.", "required": True, "schema": seconds}
    return _refused(description) | {"headers": {"Retry-After": header}}


def _header(name: str, description: str) -> Schema:
    """Return a header that a request may have."""
    return {"name": name, "in": "header", "description": description, "schema": {"type": "string"}}


def _push(rules: Rules) -> Schema:
    """Return the operations of the push endpoint."""
    stored = _answer("Stored whole.", _TEXT)
    stored["content"][_TEXT]["schema"]["const"] = "OK"
    stored["description"] += " With a list: stored without what it names."
    stored["content"][_JSON] = {"schema": _listing("dropped")}
    return {
        "post": {
            "summary": "Push one participant's state",
            "description": "The body is JSON in UTF-8, with any Content-Type: beacons send text."
            " One that does not fit the schema costs what is wrong, and is refused when that is"
            " who it is, or all of it.",
            "parameters": [
                _header("User-Agent", "Tells the browser and the system."),
                _header("Origin", "Of the page, as browsers send it."),
            ],
            "requestBody": {"required": True, "content": {_JSON: {"schema": push_schema(rules)}}},
            "responses": {
                "200": stored,
                "400": _refused("Not JSON, not known whose it is, or nothing was kept."),
                "401": _refused("A token is wanted, or this one is no longer good."),
                "403": _refused("Not from this page, or not for this conference or participant."),
                "413": _refused("The body is larger than JCMC_LIMIT_BODY_BYTES."),
                "429": _later("Too many pushes; to be sent again after Retry-After."),
                "503": _later("Not stored; to be sent again after Retry-After."),
            },
        },
        "options": {
            "summary": "Preflight of a push",
            "responses": {"204": _answer("What a page of the Origin may send.")},
        },
    }


def _token() -> Schema:
    """Return the schema of a push token."""
    token = {"type": "string", "description": "For the header of a push, or its body's `token`."}
    life = {"type": "integer", "minimum": 1, "description": "Seconds for which it is good."}
    return _object({"token": token, "expires_in": life}, required=["token", "expires_in"])


_PUSH_TOKEN: Final = (
    {
        "200": {"description": "A token.", "content": {_JSON: {"schema": _token()}}},
        "403": _refused("No origin is said, or none that is allowed."),
        "429": _later("Too many from this address; to be asked for again after Retry-After."),
        "503": _later("Not to be had now; to be asked for again after Retry-After."),
    },
    (_header("Origin", "Of the page that asks, as browsers say it."),),
)
_GZIP: Final = _header("Accept-Encoding", "gzip, or nothing.")
# Where who may read is told by an address or a token.
_FORWARDED: Final = (
    _header("X-Forwarded-For", "Who a proxy says that it asks for."),
    _header("Forwarded", "The same by RFC 7239."),
)
_READER: Final[dict[str, Schema]] = {
    "401": _answer("A token is wanted.", _TEXT),
    "403": _answer("Only private addresses may read this.", _TEXT),
    "503": _answer("Redis does not answer; to be asked again.", _TEXT),
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
                _JSON: {
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
        "400": _answer("What is asked for can't be; what can.", _TEXT),
        "404": _answer("No history is kept.", _TEXT),
        **_READER,
    },
    (
        *_WHO,
        _asked("from", f"It was there then or later: {_TIME}", "-2h", _IS_TIME),
        _asked("to", f"It had begun by then: {_TIME}", "2026-03-01T09:30:00Z", _IS_TIME),
        _asked("limit", "At most so many.", "50", {"type": "integer", **_within(1, 500)}),
        _asked("after", "The `next` of the page before.", _SID, _IS_SID),
        *_FORWARDED,
    ),
)
_DELETED: Final = _object({"deleted": {"type": "integer", "minimum": 0}}, required=["deleted"])
_ERASURE: Final = (
    {
        "200": {
            "description": "How many sessions were erased.",
            "content": {_JSON: {"schema": _DELETED}},
        },
        "400": _answer("No client is named, or something that can't be.", _TEXT),
        "404": _answer("Nothing is kept of sessions.", _TEXT),
        **_READER,
    },
    (
        _WHO[0],
        {**_WHO[1], "required": True},
        _header("Origin", "No page may erase: there must be none."),
        *_FORWARDED,
    ),
)
_SESSION: Final = (
    {
        "200": {
            "description": "One session: who, when, and its samples in the order of their times.",
            "content": {
                _JSON: {
                    "schema": {
                        "type": "object",
                        "properties": {"samples": {"type": "array", "items": {"type": "object"}}},
                        "required": ["id", "metrics", "samples"],
                    }
                },
                "text/csv": {"schema": {"type": "string"}},
            },
        },
        "400": _answer("What is asked for can't be; what can.", _TEXT),
        "404": _answer("There is no such session, or no history is kept.", _TEXT),
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
        _header("Accept", "text/csv is format=csv."),
        *_FORWARDED,
    ),
)
# By method and path: the answers, and the headers that count.
_ROUTES: Final[dict[tuple[str, str], tuple[Schema, Iterable[Schema]]]] = {
    ("get", "/"): ({"200": _answer("It is up.", _TEXT)}, ()),
    ("get", "/-/healthy"): ({"200": _answer("It is up.", _TEXT)}, ()),
    ("get", "/-/ready"): (
        {
            "200": _answer("It takes pushes.", _TEXT),
            "503": _answer("Redis does not answer.", _TEXT),
        },
        (),
    ),
    ("get", "/client-file"): (
        {
            "200": _answer("The browser's file.", "text/javascript"),
            "304": _answer("The one that the asker has is good."),
        },
        (_header("If-None-Match", "The tag of the file that the asker has."), _GZIP),
    ),
    ("get", "/metrics"): (
        {
            "200": _answer("The exposition.", _TEXT, "application/openmetrics-text"),
            "401": _answer("A token is wanted.", _TEXT),
            "403": _answer("Only private addresses may scrape.", _TEXT),
            "404": _answer("OTEL_METRICS_EXPORTER does not name prometheus.", _TEXT),
            "503": _answer("Too many scrapes at a time; to be asked again.", _TEXT),
        },
        (_GZIP, *_FORWARDED),
    ),
    ("get", "/sessions"): _SESSIONS,
    ("delete", "/sessions"): _ERASURE,
    ("get", "/sessions/{sid}"): _SESSION,
    ("post", "/push-token"): _PUSH_TOKEN,
    ("post", "/metrics/push-token"): _PUSH_TOKEN,
}


def described(document: Schema, rules: Rules, guarded: Iterable[str]) -> Schema:
    """
    Return FastAPI's *document* with what it can't know.

    Pushes are checked by *rules*; *guarded* are the paths that want a bearer token.
    """
    paths = document["paths"]
    for (method, path), (answers, headers) in _ROUTES.items():
        if path in paths:
            paths[path][method] |= {"responses": answers, "parameters": [*headers]}
    paths[PUSH_PATH] = _push(rules)
    if guarded:
        document["components"] = {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}
        }
    for path in guarded:
        # A push may have it in its body, where a header can't be sent.
        is_push = path == PUSH_PATH
        paths[path]["post" if is_push else "get"]["security"] = [{"token": []}, *[{}] * is_push]
    return document
