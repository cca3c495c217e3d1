"""
Encodes collected gauges as the requests of an OTLP export, in protobuf's wire format.

The SDK's encoder encodes the attributes of each point at every export, which takes 12 to 15 µs for
a point. This file encodes the attributes of a label set only once while its participant is live. A
point then consists of three pieces of bytes. The SDK's encoder makes the resource and the scope.

Source: opentelemetry-proto, metrics.proto and common.proto (the field numbers below), and
protobuf's encoding guide. A test compares every message with that of the SDK's own encoder.
"""

import struct
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final

from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.sdk.metrics.export import MetricsData, ResourceMetrics, ScopeMetrics
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from otel_jcmc.catalogue.conventions import SCHEMA_URL
from otel_jcmc.metrics.observed import Column, Labels
from otel_jcmc.metrics.provider import Collected
from otel_jcmc.otlp.told import Told
from otel_jcmc.version import __version__

MAX_POINTS: Final = 8_000
# gRPC servers accept 4 MiB by default. This limit is lower, because it does not count resource,
# scope, and the names and descriptions of metrics.
MAX_BYTES: Final = 3_500_000
_SCOPE: Final = InstrumentationScope("otel_jcmc", __version__, SCHEMA_URL)

# A field's tag is its number times 8, plus 2 for "length and bytes", or plus 1 for "64 bits".
_SCOPE_METRICS_METRICS: Final = bytes([2 * 8 + 2])
_METRIC_NAME, _METRIC_DESCRIPTION, _METRIC_UNIT, _METRIC_GAUGE = (
    bytes([number * 8 + 2]) for number in (1, 2, 3, 5)
)
_GAUGE_POINTS: Final = bytes([1 * 8 + 2])
_POINT_TIME, _POINT_DOUBLE, _POINT_INT = (bytes([number * 8 + 1]) for number in (3, 4, 6))
_POINT_ATTRIBUTES: Final = bytes([7 * 8 + 2])
# A point that ends a series has no value. Its flags have the first bit set: "No recorded value".
_POINT_OVER: Final = bytes([8 * 8, 1])
_KEY, _VALUE, _STRING = (bytes([number * 8 + 2]) for number in (1, 2, 1))
# Time and value of a point: a tag and 64 bits each.
_FIXED_BYTES: Final = 18
_time = struct.Struct("<cQ").pack
_double = struct.Struct("<cd").pack
_int = struct.Struct("<cq").pack


def requests(
    gauges: Iterable[Collected],
    resource: Resource,
    time_unix_nano: int,
    told: Told | None = None,
) -> Iterator[ExportMetricsServiceRequest]:
    """
    Return requests with all points of *gauges*, each with MAX_POINTS and MAX_BYTES at most.

    With *told*, the requests also end series that are over; the caller has called `told.begin`.
    """
    scope = ScopeMetrics(_SCOPE, [], SCHEMA_URL)
    frame = encode_metrics(MetricsData([ResourceMetrics(resource, [scope], SCHEMA_URL)]))
    metrics: list[bytes] = []
    count = size = 0
    time = _time(_POINT_TIME, time_unix_nano)
    for head, series in _metrics(gauges, time, told or Told()):
        points: list[bytes] = []
        for point in series:
            if count and (count >= MAX_POINTS or size + len(point) > MAX_BYTES):
                yield _request(frame, [*metrics, _metric(head, points)])
                metrics, points, count, size = [], [], 0, 0
            points.append(point)
            count += 1
            size += len(point)
        metrics.append(_metric(head, points))
    if count:
        yield _request(frame, metrics)


def _metrics(
    gauges: Iterable[Collected], time: bytes, told: Told
) -> Iterator[tuple[bytes, Iterable[bytes]]]:
    """Return for each metric its head (name, description and unit), and its points."""
    for gauge in gauges:
        head = _head(gauge)
        now: set[bytes] = set()
        points = [_points(column, time, now) for column in gauge.columns]
        yield head, chain(*points, _over(told.tell(gauge.name, head, now), time))
    for head, series in told.rest():
        yield head, _over(series, time)


def _request(
    frame: ExportMetricsServiceRequest, metrics: list[bytes]
) -> ExportMetricsServiceRequest:
    """Return *frame* with *metrics* in it."""
    request = ExportMetricsServiceRequest()
    request.CopyFrom(frame)
    request.resource_metrics[0].scope_metrics[0].MergeFromString(b"".join(metrics))
    return request


def _head(gauge: Collected) -> bytes:
    """Return the encoded name, description and unit of *gauge*."""
    return (
        _field(_METRIC_NAME, gauge.name.encode())
        + _field(_METRIC_DESCRIPTION, gauge.description.encode())
        + _field(_METRIC_UNIT, gauge.unit.encode())
    )


def _metric(head: bytes, points: list[bytes]) -> bytes:
    """Return a metric with *points* as a field of ScopeMetrics; b"" if *points* is empty."""
    if not points:
        return b""
    return _field(_SCOPE_METRICS_METRICS, head + _field(_METRIC_GAUGE, b"".join(points)))


def _points(column: Column, time: bytes, series: set[bytes]) -> list[bytes]:
    """Return the encoded points of *column*; add the start of each point to *series*."""
    for labels in column.labels:
        if not labels.encoded:
            labels.encoded = _start_of_point(labels)
    starts = [labels.encoded for labels in column.labels]
    values = column.values
    if None in values:
        starts = [start for start, value in zip(starts, values, strict=True) if value is not None]
        values = [value for value in values if value is not None]
    series.update(starts)
    return [
        start
        + time
        + (_int(_POINT_INT, value) if type(value) is int else _double(_POINT_DOUBLE, value))
        for start, value in zip(starts, values, strict=True)
    ]


def _over(series: Iterable[bytes], time: bytes) -> Iterator[bytes]:
    """Return a point that ends each of *series*; a series is the result of `_start_of_point`."""
    for start in series:
        # After the tag comes the length. In each byte of it except the last, the highest bit is 1.
        at = 1
        while start[at] & 0x80:
            at += 1
        content = start[at + 1 :] + time + _POINT_OVER
        yield _GAUGE_POINTS + _varint(len(content)) + content


def _start_of_point(labels: Labels) -> bytes:
    """Return the first bytes of a point: its tag, its length, and its *labels* as attributes."""
    attributes = b"".join(
        _field(
            _POINT_ATTRIBUTES,
            _field(_KEY, name.encode()) + _field(_VALUE, _field(_STRING, text.encode())),
        )
        for name, text in zip(labels.names, labels.values, strict=True)
    )
    return _GAUGE_POINTS + _varint(len(attributes) + _FIXED_BYTES) + attributes


def _field(tag: bytes, content: bytes) -> bytes:
    """Return a field with its length and its content."""
    return tag + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    """Return *number* as a varint: seven bits at a time, the lowest first."""
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)
