"""
Collected gauges -> the SDK's OTLP exporters.

`batches` turns one collection into the SDK's data model, in pieces that any receiver takes: gRPC
servers refuse messages over 4 MiB. `make_exporter` returns the SDK's own exporter, which reads
endpoint, headers, TLS, time-out and compression from the standard `OTEL_EXPORTER_OTLP_*`
variables. Called by exporter.py in its own process, and by app.py for our own metrics.

Source: OpenTelemetry protocol exporter specification, protocol/exporter.md.
"""

import logging
import threading
from collections.abc import Iterable, Iterator
from typing import Any, Final

from opentelemetry.sdk.metrics.export import (
    Gauge,
    Metric,
    MetricExporter,
    MetricExportResult,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from otel_jcmc import __version__
from otel_jcmc.faults import ExporterCannotStart
from otel_jcmc.provider import Collected

log = logging.getLogger(__name__)
# Where the SDK's exporters log each try that fails.
_SDK_LOGGERS: Final = (
    "opentelemetry.exporter.otlp.proto.grpc.exporter",
    "opentelemetry.exporter.otlp.proto.http.metric_exporter",
)

MAX_POINTS: Final = 8_000
# Of the 4 MiB that gRPC servers take by default, with room for what the estimate leaves out.
MAX_BYTES: Final = 3_000_000
# Time, value, and the tags and lengths of a point and of each of its attributes.
_POINT_BYTES: Final = 32
_ATTRIBUTE_BYTES: Final = 12
_SCOPE: Final = InstrumentationScope("otel_jcmc", __version__)


def batches(
    gauges: Iterable[Collected], resource: Resource, time_unix_nano: int
) -> Iterator[MetricsData]:
    """Return the points of *gauges*, in messages of at most MAX_POINTS and about MAX_BYTES."""
    metrics: list[Metric] = []
    points = size = 0
    # Label sets are shared by a participant's series: measure each once.
    sizes: dict[int, int] = {}
    for gauge in gauges:
        pending: list[NumberDataPoint] = []
        for observation in gauge.observations:
            labels: Any = observation.attributes
            grown = sizes.get(id(labels))
            if grown is None:
                grown = sizes[id(labels)] = _size(labels)
            if points and (points >= MAX_POINTS or size + grown > MAX_BYTES):
                _add(metrics, gauge, pending)
                yield _message(metrics, resource)
                metrics, pending, points, size = [], [], 0, 0
            pending.append(NumberDataPoint(labels, 0, time_unix_nano, observation.value))
            points += 1
            size += grown
        _add(metrics, gauge, pending)
    if metrics:
        yield _message(metrics, resource)


def make_exporter(
    protocol: str, timeout_seconds: float, endpoint: str | None = None
) -> MetricExporter:
    """
    Return the SDK's exporter for *protocol*, `grpc` or `http/protobuf`.

    One request may take *timeout_seconds*, its retries included. That and an *endpoint* that is
    given win over the environment, whose time-out the SDK would take for seconds.
    It is imported here, because the import takes up to 0.6 s that nobody should pay unasked.

    Raises:
        ExporterCannotStart: a variable that the exporter reads holds what it can't take.
    """
    try:
        if protocol == "grpc":
            from opentelemetry.exporter.otlp.proto.grpc import metric_exporter as grpc

            return grpc.OTLPMetricExporter(endpoint, timeout=timeout_seconds)
        from opentelemetry.exporter.otlp.proto.http import metric_exporter as http

        url = f"{endpoint.rstrip('/')}/v1/metrics" if endpoint else None
        return http.OTLPMetricExporter(url, timeout=timeout_seconds)
    except Exception as error:  # the SDK's own kinds, and ValueError
        raise ExporterCannotStart(f"OTEL_EXPORTER_OTLP_*: {error}") from error


class WatchedExporter(MetricExporter):
    """The SDK's exporter, which logs a receiver's absence once instead of at every try."""

    def __init__(self, exporter: MetricExporter, what: str) -> None:
        """Watch *exporter*; *what* it exports stands in the log."""
        super().__init__(exporter._preferred_temporality, exporter._preferred_aggregation)
        self._exporter = exporter
        self._what = what
        self._works: bool | None = None
        self._thread, self._why = 0, ""
        for name in _SDK_LOGGERS:
            logging.getLogger(name).addFilter(self._is_not_of_ours)

    def _is_not_of_ours(self, record: logging.LogRecord) -> bool:
        """Keep the first that the SDK says of an export of ours, and let others have theirs."""
        if threading.get_ident() != self._thread:
            return True
        self._why = self._why or record.getMessage()
        return False

    def export(
        self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any
    ) -> MetricExportResult:
        """Export, and say so when it begins or ceases to work."""
        self._thread, self._why = threading.get_ident(), ""
        try:
            result = self._exporter.export(metrics_data, timeout_millis, **kwargs)
        finally:
            self._thread = 0
        works = result is MetricExportResult.SUCCESS
        if works != self._works:
            if works:
                log.info("otlp: the receiver takes %s", self._what)
            else:
                log.warning("otlp: the receiver does not take %s: %s", self._what, self._why)
        self._works = works
        return result

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Delegate."""
        return self._exporter.force_flush(timeout_millis)

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        """Delegate."""
        self._exporter.shutdown(timeout_millis, **kwargs)


def _size(labels: dict[str, str]) -> int:
    """Return about how many bytes a point with *labels* takes, rather too many."""
    texts = sum(
        len(name) + (len(text) if text.isascii() else 4 * len(text))
        for name, text in labels.items()
    )
    return _POINT_BYTES + len(labels) * _ATTRIBUTE_BYTES + texts


def _add(metrics: list[Metric], gauge: Collected, points: list[NumberDataPoint]) -> None:
    """Add the *points* of *gauge* to *metrics*, if there are any."""
    if points:
        metrics.append(Metric(gauge.name, gauge.description, gauge.unit, Gauge(points)))


def _message(metrics: list[Metric], resource: Resource) -> MetricsData:
    """Return the message that holds *metrics*."""
    return MetricsData([ResourceMetrics(resource, [ScopeMetrics(_SCOPE, metrics, "")], "")])
