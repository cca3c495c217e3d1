"""
Makes parts of the OpenAPI document: descriptions of answers, parameters and headers.

Routes pass these descriptions to FastAPI as `responses` and `openapi_extra`. FastAPI does not know
the push endpoints; openapi.py uses the same functions to describe them.

Source: OpenAPI 3.1. The schemas in that document are JSON Schema 2020-12, with the regular
expressions of ECMA-262.
"""

from collections.abc import Sequence
from typing import Any, Final

from otel_jcmc.catalogue.reasons import Reason
from otel_jcmc.web.answers import MAX_LISTED, RETRY_AFTER_SECONDS

Schema = dict[str, Any]
# Status -> the description of the answer with this status, for one route.
Responses = dict[int | str, dict[str, Any]]

TEXT: Final = "text/plain"
JSON: Final = "application/json"


def object_of(properties: Schema, required: Sequence[str] = ()) -> Schema:
    """Return the schema of an object that has only these *properties*, and always *required*."""
    closed = {"type": "object", "properties": properties, "additionalProperties": False}
    return closed | ({"required": [*required]} if required else {})


def or_null(schema: Schema) -> Schema:
    """Return a schema that allows what *schema* allows, and null."""
    return schema | {"type": [schema["type"], "null"]}


def within(minimum: int, maximum: int) -> Schema:
    """Return the part of a schema that limits a number to *minimum* and *maximum*."""
    return {"minimum": minimum, "maximum": maximum}


def answer(description: str, *kinds: str, schema: Schema | None = None) -> Schema:
    """
    Return the description of an answer.

    *kinds* are the media types that its body may have; none: it has no body. *schema* describes
    the body; None: any text.
    """
    content = {kind: {"schema": schema or {"type": "string"}} for kind in kinds}
    return {"description": description} | ({"content": content} if content else {})


def because(*reasons: Reason) -> str:
    """Return the catalogue's texts for *reasons*, as one sentence for each reason."""
    return " ".join(f"{reason.brief[0].upper()}{reason.brief[1:]}." for reason in reasons)


def listing(key: str) -> Schema:
    """Return the schema of an answer's body that lists faults under *key*."""
    fault = object_of(
        {
            "field": {"type": "string", "description": "Path of the field; empty: the whole body."},
            "reason": {"type": "string", "enum": [str(reason) for reason in Reason]},
        },
        required=["field", "reason"],
    )
    faults = {"type": "array", "minItems": 1, "maxItems": MAX_LISTED, "items": fault}
    more = {"type": "integer", "minimum": 0, "description": "How many faults are not listed."}
    return object_of({key: faults, "more": more}, required=[key, "more"])


def refused(description: str) -> Schema:
    """Return the description of an answer that lists the faults of a push."""
    return answer(description, JSON, schema=listing("errors"))


def later(description: str) -> Schema:
    """Return the description of an answer that lists faults and has the header Retry-After."""
    seconds = {"type": "integer", "minimum": 1, "example": RETRY_AFTER_SECONDS}
    told = {"description": "Seconds to wait.", "required": True, "schema": seconds}
    again = "Try again after the seconds in Retry-After."
    return refused(f"{description} {again}") | {"headers": {"Retry-After": told}}


def header(name: str, description: str) -> Schema:
    """Return the description of the request header *name*, which a caller may omit."""
    return {"name": name, "in": "header", "description": description, "schema": {"type": "string"}}


def asked(name: str, description: str, example: str, schema: Schema) -> Schema:
    """Return the description of the query parameter *name*, which a caller may omit."""
    told = {"name": name, "in": "query", "description": description, "example": example}
    return told | {"required": False, "schema": {"type": "string"} | schema}


GZIP: Final = header("Accept-Encoding", "gzip, if the caller can read it.")
# For routes that only some callers may read (readers.py): the answers that refuse other callers,
# and the headers of proxies from which the service learns the caller's address.
SENT_AWAY: Final[Responses] = {
    401: answer("A token is needed.", TEXT),
    403: answer("Only private addresses may read this.", TEXT),
}
FORWARDED: Final = (
    header("X-Forwarded-For", "The caller's address, from a proxy."),
    header("Forwarded", "The caller's address, from a proxy, in the form of RFC 7239."),
)
