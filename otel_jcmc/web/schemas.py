"""
What the OpenAPI document is put together of: schemas of values, and answers.

Used by openapi.py and openapi_jmmc.py, when somebody asks for the document.

Source: OpenAPI 3.1, whose schemas are JSON Schema 2020-12 with ECMA-262's regular expressions.
"""

import sys
from collections.abc import Sequence
from typing import Any, Final

from otel_jcmc.catalogue.reasons import Reason
from otel_jcmc.catalogue.rows import Attribute, Kind
from otel_jcmc.web.answers import MAX_LISTED, RETRY_AFTER_SECONDS

Schema = dict[str, Any]

TEXT: Final = "text/plain"
JSON: Final = "application/json"
_HEX: Final = "[0-9a-fA-F]"
# What the text of a kind must be, beyond its length. No lone surrogates either: UTF-8 has none.
_PATTERNS: Final = {
    Kind.TEXT: r"^[^\u0000]*$",
    Kind.GUID: rf"^{_HEX}{{8}}(-{_HEX}{{4}}){{3}}-{_HEX}{{12}}$",
    Kind.SESSION: "^[A-Za-z0-9_-]{8,64}$",
}
_GUID_LENGTH: Final = 36


def text_of(row: Attribute, shortest: int = 0) -> Schema:
    """Return the schema of the text of an attribute."""
    longest = _GUID_LENGTH if row.kind is Kind.GUID else row.max_length
    return {
        "description": row.brief,
        "type": "string",
        "pattern": _PATTERNS[row.kind],
        **at_most("maxLength", longest),
        **({"minLength": shortest} if shortest else {}),
    }


def at_most(key: str, most: int) -> Schema:
    """Return a bound, nothing where any number may be."""
    return {} if most == sys.maxsize else {key: most}


def object_of(properties: dict[str, Any], required: Sequence[str] = ()) -> Schema:
    """Return the schema of an object with these *properties* and no others."""
    closed: Schema = {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }
    return closed | ({"required": [*required]} if required else {})


def or_null(schema: Schema) -> Schema:
    """Return *schema*, null allowed."""
    return schema | {"type": [schema["type"], "null"]}


def within(minimum: int, maximum: int) -> Schema:
    """Return the bounds of a number."""
    return {"minimum": minimum, "maximum": maximum}


def answer(description: str, *kinds: str) -> Schema:
    """Return an answer of text of these *kinds* of content; without any it has no body."""
    content = {kind: {"schema": {"type": "string"}} for kind in kinds}
    return {"description": description} | ({"content": content} if content else {})


def listing(key: str) -> Schema:
    """Return the schema of the faults that an answer lists under *key*."""
    fault = object_of(
        {
            "field": {"type": "string", "description": "Path of the field; empty: all of it."},
            "reason": {"type": "string", "enum": [str(reason) for reason in Reason]},
        },
        required=["field", "reason"],
    )
    faults = {"type": "array", "minItems": 1, "maxItems": MAX_LISTED, "items": fault}
    more = {"type": "integer", "minimum": 0, "description": "How many more there are."}
    return object_of({key: faults, "more": more}, required=[key, "more"])


def refused(description: str) -> Schema:
    """Return an answer that lists what is wrong."""
    return {"description": description, "content": {JSON: {"schema": listing("errors")}}}


def later(description: str) -> Schema:
    """Return an answer that lists what is wrong and says when to come back."""
    seconds = {"type": "integer", "minimum": 1, "example": RETRY_AFTER_SECONDS}
    header = {"description": "Seconds to wait.", "required": True, "schema": seconds}
    return refused(description) | {"headers": {"Retry-After": header}}


def header(name: str, description: str) -> Schema:
    """Return a header that a request may have."""
    return {"name": name, "in": "header", "description": description, "schema": {"type": "string"}}
