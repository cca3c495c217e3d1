"""
An OTLP receiver in the test's own process: gRPC and HTTP/protobuf on free ports of loopback.

It has a service for metrics, one for spans and one for log records.

    with OtlpSink() as sink:
        ... push to sink.grpc_endpoint or sink.http_endpoint ...
        assert ("otel_jcmc.store_up", {}, 1) in sink.points()

It keeps each request that it accepts. With `refuse` it answers UNAVAILABLE or 503, or what
`refuse_with` says. `partial` makes it reject points of the requests that it accepts, `delay` makes
it slow. `stop` and `start` make it go away and come back on the same ports. Its gRPC side accepts
messages of at most 4 MiB, as gRPC servers do by default.
"""

import gzip
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import grpc  # type: ignore[import-untyped]  # it ships no hints
from google.protobuf.duration_pb2 import Duration  # type: ignore[import-untyped]  # no hints
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]  # no hints
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # no hints
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsPartialSuccess,
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsPartialSuccess,
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from ports import free_port
from sink_requests import LogRequest, Point, Request, SinkEvent, SinkSpan, TraceRequest

_SERVICE = "opentelemetry.proto.collector.metrics.v1.MetricsService"
_TRACES = "opentelemetry.proto.collector.trace.v1.TraceService"
_LOGS = "opentelemetry.proto.collector.logs.v1.LogsService"
_UNPACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.decompress,
    "deflate": zlib.decompress,
}


class OtlpSink:
    """
    The receiver; a context manager.

    Attributes:
        requests: accepted requests with metrics, in order.
        trace_requests: accepted requests with spans, in order.
        log_requests: accepted requests with log records, in order.
        log_tries: number of requests with log records, with the refused ones.
        refuse_logs_with: says of the bytes of log records whether to refuse them as `refuse_with`.
        span_tries: number of requests with spans, with the refused ones.
        refuse_spans_with: says of the bytes of spans whether to refuse them as `refuse_with`.
        refuse_metrics_with: says of the bytes of metrics whether to refuse them as `refuse_with`.
        refuse_for: seconds that a refusal of spans asks the sender to wait; None: it does not ask.
        tries: number of requests, with the refused ones.
        refuse: refuse everything from now on.
        refuse_with: HTTP status, gRPC code and text of a refusal.
        partial: points to reject of each accepted request, and why; None: none.
        delay: seconds that each answer takes.
    """

    def __init__(self, tls: tuple[str, str] | None = None) -> None:
        """Choose free ports; *tls*: certificate file and key file for both transports."""
        self._tls = tls
        self._grpc_port, self._http_port = free_port(), free_port()
        self._grpc: grpc.Server | None = None
        self._http: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None
        self.requests: list[Request] = []
        self.trace_requests: list[TraceRequest] = []
        self.log_requests: list[LogRequest] = []
        self.log_tries = 0
        self.refuse_logs_with: Callable[[bytes], bool] = lambda _raw: False
        self.span_tries = 0
        self.refuse_spans_with: Callable[[bytes], bool] = lambda _raw: False
        self.refuse_metrics_with: Callable[[bytes], bool] = lambda _raw: False
        self.refuse_for: int | None = None
        self.tries = 0
        self.refuse = False
        self.refuse_with = (503, grpc.StatusCode.UNAVAILABLE, "told to refuse")
        self.partial: tuple[int, str] | None = None
        self.delay = 0.0

    @property
    def grpc_endpoint(self) -> str:
        """The value of OTEL_EXPORTER_OTLP_ENDPOINT for gRPC."""
        return f"{self._scheme}://127.0.0.1:{self._grpc_port}"

    @property
    def http_endpoint(self) -> str:
        """The value of OTEL_EXPORTER_OTLP_ENDPOINT for HTTP; metrics go to its /v1/metrics."""
        return f"{self._scheme}://127.0.0.1:{self._http_port}"

    @property
    def _scheme(self) -> str:
        return "https" if self._tls else "http"

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of the last request, names in lower case."""
        return self.requests[-1].headers if self.requests else {}

    def points(self, prefix: str = "") -> list[Point]:
        """Return every point of the metrics whose names start with *prefix*, in order."""
        return [point for request in list(self.requests) for point in request.points(prefix)]

    def metrics(self) -> dict[str, Metric]:
        """Return the last one of each metric, by name."""
        return {each.name: each for request in list(self.requests) for each in request.metrics()}

    def resources(self) -> list[dict[str, Any]]:
        """Return the attributes of each resource, without repetitions."""
        found: list[dict[str, Any]] = []
        for request in list(self.requests):
            if (resource := request.resource()) not in found:
                found.append(resource)
        return found

    def requests_of(self, prefix: str) -> list[Request]:
        """Return the requests with a metric whose name starts with *prefix*, in order."""
        return [request for request in list(self.requests) if request.has(prefix)]

    def spans(self, name: str = "") -> list[SinkSpan]:
        """Return every span of that name, or all spans, in order."""
        return [
            span
            for request in list(self.trace_requests)
            for span in request.spans()
            if name in ("", span.name)
        ]

    def events(self, name: str = "") -> list[SinkEvent]:
        """Return every event of that name, or all events, in order."""
        return [
            event
            for request in list(self.log_requests)
            for event in request.events()
            if name in ("", event.name)
        ]

    def start(self) -> Self:
        """Listen on the same ports as before."""
        self._grpc = _grpc_server(self)
        address = f"127.0.0.1:{self._grpc_port}"
        if self._tls:
            certificate, key = (Path(path).read_bytes() for path in self._tls)
            credentials = grpc.ssl_server_credentials([(key, certificate)])
            assert self._grpc.add_secure_port(address, credentials) == self._grpc_port
        else:
            assert self._grpc.add_insecure_port(address) == self._grpc_port
        self._grpc.start()
        self._http = _HttpServer(("127.0.0.1", self._http_port), _handler(self))
        if self._tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self._tls)
            self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Go away: connections are refused until the next `start`."""
        if self._grpc is not None:
            self._grpc.stop(0).wait()
            self._grpc = None
        if self._http is not None and self._thread is not None:
            self._http.shutdown()
            self._thread.join()
            self._http.server_close()
            self._http = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def take(self, transport: str, raw: bytes, headers: Mapping[str, str]) -> bool:
        """Keep one request; False: refuse it."""
        self.tries += 1
        if self.delay:
            time.sleep(self.delay)
        if self.refuse or self.refuse_metrics_with(raw):
            return False
        message = ExportMetricsServiceRequest.FromString(raw)
        self.requests.append(Request(transport, message, len(raw), headers))
        return True

    def take_spans(self, transport: str, raw: bytes, headers: Mapping[str, str]) -> bool:
        """Keep one request with spans; False: refuse it."""
        self.span_tries += 1
        if self.delay:
            time.sleep(self.delay)
        if self.refuse or self.refuse_spans_with(raw):
            return False
        message = ExportTraceServiceRequest.FromString(raw)
        self.trace_requests.append(TraceRequest(transport, message, len(raw), headers))
        return True

    def take_logs(self, transport: str, raw: bytes, headers: Mapping[str, str]) -> bool:
        """Keep one request with log records; False: refuse it."""
        self.log_tries += 1
        if self.delay:
            time.sleep(self.delay)
        if self.refuse or self.refuse_logs_with(raw):
            return False
        message = ExportLogsServiceRequest.FromString(raw)
        self.log_requests.append(LogRequest(transport, message, len(raw), headers))
        return True

    def answer_logs(self) -> bytes:
        """Return the answer to an accepted request with log records."""
        answer = ExportLogsServiceResponse()
        if self.partial is not None:
            records, words = self.partial
            said = ExportLogsPartialSuccess(rejected_log_records=records, error_message=words)
            answer.partial_success.CopyFrom(said)
        done: bytes = answer.SerializeToString()
        return done

    def answer_spans(self) -> bytes:
        """Return the answer to an accepted request with spans."""
        answer = ExportTraceServiceResponse()
        if self.partial is not None:
            spans, words = self.partial
            said = ExportTracePartialSuccess(rejected_spans=spans, error_message=words)
            answer.partial_success.CopyFrom(said)
        done: bytes = answer.SerializeToString()
        return done

    def answer(self) -> bytes:
        """Return the answer to an accepted request."""
        answer = ExportMetricsServiceResponse()
        if self.partial is not None:
            points, words = self.partial
            said = ExportMetricsPartialSuccess(rejected_data_points=points, error_message=words)
            answer.partial_success.CopyFrom(said)
        done: bytes = answer.SerializeToString()
        return done


class _HttpServer(ThreadingHTTPServer):
    """One thread for each request; a client that goes away in the middle is no error."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


def _handler(sink: OtlpSink) -> type[BaseHTTPRequestHandler]:
    """Return the HTTP side of *sink*; each answer closes its connection."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["content-length"]))
            if unpack := _UNPACK.get(self.headers.get("content-encoding", "")):
                raw = unpack(raw)
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, answer = 404, b""
            if self.path == "/v1/metrics":
                status = 200 if sink.take("http", raw, headers) else sink.refuse_with[0]
                answer = sink.answer()
            elif self.path == "/v1/traces":
                status = 200 if sink.take_spans("http", raw, headers) else sink.refuse_with[0]
                answer = sink.answer_spans()
            elif self.path == "/v1/logs":
                status = 200 if sink.take_logs("http", raw, headers) else sink.refuse_with[0]
                answer = sink.answer_logs()
            if status not in (200, 404):
                # As the protocol has it.
                answer = Status(message=sink.refuse_with[2]).SerializeToString()
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("location", "http://127.0.0.1:9/elsewhere")
            if status != 200 and sink.refuse_for is not None:
                self.send_header("retry-after", str(sink.refuse_for))
            self.send_header("content-type", "application/x-protobuf")
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


def _grpc_server(sink: OtlpSink) -> grpc.Server:
    """Return the gRPC side of *sink*."""

    def export(raw: bytes, context: grpc.ServicerContext) -> bytes:
        headers = {pair.key: str(pair.value) for pair in context.invocation_metadata()}
        if not sink.take("grpc", raw, headers):
            context.abort(*sink.refuse_with[1:])
        return sink.answer()

    def export_spans(raw: bytes, context: grpc.ServicerContext) -> bytes:
        headers = {pair.key: str(pair.value) for pair in context.invocation_metadata()}
        if not sink.take_spans("grpc", raw, headers):
            if sink.refuse_for is not None:
                told = Status()
                told.details.add().Pack(RetryInfo(retry_delay=Duration(seconds=sink.refuse_for)))
                context.set_trailing_metadata(
                    (("grpc-status-details-bin", told.SerializeToString()),)
                )
            context.abort(*sink.refuse_with[1:])
        return sink.answer_spans()

    def export_logs(raw: bytes, context: grpc.ServicerContext) -> bytes:
        headers = {pair.key: str(pair.value) for pair in context.invocation_metadata()}
        if not sink.take_logs("grpc", raw, headers):
            context.abort(*sink.refuse_with[1:])
        return sink.answer_logs()

    server = grpc.server(ThreadPoolExecutor(2), options=[("grpc.so_reuseport", 0)])
    for service, handle in (
        (_SERVICE, export),
        (_TRACES, export_spans),
        (_LOGS, export_logs),
    ):
        methods = {"Export": grpc.unary_unary_rpc_method_handler(handle)}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, methods),))
    return server
