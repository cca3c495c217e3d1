"""
The JSON Schema of a push in which all is well, out of the types that check it.

A push that fits is stored whole; of any other something is wrong, and the answer names it. Called
when somebody asks for the OpenAPI document.

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

# What a reader of the schema has no use for: names and defaults of our types.
_OURS: Final = frozenset(("$ref", "title", "default"))
# A bound that is none, and a list of required fields without any.
_NOTHING: Final[tuple[Any, ...]] = (sys.maxsize, [])
# Something to keep: a session, or at least one metric. No type tells that.
_KEPT: Final = [
    {"required": ["session"], "properties": {"session": {"type": "object"}}},
    {"required": ["metrics"], "properties": {"metrics": {"type": "object", "minProperties": 1}}},
]


def push_schema(rules: Rules) -> Schema:
    """Return the schema of a push in which all is well by *rules*."""
    (push,), parts = msgspec.json.schema_components([push_type(rules)])
    told = "One participant's state; it replaces the one before whole."
    return {"title": "Push", "description": told, **_plain(push, parts), "anyOf": _KEPT}


def text_schema(row: Attribute, shortest: int = 0) -> Schema:
    """Return the schema of the text of an attribute."""
    return _plain(msgspec.json.schema(text_type(row, shortest)), {})


def _plain(schema: Schema, parts: dict[str, Schema]) -> Schema:
    """Return *schema* as people read it, with those of *parts* in it that it refers to."""
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
    """Return one schema of *kinds*, no two of which say different things of one type."""
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
