"""
The JSON Schema of a push without faults, made from the types that check it.

A push that fits is stored whole. A push that does not fit has faults, and the answer names them. It
is made when a client asks for the OpenAPI document.

Source: JSON Schema 2020-12 with ECMA-262's regular expressions, as OpenAPI 3.1 has it.
"""

import sys
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from otel_jcmc.catalogue.rows import Attribute
from otel_jcmc.wire.by_type import push_type, text_type
from otel_jcmc.wire.rules import Rules

Schema = dict[str, Any]

# Names and defaults of our types, which tell a reader nothing.
_OURS: Final = frozenset(("$ref", "title", "default"))
# A bound without effect, and an empty list of required fields.
_NOTHING: Final[tuple[Any, ...]] = (sys.maxsize, [])
# A push must contain a session, or at least one metric. No type can express that.
_KEPT: Final = [
    {"required": ["session"], "properties": {"session": {"type": "object"}}},
    {"required": ["metrics"], "properties": {"metrics": {"type": "object", "minProperties": 1}}},
]


def push_schema(rules: Rules) -> Schema:
    """Return the schema of a push without faults under *rules*."""
    (push,), parts = msgspec.json.schema_components([push_type(rules)])
    told = "One participant's state; it replaces the state before it completely."
    return {"title": "Push", "description": told, **_plain(push, parts), "anyOf": _KEPT}


def text_schema(row: Attribute, shortest: int = 0) -> Schema:
    """Return the schema of the text of an attribute."""
    return _plain(msgspec.json.schema(text_type(row, shortest)), {})


def _plain(schema: Schema, parts: dict[str, Schema]) -> Schema:
    """Return *schema* for readers, with the *parts* that it refers to in place."""
    if "$ref" in schema:
        schema = parts[schema["$ref"].removeprefix("#/$defs/")] | schema
    told = {
        key: value for key, value in schema.items() if key not in _OURS and value not in _NOTHING
    }
    if "properties" in told:
        fields = told["properties"].items()
        told["properties"] = {key: _plain(field, parts) for key, field in fields}
    if "items" in told:
        told["items"] = _plain(told["items"], parts)
    if "anyOf" in told and "type" not in told:
        told = _folded([_plain(each, parts) for each in told.pop("anyOf")]) | told
    return told


def _folded(kinds: Sequence[Schema]) -> Schema:
    """Return one schema for *kinds*, no two of which contradict each other about a type."""
    told: Schema = {}
    for each in kinds:
        told |= each
    if "enum" in told:
        del told["type"]  # that of null
        return told | {"enum": [*told["enum"], None]}
    types = [each["type"] for each in kinds]
    if "number" in types and "integer" in types:
        types.remove("integer")
    return told | {"type": types if len(types) > 1 else types[0]}
