"""
Spans to an OTLP receiver, and what its answer means.

Endpoint, headers, TLS and compression are the SDK's span exporter's, which reads them from the
standard variables; it says of a request only whether it was taken, so that requests are sent here,
once each: what comes next depends on the answer. Called by traces.py.

Source: OpenTelemetry protocol specification, responses and failures of OTLP/gRPC and OTLP/HTTP.
"""

from collections.abc import Iterable
from contextlib import suppress
from enum import Enum
from typing import Any, Final, NamedTuple

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # no hints
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]  # no hints
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # no hints
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext

from otel_jcmc.catalogue.reasons import ExporterCannotStart
from otel_jcmc.version import __version__

_SCOPE: Final = InstrumentationScope("otel_jcmc", __version__)


class Outcome(Enum):
    """
    What became of a request.

    TAKEN: the receiver has it. AWAY: it may take the same later. BAD: it will never take this.
    REFUSED: it did not, and its answer does not tell whether that is for good.
    """

    TAKEN = 0
    AWAY = 1
    REFUSED = 2
    BAD = 3


class Sent(NamedTuple):
    """
    What a receiver said to a request.

    Attributes:
        rejected: spans that it did not take of what it took.
        why: for the log, without the receiver's words, which may repeat what was sent.
        after_seconds: how long it asks to be left alone.
    """

    answer: Outcome
    why: str = ""
    rejected: int = 0
    after_seconds: float = 0.0


# "All other 4xx or 5xx MUST NOT be retried", but for those that say nothing of what was sent:
# who may send and where to is settings', of ours or of a proxy in between, and they get mended.
_AWAY_STATUS: Final = {429, 502, 503, 504} | {401, 403, 404, 405, 407, 408}
_BAD_STATUS: Final = {400, 413, 415, 422}
_AWAY_CODES: Final = {
    *("CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS"),
    *("UNAUTHENTICATED", "PERMISSION_DENIED", "UNIMPLEMENTED", "NOT_FOUND"),
}
_BAD_CODES: Final = {"INVALID_ARGUMENT"}


class SpanSender:
    """
    The way to one receiver.

    Concurrency: one request at a time.
    """

    def __init__(
        self, protocol: str, timeout_seconds: float, resource: Resource, endpoint: str | None = None
    ) -> None:
        """
        Prepare the way; *endpoint* wins over the environment's.

        Raises:
            ExporterCannotStart: a variable that the SDK's exporter reads holds what it can't take.
        """
        self._timeout = timeout_seconds
        self._exporter = _make_exporter(protocol, timeout_seconds, endpoint)
        self._send = self._by_grpc if protocol == "grpc" else self._by_http
        # The SDK's own encoder for what stands around the spans, which are bytes already.
        nothing = SpanContext(1, 1, is_remote=False)
        frame = encode_spans(
            [ReadableSpan("", nothing, resource=resource, instrumentation_scope=_SCOPE)]
        )
        del frame.resource_spans[0].scope_spans[0].spans[:]
        self._frame = frame

    def send(self, spans: Iterable[bytes]) -> Sent:
        """Send *spans* in one request, once, and return what became of them."""
        request = ExportTraceServiceRequest()
        request.CopyFrom(self._frame)
        try:
            made = [Span.FromString(span) for span in spans]
        except DecodeError:
            # Another program under the same prefix: no receiver would take it.
            return Sent(Outcome.BAD, "it is no span")
        request.resource_spans[0].scope_spans[0].spans.extend(made)
        return self._send(request)

    def _by_http(self, request: ExportTraceServiceRequest) -> Sent:
        """Send *request* by HTTP."""
        client = self._exporter._client
        result = client._submit(client._compress(request.SerializeToString()), self._timeout)
        status = result.status_code
        if status is None:
            return Sent(Outcome.AWAY, type(result.error).__name__)
        if 200 <= status < 300:
            return _taken(_read(result.content()))
        after = _seconds(result.headers().get("retry-after"))
        if status in _AWAY_STATUS or 300 <= status < 400:
            return Sent(Outcome.AWAY, f"HTTP {status}", after_seconds=after)
        return Sent(Outcome.BAD if status in _BAD_STATUS else Outcome.REFUSED, f"HTTP {status}")

    def _by_grpc(self, request: ExportTraceServiceRequest) -> Sent:
        """Send *request* by gRPC."""
        import grpc  # type: ignore[import-untyped]  # it ships no hints

        exporter = self._exporter
        try:
            answer = exporter._client.Export(
                request=request, metadata=exporter._headers, timeout=self._timeout
            )
        except grpc.RpcError as error:
            return self._note_error(error)
        return _taken(answer)

    def _note_error(self, error: Any) -> Sent:
        """Return what a gRPC *error* means."""
        code = error.code().name
        after = _retry_delay(error.trailing_metadata() or ())
        # "Retryable only if the server can recover", which it says by saying when.
        if code in _AWAY_CODES or (code == "RESOURCE_EXHAUSTED" and after is not None):
            if code == "UNAVAILABLE":
                # Or gRPC would take up to two minutes to try the address again.
                self._exporter._channel.close()
                self._exporter._initialize_channel_and_stub()
            return Sent(Outcome.AWAY, code, after_seconds=after or 0.0)
        return Sent(Outcome.BAD if code in _BAD_CODES else Outcome.REFUSED, code)


def _make_exporter(protocol: str, timeout_seconds: float, endpoint: str | None) -> Any:
    """Return the SDK's exporter, whose parts we use."""
    exporter: Any
    try:
        if protocol == "grpc":
            from opentelemetry.exporter.otlp.proto.grpc import trace_exporter as grpc

            exporter = grpc.OTLPSpanExporter(endpoint, timeout=timeout_seconds)
            parts = ("_client", "_headers", "_channel", "_initialize_channel_and_stub")
            is_known = all(hasattr(exporter, part) for part in parts)
        else:
            from opentelemetry.exporter.otlp.proto.http import trace_exporter as http

            url = f"{endpoint.rstrip('/')}/v1/traces" if endpoint else None
            exporter = http.OTLPSpanExporter(url, timeout=timeout_seconds)
            client = getattr(exporter, "_client", None)
            is_known = all(hasattr(client, part) for part in ("_submit", "_compress"))
    except Exception as error:  # that it was is known all the same
        raise ExporterCannotStart(f"OTEL_EXPORTER_OTLP_*: {error}") from error
    if not is_known:
        raise ExporterCannotStart(
            "this version of opentelemetry-exporter-otlp is not known: install those of"
            " requirements/runtime.txt"
        )
    return exporter


def _taken(answer: Any) -> Sent:
    """Return what the *answer* to a request that was taken says."""
    return Sent(Outcome.TAKEN, rejected=answer.partial_success.rejected_spans)


def _read(content: bytes) -> ExportTraceServiceResponse:
    """Return the answer in *content*; some receivers answer with JSON, or with a text."""
    answer = ExportTraceServiceResponse()
    with suppress(DecodeError):
        answer.MergeFromString(content)
    return answer


def _seconds(retry_after: str | None) -> float:
    """Return the seconds of a Retry-After header; a date counts as nothing."""
    return float(retry_after) if retry_after and retry_after.isdecimal() else 0.0


def _retry_delay(metadata: Iterable[tuple[str, Any]]) -> float | None:
    """Return the seconds that a gRPC server asks for, None where it does not ask."""
    for name, value in metadata:
        if name == "grpc-status-details-bin":
            for detail in Status.FromString(value).details:
                told = RetryInfo()
                if detail.Unpack(told):
                    return float(told.retry_delay.seconds + told.retry_delay.nanos / 1e9)
    return None
