"""The requests that an OTLP receiver accepted (otlp_sink.py): points, spans and events."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span

_NO_RECORDED_VALUE = 1


class Point(NamedTuple):
    """One point: the metric's name, its attributes, its value (of a histogram: the count)."""

    name: str
    attributes: dict[str, Any]
    value: float


@dataclass(frozen=True)
class Request:
    """
    One accepted request.

    Attributes:
        transport: `grpc` or `http`.
        size: bytes of the message, unpacked.
        headers: HTTP headers or gRPC metadata, names in lower case.
        at: time.monotonic() of its arrival.
    """

    transport: str
    message: ExportMetricsServiceRequest
    size: int
    headers: Mapping[str, str]
    at: float = field(default_factory=time.monotonic)

    def metrics(self) -> list[Metric]:
        """Return its metrics in order."""
        return [
            metric
            for resource in self.message.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        ]

    @cached_property
    def _points(self) -> list[Point]:
        return [
            Point(metric.name, _attributes(point.attributes), _value(point))
            for metric in self.metrics()
            for point in getattr(metric, metric.WhichOneof("data") or "gauge").data_points
            if not point.flags & _NO_RECORDED_VALUE
        ]

    def over(self, prefix: str = "") -> list[tuple[str, dict[str, Any]]]:
        """Return name and attributes of each series that it ends (no recorded value), in order."""
        return [
            (metric.name, _attributes(point.attributes))
            for metric in self.metrics()
            if metric.name.startswith(prefix)
            for point in getattr(metric, metric.WhichOneof("data") or "gauge").data_points
            if point.flags & _NO_RECORDED_VALUE
        ]

    @cached_property
    def _names(self) -> frozenset[str]:
        return frozenset(point.name for point in self._points)

    def has(self, prefix: str) -> bool:
        """Say whether it has a point of a metric whose name starts with *prefix*."""
        return any(name.startswith(prefix) for name in self._names)

    def points(self, prefix: str = "") -> list[Point]:
        """Return the points with a value, of the metrics whose names start with *prefix*."""
        return [point for point in self._points if point.name.startswith(prefix)]

    def resource(self) -> dict[str, Any]:
        """Return the attributes of its only resource."""
        (found,) = self.message.resource_metrics
        return _attributes(found.resource.attributes)


class SinkSpan(NamedTuple):
    """One span as received: ids in hex, times in ms, events and links with their attributes."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    start_ms: int
    end_ms: int
    attributes: dict[str, Any]
    events: list[tuple[int, str, dict[str, Any]]]
    links: list[tuple[str, str, dict[str, Any]]]
    message: Span

    @classmethod
    def of(cls, span: Span) -> "SinkSpan":
        """Return *span* as a SinkSpan."""
        return cls(
            span.name,
            span.trace_id.hex(),
            span.span_id.hex(),
            span.parent_span_id.hex(),
            span.start_time_unix_nano // 1_000_000,
            span.end_time_unix_nano // 1_000_000,
            _attributes(span.attributes),
            [
                (each.time_unix_nano // 1_000_000, each.name, _attributes(each.attributes))
                for each in span.events
            ],
            [
                (each.trace_id.hex(), each.span_id.hex(), _attributes(each.attributes))
                for each in span.links
            ],
            span,
        )


@dataclass(frozen=True)
class TraceRequest:
    """One accepted request with spans; as `Request`."""

    transport: str
    message: ExportTraceServiceRequest
    size: int
    headers: Mapping[str, str]

    def spans(self) -> list[SinkSpan]:
        """Return its spans in order."""
        return [
            SinkSpan.of(span)
            for resource in self.message.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def resource(self) -> dict[str, Any]:
        """Return the attributes of its resource; a Collector in between may send it twice."""
        first, *others = (
            _attributes(each.resource.attributes) for each in self.message.resource_spans
        )
        assert all(other == first for other in others)
        return first


class SinkEvent(NamedTuple):
    """One log record as received: ids in hex or empty, times in ms."""

    name: str
    at_ms: int
    observed_ms: int
    severity: str
    trace_id: str
    span_id: str
    attributes: dict[str, Any]
    message: LogRecord

    @classmethod
    def of(cls, record: LogRecord) -> "SinkEvent":
        """Return *record* as a SinkEvent."""
        return cls(
            record.event_name,
            record.time_unix_nano // 1_000_000,
            record.observed_time_unix_nano // 1_000_000,
            record.severity_text,
            record.trace_id.hex(),
            record.span_id.hex(),
            _attributes(record.attributes),
            record,
        )

    @property
    def uid(self) -> str:
        """Its unique id."""
        return str(self.attributes["log.record.uid"])


@dataclass(frozen=True)
class LogRequest:
    """One accepted request with log records; as `Request`."""

    transport: str
    message: ExportLogsServiceRequest
    size: int
    headers: Mapping[str, str]

    def events(self) -> list[SinkEvent]:
        """Return its records in order."""
        return [
            SinkEvent.of(record)
            for resource in self.message.resource_logs
            for scope in resource.scope_logs
            for record in scope.log_records
        ]

    def resources(self) -> list[dict[str, Any]]:
        """Return the attributes of each of its resources."""
        return [_attributes(each.resource.attributes) for each in self.message.resource_logs]


def _attributes(pairs: Any) -> dict[str, Any]:
    """Return the attributes in *pairs*."""
    return {pair.key: _plain(pair.value) for pair in pairs}


def _plain(value: AnyValue) -> Any:
    """Return *value* as a Python object."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_plain(each) for each in value.array_value.values]
    return getattr(value, kind) if kind else None


def _value(point: Any) -> float:
    """Return the value of a number's *point*, or the count of a histogram's."""
    if not hasattr(point, "as_double"):
        return float(point.count)
    return float(point.as_int if point.WhichOneof("value") == "as_int" else point.as_double)
