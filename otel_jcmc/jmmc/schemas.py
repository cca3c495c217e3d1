"""
Describes the push endpoint of JMMC pages in the OpenAPI document.

The service accepts every field of a push that fits the schema. A push that opens no session also
needs the cookie of its session. If a push does not fit, the answer names the faults. The service
makes the schema when a client asks for the OpenAPI document.
"""

from dataclasses import replace
from typing import Any

from otel_jcmc.catalogue.attributes import CLIENT, CONFERENCE, PARTICIPANT, REGION
from otel_jcmc.catalogue.reasons import Reason
from otel_jcmc.catalogue.rows import Attribute
from otel_jcmc.jmmc.wire import (
    ADDRESS_OF,
    MAX_IPV4,
    MAX_PORT,
    MAY_BE_NULL,
    METRIC_OF,
    NUMBER_OF,
    OPENING,
    PLACEHOLDER,
    PORT_OF,
    TEXT_OF,
    JmmcParser,
)
from otel_jcmc.web.openapi import door
from otel_jcmc.web.schemas import JSON, Schema, answer, header, listing, object_of, or_null, within
from otel_jcmc.wire.by_type import IN_BODY
from otel_jcmc.wire.rules import ABSENT
from otel_jcmc.wire.schema import text_schema


def jmmc_push_schema(parser: JmmcParser) -> Schema:
    """Return the schema of a push in which *parser* finds no fault."""
    fields = _fields(parser)
    opening = {"required": [*OPENING]}
    change = {"not": {"required": [OPENING[0]]}, "anyOf": _telling(fields)}
    return {
        "title": "JMMC push",
        "description": "What has changed in one session. A push with `br` opens the session. A"
        " field that is left out keeps its last value.",
        **object_of(
            {
                "uid": text_schema(parser.rules.rows[CLIENT.id]),
                "conf": text_schema(parser.rules.rows[CONFERENCE.id], 1)
                | {"description": "The conference; it must match JCMC_JMMC_CONF_PATTERN."},
                "m": object_of(fields) | {"anyOf": [opening, change]},
                "token": {"description": IN_BODY},
            },
            required=["uid", "conf", "m"],
        ),
    }


def _telling(fields: dict[str, Schema]) -> list[Schema]:
    """
    Return one schema for each of *fields* that tells a change.

    An object fits the schema of a field if it has this field, with a value that the service keeps.
    In a push that opens no session, `m` must fit one of these schemas.
    """
    says = {"not": {"enum": sorted(ABSENT)}}
    return [
        {"required": [key], "properties": {key: _any_of(schema, says)}}
        for key, schema in fields.items()
        if key not in ("br", "ts")
    ]


def _any_of(schema: Schema, says: Schema) -> Schema:
    """
    Return the schema for an object in which at least one property of *schema* must fit *says*.

    If *schema* has no properties, the result is {}, which any value fits.
    """
    below = schema.get("properties", {})
    one = [{"required": [key], "properties": {key: says}} for key in below]
    return {"anyOf": one} if one else {}


def _fields(parser: JmmcParser) -> dict[str, Schema]:
    """Return the schemas of the fields of `m`: name of the field -> schema."""
    told = {path: _number(path) for path in NUMBER_OF}
    told |= {path: _text(row, parser) for path, row in TEXT_OF.items()}
    told |= {path: _whole(row, MAX_IPV4) for path, row in ADDRESS_OF.items()}
    told |= {path: _whole(row, MAX_PORT) for path, row in PORT_OF.items()}
    fields: dict[str, Any] = {
        "br": text_schema(PLACEHOLDER) | {"description": "Not kept: the User-Agent tells it."},
        "os": text_schema(PLACEHOLDER) | {"description": "Not kept: the User-Agent tells it."},
        "pid": text_schema(parser.rules.rows[PARTICIPANT.id], 1),
        "ts": {"description": "Any value: the server uses its own clock."},
    }
    for path, schema in told.items():
        key, _, below = path.partition(".")
        if below:
            fields.setdefault(key, object_of({}))
            fields[key]["properties"][below] = schema
        else:
            fields[key] = schema
    return fields


def _number(path: str) -> Schema:
    """Return the schema of the metric at *path* in `m`."""
    row = METRIC_OF[NUMBER_OF[path]]
    told = {
        "description": f"{row.brief}; {row.unit}.",
        "type": "number",
        **within(row.minimum, row.maximum),
    }
    return or_null(told) if path == MAY_BE_NULL else told


def _whole(row: Attribute, most: int) -> Schema:
    """Return the schema of a whole number up to *most*: an IPv4 address or a port."""
    return {"description": row.brief, "type": "integer", **within(0, most)}


def _text(row: Attribute, parser: JmmcParser) -> Schema:
    """Return the schema of the text for *row*; also texts that mean "not known" fit it."""
    row = parser.rules.rows[row.id]
    if row.id == REGION.id and parser.regions:
        row = replace(row, choices=tuple(parser.regions))
    return text_schema(row)


def jmmc_operations(parser: JmmcParser) -> Schema:
    """Return the OpenAPI operations of the endpoint to which JMMC pages push."""
    accepted = object_of(
        {
            "uid": {"type": "string"},
            "conf": {"type": "string"},
            "m": {"type": "object", "required": ["ts"]},
            **listing("dropped")["properties"],
        },
        required=["uid", "m"],
    )
    told = (
        "What was accepted, and what was not. If that is too long for an answer, `conf` is left"
        " out and `m` has only `ts`."
    )
    cookie = {"description": "Names the session that was opened.", "schema": {"type": "string"}}
    return door(
        "Push what has changed in one session of a JMMC page",
        "The body is JSON in UTF-8. A push with `br` opens a session; any other push needs the"
        " session's cookie. Fields that do not fit the schema are dropped and named. The push is"
        " refused if its identity does not fit, or if no field does.",
        jmmc_push_schema(parser),
        answer(told, JSON, schema=accepted) | {"headers": {"Set-Cookie": cookie}},
        headers=[header("jmmc_objectId", "Names the session.") | {"in": "cookie"}],
        reasons=(
            Reason.CONFERENCE_PATTERN,
            Reason.COOKIE_MISSING,
            Reason.COOKIE_INVALID,
            Reason.SESSION_UNKNOWN,
        ),
    )
