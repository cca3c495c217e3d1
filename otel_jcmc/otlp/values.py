"""
Converts attributes of spans and log records to the form of OTLP.

Source: opentelemetry-proto, common.proto.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue


def key_values(told: Mapping[str, Any]) -> Iterator[KeyValue]:
    """Return the attributes in *told* in the form of OTLP; leave out those that are None."""
    for key, value in told.items():
        if value is not None:
            yield KeyValue(key=key, value=_any_value(value))


def _any_value(value: Any) -> AnyValue:
    """Return *value* in the form of OTLP."""
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, list):
        return AnyValue(array_value=ArrayValue(values=map(_any_value, value)))
    return AnyValue(string_value=value)
