"""
The SDK's OTLP exporters, as we use them.

`make_exporter` returns the SDK's own exporter, which reads endpoint, headers, TLS, time-out and
compression from the standard `OTEL_EXPORTER_OTLP_*` variables. Called by exporter.py in its own
process, and by app.py for our own metrics.

Source: OpenTelemetry protocol exporter specification, protocol/exporter.md.
"""

import logging
import re
import threading
from typing import Any, Final, cast

from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult

from otel_jcmc.faults import ExporterCannotStart

log = logging.getLogger(__name__)
# What a receiver answers may repeat what was sent, names of conferences and all. What gRPC says by
# itself, of a connection that fails, is kept.
_RECEIVERS_WORDS: Final = re.compile(
    r"(?<=\d), reason: .*|,? [Ee]rror details: (?!failed to connect).*", re.DOTALL
)
# Where the SDK's exporters log each try that fails.
_SDK_LOGGERS: Final = (
    "opentelemetry.exporter.otlp.proto.grpc.exporter",
    "opentelemetry.exporter.otlp.proto.http.metric_exporter",
)


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


def take_requests(exporter: Any) -> MetricExporter:
    """
    Make the SDK's *exporter* send the requests of otlp_points.py as they are, and encode nothing.

    Endpoint, headers, TLS, compression, time-out and retries stay its own.

    Raises:
        ExporterCannotStart: this version of the SDK has no place to do that.
    """
    if hasattr(exporter, "_translate_data") and hasattr(exporter, "_count_data"):  # gRPC
        exporter._translate_data = lambda request: request
        exporter._count_data = count_points
    elif hasattr(exporter, "_export_batch"):  # HTTP
        exporter.export = lambda request, *_times, **_options: exporter._export_batch(request)
    else:
        raise ExporterCannotStart(
            "this version of opentelemetry-exporter-otlp is not known: install those of"
            " requirements/runtime.txt"
        )
    return cast("MetricExporter", exporter)


def count_points(request: Any) -> int:
    """Return how many points *request* has."""
    return sum(
        len(metric.gauge.data_points)
        for resource in request.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    )


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
        self._why = self._why or _RECEIVERS_WORDS.sub("", record.getMessage())
        return False

    def export(
        self, metrics_data: Any, timeout_millis: float = 10_000, **kwargs: Any
    ) -> MetricExportResult:
        """Export what the SDK's exporter takes, and say so when it begins or ceases to work."""
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
