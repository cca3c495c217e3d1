"""
Makes the JSON Schema of a push without faults, from the types with which by_type.py checks pushes.

If a push fits the schema, all its fields are stored. If the push does not fit, the answer names its
faults. The schema is made when a client asks for the OpenAPI document.

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

# Keys that are removed from msgspec's schemas: names and defaults of types do not help a reader.
_OURS: Final = frozenset(("$ref", "title", "default"))
# A key with one of these values is removed: a bound without effect, or no required fields.
_NOTHING: Final[tuple[Any, ...]] = (sys.maxsize, [])
# A push must contain a session, or at least one metric. No type can express that.
_KEPT: Final = [
    {"required": ["session"], "properties": {"session": {"type": "object"}}},
    {"required": ["metrics"], "properties": {"metrics": {"type": "object", "minProperties": 1}}},
]


def push_schema(rules: Rules) -> Schema:
    """Return the JSON Schema of a push without faults under *rules*."""
    (push,), parts = msgspec.json.schema_components([push_type(rules)])
    told = "One participant's state; it replaces the state before it completely."
    return {"title": "Push", "description": told, **_plain(push, parts), "anyOf": _KEPT}


def text_schema(row: Attribute, shortest: int = 0) -> Schema:
    """Return the JSON Schema of the text of attribute *row*, of *shortest* characters or more."""
    return _plain(msgspec.json.schema(text_type(row, shortest)), {})


def _plain(schema: Schema, parts: dict[str, Schema]) -> Schema:
    """Return *schema* without useless keys; replace each reference by the schema in *parts*."""
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
    """Return one schema for a value that fits any of *kinds*, such as a number or null."""
    told: Schema = {}
    for each in kinds:
        told |= each
    if "enum" in told:
        del told["type"]  # the type of null
        return told | {"enum": [*told["enum"], None]}
    types = [each["type"] for each in kinds]
    if "number" in types and "integer" in types:
        types.remove("integer")
    return told | {"type": types if len(types) > 1 else types[0]}
