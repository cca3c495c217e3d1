"""
Sends one OTLP request to its receiver, and reads the outcome from the answer.

`Sender.send` takes a request of metrics, spans or log records, and returns a `Sent` with the
outcome. The SDK's own exporter supplies endpoint, headers, TLS and compression, from the standard
`OTEL_EXPORTER_OTLP_*` variables. A request is sent once; the caller decides whether to send it
again.

Source: OpenTelemetry protocol specification, responses and failures of OTLP/gRPC and OTLP/HTTP.
"""

from collections.abc import Iterable
from contextlib import suppress
from enum import Enum
from importlib import import_module
from typing import Any, Final, NamedTuple

from otel_jcmc.catalogue.reasons import ExporterCannotStart


class Outcome(Enum):
    """
    The outcome of a request.

    TAKEN: the receiver has accepted the request. AWAY: the receiver may accept the same request
    later. BAD: the receiver will never accept this request. REFUSED: the receiver did not accept
    the request, and its answer does not show whether it may accept it later.
    """

    TAKEN = 0
    AWAY = 1
    REFUSED = 2
    BAD = 3


class Sent(NamedTuple):
    """
    A receiver's answer to a request.

    Attributes:
        why: the reason, for the log. The receiver's own text is left out, because it may repeat
            pushed data.
        rejected: how many spans, records or points of an accepted request the receiver rejected.
        after_seconds: how long the receiver asks us to wait.
        is_too_large: whether the receiver may take the same items in smaller requests.
        is_passing: whether the receiver may take the same request within seconds.
    """

    answer: Outcome
    why: str = ""
    rejected: int = 0
    after_seconds: float = 0.0
    is_too_large: bool = False
    is_passing: bool = False


class Signal(Enum):
    """
    A kind of data: (the end of its URL path, the answer's field with the number of rejected items).

    Source: OpenTelemetry protocol specification, OTLP/HTTP request and partial success.
    """

    METRICS = ("metrics", "rejected_data_points")
    SPANS = ("traces", "rejected_spans")
    LOGS = ("logs", "rejected_log_records")


# The specification says: "All other 4xx or 5xx MUST NOT be retried". We also retry after statuses
# with another cause than the content, because an operator may correct the address or credentials.
_PASSING_STATUS: Final = {429, 502, 503, 504}
_AWAY_STATUS: Final = _PASSING_STATUS | {401, 403, 404, 405, 407, 408}
_BAD_STATUS: Final = {400, 413, 415, 422}
_TOO_LARGE: Final = 413
# If a request is larger than its max_request_body_size, a Collector answers 400 with this text of
# Go's net/http.
_TOO_LARGE_WORDS: Final = b"request body too large"
_PASSING_CODES: Final = {
    *("CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS"),
}
_AWAY_CODES: Final = _PASSING_CODES | {
    *("UNAUTHENTICATED", "PERMISSION_DENIED", "UNIMPLEMENTED", "NOT_FOUND"),
}
_BAD_CODES: Final = {"INVALID_ARGUMENT"}
# gRPC's own text for a failed connection begins so. It names the address, but no pushed data.
_OF_GRPC: Final = "failed to connect"
_UNKNOWN_SDK: Final = (
    "this version of opentelemetry-exporter-otlp is not known: install those of"
    " requirements/runtime.txt"
)


class Sender:
    """
    Sends the requests of one signal to its receiver.

    Attributes:
        exporter: the SDK's exporter, whose connection is used.

    Concurrency: one request at a time.
    """

    def __init__(
        self, signal: Signal, protocol: str, timeout_seconds: float, endpoint: str | None = None
    ) -> None:
        """
        Prepare to send by *protocol*, `grpc` or `http/protobuf`.

        A request may take *timeout_seconds*. The time-out in the environment is not used, because
        the SDK would read its number as seconds. *endpoint*, without the path of the signal, is
        used in place of the endpoint in the environment.

        Raises:
            ExporterCannotStart: a variable of the SDK's exporter has an unusable value, or this
            version of the SDK lacks the parts that are used.
        """
        path, self._rejected = signal.value
        self._timeout = timeout_seconds
        is_grpc = protocol == "grpc"
        self.exporter = _make_exporter(signal, path, timeout_seconds, endpoint, is_grpc=is_grpc)
        self._send = self._by_grpc if is_grpc else self._by_http
        self._response = _response_of(signal)

    def send(self, request: Any) -> Sent:
        """Send *request*, a protobuf message of the signal, once; return the outcome."""
        return self._send(request)

    def shut_down(self) -> None:
        """Close the connections."""
        self.exporter.shutdown()

    def _by_http(self, request: Any) -> Sent:
        """Send *request* by HTTP; a redirect is not followed and counts as not delivered."""
        client = self.exporter._client
        result = client._submit(client._compress(request.SerializeToString()), self._timeout)
        status = result.status_code
        if status is None:
            return Sent(Outcome.AWAY, type(result.error).__name__, is_passing=True)
        if 200 <= status < 300:
            return self._taken(self._read(result.content()))
        after = _seconds(result.headers().get("retry-after"))
        why = f"HTTP {status}"
        if status in _AWAY_STATUS or 300 <= status < 400:
            is_passing = status in _PASSING_STATUS
            return Sent(Outcome.AWAY, why, after_seconds=after, is_passing=is_passing)
        answer = Outcome.BAD if status in _BAD_STATUS else Outcome.REFUSED
        is_too_large = status == _TOO_LARGE or _TOO_LARGE_WORDS in result.content()
        return Sent(answer, why, is_too_large=is_too_large)

    def _by_grpc(self, request: Any) -> Sent:
        """Send *request* by gRPC."""
        import grpc  # type: ignore[import-untyped]  # it ships no hints

        exporter = self.exporter
        try:
            answer = exporter._client.Export(
                request=request, metadata=exporter._headers, timeout=self._timeout
            )
        except grpc.RpcError as error:
            return self._failed(error)
        return self._taken(answer)

    def _failed(self, error: Any) -> Sent:
        """Return the `Sent` that a gRPC *error* means."""
        code = error.code().name
        after = _retry_delay(error.trailing_metadata() or ())
        details = str(error.details() or "")
        why = f"{code}: {details}" if details.startswith(_OF_GRPC) else code
        # The specification says of RESOURCE_EXHAUSTED: "retryable only if the server can recover".
        # Such a server sends a time to retry after.
        if code in _AWAY_CODES or (code == "RESOURCE_EXHAUSTED" and after is not None):
            if code == "UNAVAILABLE":
                # Otherwise gRPC may wait up to two minutes before it tries the address again.
                self.exporter._channel.close()
                self.exporter._initialize_channel_and_stub()
            is_passing = code not in _AWAY_CODES - _PASSING_CODES
            return Sent(Outcome.AWAY, why, after_seconds=after or 0.0, is_passing=is_passing)
        # gRPC servers send this code if a message is larger than they accept.
        is_too_large = code == "RESOURCE_EXHAUSTED"
        answer = Outcome.BAD if code in _BAD_CODES else Outcome.REFUSED
        return Sent(answer, why, is_too_large=is_too_large)

    def _taken(self, answer: Any) -> Sent:
        """Return a `Sent` for the *answer* to a request that the receiver took."""
        return Sent(Outcome.TAKEN, rejected=getattr(answer.partial_success, self._rejected))

    def _read(self, content: bytes) -> Any:
        """Decode the answer in *content*; if it is JSON or text, return an empty answer."""
        from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # no hints

        answer = self._response()
        with suppress(DecodeError):
            answer.MergeFromString(content)
        return answer


def _make_exporter(
    signal: Signal, path: str, timeout_seconds: float, endpoint: str | None, *, is_grpc: bool
) -> Any:
    """
    Return the SDK's exporter of *signal*, whose connection and settings we use.

    It is imported here, because the import takes up to 0.6 s and not all processes need it.
    """
    url = endpoint if is_grpc or not endpoint else f"{endpoint.rstrip('/')}/v1/{path}"
    exporter: Any
    try:
        make = _exporter_of(signal, is_grpc=is_grpc)
        exporter = make(url, timeout=timeout_seconds)
    except Exception as error:  # the start reports every error
        raise ExporterCannotStart(f"OTEL_EXPORTER_OTLP_*: {error}") from error
    expect_known(exporter, is_grpc=is_grpc)
    return exporter


def expect_known(exporter: Any, *, is_grpc: bool) -> None:
    """
    Check that the SDK's *exporter* has the parts that a request needs.

    Raises:
        ExporterCannotStart: this version of the SDK lacks these parts.
    """
    if is_grpc:
        parts = ("_client", "_headers", "_channel", "_initialize_channel_and_stub")
        is_known = all(hasattr(exporter, part) for part in parts)
    else:
        client = getattr(exporter, "_client", None)
        is_known = all(hasattr(client, part) for part in ("_submit", "_compress"))
    if not is_known:
        raise ExporterCannotStart(_UNKNOWN_SDK)


# Signal -> module and class: first of the SDK's exporter, in a package for each protocol, then of
# the answer.
_EXPORTERS: Final = {
    Signal.METRICS: ("metric_exporter", "OTLPMetricExporter"),
    Signal.SPANS: ("trace_exporter", "OTLPSpanExporter"),
    Signal.LOGS: ("_log_exporter", "OTLPLogExporter"),
}
_RESPONSES: Final = {
    Signal.METRICS: ("metrics.v1.metrics_service_pb2", "ExportMetricsServiceResponse"),
    Signal.SPANS: ("trace.v1.trace_service_pb2", "ExportTraceServiceResponse"),
    Signal.LOGS: ("logs.v1.logs_service_pb2", "ExportLogsServiceResponse"),
}


def _exporter_of(signal: Signal, *, is_grpc: bool) -> Any:
    """Return the class of the SDK's exporter."""
    module, name = _EXPORTERS[signal]
    protocol = "grpc" if is_grpc else "http"
    return getattr(import_module(f"opentelemetry.exporter.otlp.proto.{protocol}.{module}"), name)


def _response_of(signal: Signal) -> Any:
    """Return the class of the message that a receiver answers with."""
    module, name = _RESPONSES[signal]
    return getattr(import_module(f"opentelemetry.proto.collector.{module}"), name)


def _seconds(retry_after: str | None) -> float:
    """Return the seconds of a Retry-After header; a date counts as 0."""
    return float(retry_after) if retry_after and retry_after.isdecimal() else 0.0


def _retry_delay(metadata: Iterable[tuple[str, Any]]) -> float | None:
    """Return the seconds that a gRPC server asks to wait, None if it does not ask."""
    from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]  # no hints
    from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # no hints

    for name, value in metadata:
        if name == "grpc-status-details-bin":
            for detail in Status.FromString(value).details:
                told = RetryInfo()
                if detail.Unpack(told):
                    return float(told.retry_delay.seconds + told.retry_delay.nanos / 1e9)
    return None
