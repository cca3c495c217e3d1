"""
The SDK's OTLP exporters, as we use them.

`make_exporter` returns the SDK's own exporter, which reads endpoint, headers, TLS, time-out and
compression from the standard `OTEL_EXPORTER_OTLP_*` variables. Called by exporter.py in its own
process, and by service.py for our own metrics.

Source: OpenTelemetry protocol exporter specification, protocol/exporter.md.
"""

import logging
import re
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from time import monotonic
from typing import Any, Final, cast

from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult

from otel_jcmc.catalogue.reasons import ExporterCannotStart

log = logging.getLogger(__name__)

OK: Final = "ok"
PARTIAL: Final = "partial"
FAILED: Final = "failed"
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
    except Exception as error:  # that it was is known all the same
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


def tell_answers(exporter: Any, told: Callable[[int], None]) -> None:
    """
    Have *told* hear how many points of a request were rejected that is answered as taken.

    The SDK's *exporter* throws the answers away. In a version with another inside nothing is heard,
    and a request that is taken in part counts as taken.
    """

    def tell(answer: Any) -> None:
        # Without rejected points its words are advice; and they may quote what was sent.
        told(answer.partial_success.rejected_data_points)

    if hasattr(exporter, "_stub") and hasattr(exporter, "_channel"):  # gRPC
        make_stub = exporter._stub

        def make(channel: Any) -> Any:
            stub = make_stub(channel)
            export = stub.Export

            def export_and_tell(*args: Any, **options: Any) -> Any:
                answer = export(*args, **options)
                tell(answer)
                return answer

            stub.Export = export_and_tell
            return stub

        # It makes another one when the receiver was away.
        exporter._stub = make
        exporter._client = make(exporter._channel)
    elif transport := getattr(getattr(exporter, "_client", None), "_transport", None):  # HTTP
        from google.protobuf.message import (  # type: ignore[import-untyped]  # it ships no hints
            DecodeError,
        )
        from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
            ExportMetricsServiceResponse,
        )

        request = transport.request

        def request_and_tell(*args: Any, **options: Any) -> Any:
            result = request(*args, **options)
            if result.status_code == 200:
                # Some receivers answer with JSON, or with a text.
                with suppress(DecodeError):
                    tell(ExportMetricsServiceResponse.FromString(result.content()))
            return result

        transport.request = request_and_tell


class WatchedExporter(MetricExporter):
    """
    The SDK's exporter, which logs what a receiver does not take once instead of at every try.

    Concurrency: one export at a time.
    """

    def __init__(self, exporter: MetricExporter, what: str) -> None:
        """Watch *exporter*; *what* it exports stands in the log."""
        super().__init__(exporter._preferred_temporality, exporter._preferred_aggregation)
        self._exporter = exporter
        self._what = what
        self._outcome = ""
        self._thread, self._why = 0, ""
        self._rejected = 0
        tell_answers(exporter, self._note_rejected)
        for name in _SDK_LOGGERS:
            logging.getLogger(name).addFilter(self._is_not_of_ours)

    def _is_not_of_ours(self, record: logging.LogRecord) -> bool:
        """Keep the first that the SDK says of an export of ours, and let others have theirs."""
        if threading.get_ident() != self._thread:
            return True
        self._why = self._why or _RECEIVERS_WORDS.sub("", record.getMessage())
        return False

    def _note_rejected(self, points: int) -> None:
        """Add up what is not taken."""
        self._rejected += points

    def export(
        self, metrics_data: Any, timeout_millis: float = 10_000, **kwargs: Any
    ) -> MetricExportResult:
        """Export what the SDK's exporter takes, and say so when it begins or ceases to work."""
        self._begin()
        result = self._send(metrics_data, timeout_millis, **kwargs)
        self._note(result is MetricExportResult.SUCCESS)
        return result

    def export_all(self, requests: Iterable[Any], deadline: float) -> str:
        """
        Export all *requests* of one collection until one fails or it is *deadline*.

        Returns OK, PARTIAL when all were taken but not all points of them, or FAILED.
        """
        self._begin()
        is_taken = None
        for request in requests:
            if monotonic() > deadline:
                self._why = "it is too slow for OTEL_METRIC_EXPORT_TIMEOUT"
                is_taken = False
            else:
                is_taken = self._send(request) is MetricExportResult.SUCCESS
            if not is_taken:
                break
        # Nobody was live, and the receiver not asked.
        return OK if is_taken is None else self._note(is_taken)

    def _begin(self) -> None:
        """Forget what was said of the export before."""
        self._why, self._rejected = "", 0

    def _send(self, *args: Any, **kwargs: Any) -> MetricExportResult:
        """Have the SDK's exporter export, and keep what it says from the log."""
        self._thread = threading.get_ident()
        try:
            return self._exporter.export(*args, **kwargs)
        finally:
            self._thread = 0

    def _note(self, is_taken: bool) -> str:  # noqa: FBT001  # read by name at each call
        """Return the outcome; say so if it is another than before."""
        outcome = (PARTIAL if self._rejected else OK) if is_taken else FAILED
        if outcome != self._outcome:
            if outcome == OK:
                log.info("otlp: the receiver takes %s", self._what)
            elif outcome == FAILED:
                log.warning("otlp: the receiver does not take %s: %s", self._what, self._why)
            else:
                told = "otlp: the receiver rejects %d points of %s; its own log says why"
                log.warning(told, self._rejected, self._what)
        self._outcome = outcome
        return outcome

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Delegate."""
        return self._exporter.force_flush(timeout_millis)

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        """Delegate."""
        self._exporter.shutdown(timeout_millis, **kwargs)
