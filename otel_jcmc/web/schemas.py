"""
Makes the pieces with which routes describe themselves in the OpenAPI document.

The pieces describe answers, parameters and headers. Routes pass them to FastAPI as `responses` and
`openapi_extra`. The push endpoints, which FastAPI does not know, use the same pieces (openapi.py).

Source: OpenAPI 3.1, whose schemas are JSON Schema 2020-12 with ECMA-262's regular expressions.
"""

from collections.abc import Sequence
from typing import Any, Final

from otel_jcmc.catalogue.reasons import Reason
from otel_jcmc.web.answers import MAX_LISTED, RETRY_AFTER_SECONDS

Schema = dict[str, Any]
# The descriptions of a route's answers, by their status.
Responses = dict[int | str, dict[str, Any]]

TEXT: Final = "text/plain"
JSON: Final = "application/json"


def object_of(properties: Schema, required: Sequence[str] = ()) -> Schema:
    """Return the schema of an object with these *properties* and no others."""
    closed = {"type": "object", "properties": properties, "additionalProperties": False}
    return closed | ({"required": [*required]} if required else {})


def or_null(schema: Schema) -> Schema:
    """Return *schema* with null allowed."""
    return schema | {"type": [schema["type"], "null"]}


def within(minimum: int, maximum: int) -> Schema:
    """Return the part of a schema that limits a number to *minimum* and *maximum*."""
    return {"minimum": minimum, "maximum": maximum}


def answer(description: str, *kinds: str, schema: Schema | None = None) -> Schema:
    """Return the description of an answer with these *kinds* of content; no kinds: no body."""
    content = {kind: {"schema": schema or {"type": "string"}} for kind in kinds}
    return {"description": description} | ({"content": content} if content else {})


def because(*reasons: Reason) -> str:
    """Return the catalogue's text for *reasons*, one sentence for each reason."""
    return " ".join(f"{reason.brief[0].upper()}{reason.brief[1:]}." for reason in reasons)


def listing(key: str) -> Schema:
    """Return the schema of the faults that an answer lists under *key*."""
    fault = object_of(
        {
            "field": {"type": "string", "description": "Path of the field; empty: the whole body."},
            "reason": {"type": "string", "enum": [str(reason) for reason in Reason]},
        },
        required=["field", "reason"],
    )
    faults = {"type": "array", "minItems": 1, "maxItems": MAX_LISTED, "items": fault}
    more = {"type": "integer", "minimum": 0, "description": "How many more there are."}
    return object_of({key: faults, "more": more}, required=[key, "more"])


def refused(description: str) -> Schema:
    """Return the description of an answer that lists the faults of a push."""
    return answer(description, JSON, schema=listing("errors"))


def later(description: str) -> Schema:
    """Return the description of an answer that lists faults and says when to send again."""
    seconds = {"type": "integer", "minimum": 1, "example": RETRY_AFTER_SECONDS}
    told = {"description": "Seconds to wait.", "required": True, "schema": seconds}
    again = "Try again after Retry-After."
    return refused(f"{description} {again}") | {"headers": {"Retry-After": told}}


def header(name: str, description: str) -> Schema:
    """Return the description of a header that a request may have."""
    return {"name": name, "in": "header", "description": description, "schema": {"type": "string"}}


def asked(name: str, description: str, example: str, schema: Schema) -> Schema:
    """Return the description of a parameter of the query."""
    told = {"name": name, "in": "query", "description": description, "example": example}
    return told | {"required": False, "schema": {"type": "string"} | schema}


GZIP: Final = header("Accept-Encoding", "gzip, or nothing.")
# For routes that only some callers may read (readers.py): the answers to the other callers, and the
# headers that decide.
SENT_AWAY: Final[Responses] = {
    401: answer("A token is needed.", TEXT),
    403: answer("Only private addresses may read this.", TEXT),
}
FORWARDED: Final = (
    header("X-Forwarded-For", "The caller's address, from a proxy."),
    header("Forwarded", "The same by RFC 7239."),
)
