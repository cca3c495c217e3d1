"""Spans to a real receiver, by HTTP and gRPC: what arrives, and what each answer means."""

from collections.abc import Iterator

import grpc  # type: ignore[import-untyped]  # it ships no hints
import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext
from otlp_sink import OtlpSink

from otel_jcmc.catalogue.reasons import ExporterCannotStart
from otel_jcmc.otlp.sender import Outcome, Sender, Signal, expect_known
from otel_jcmc.otlp.spans import SpanSender
from otel_jcmc.version import __version__

SCHEMA_URL = "https://opentelemetry.io/schemas/1.44.0"

RESOURCE = Resource({"service.name": "meet", "deployment.environment.name": "test"})
PROTOCOLS = ("http/protobuf", "grpc")
SPANS = [
    Span(name=f"span {number}", trace_id=b"t" * 16, span_id=b"%08d" % number).SerializeToString()
    for number in range(3)
]


@pytest.fixture
def sink() -> Iterator[OtlpSink]:
    with OtlpSink() as running:
        yield running


def sender_to(sink: OtlpSink, protocol: str, seconds: float = 5.0) -> SpanSender:
    endpoint = sink.grpc_endpoint if protocol == "grpc" else sink.http_endpoint
    return SpanSender(Sender(Signal.SPANS, protocol, seconds, endpoint), RESOURCE)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_spans_arrive_in_one_request_under_the_services_resource(
    sink: OtlpSink, protocol: str
) -> None:
    assert sender_to(sink, protocol).send(SPANS).answer is Outcome.TAKEN
    (request,) = sink.trace_requests
    assert request.transport == protocol.partition("/")[0]
    assert [span.message.SerializeToString() for span in request.spans()] == SPANS
    assert request.resource() == {"service.name": "meet", "deployment.environment.name": "test"}
    ((scope_spans,),) = [each.scope_spans for each in request.message.resource_spans]
    assert (scope_spans.scope.name, scope_spans.scope.version) == ("otel_jcmc", __version__)


def test_a_request_is_what_the_sdk_makes(sink: OtlpSink) -> None:
    context = SpanContext(1, 2, is_remote=False)
    scope = InstrumentationScope("otel_jcmc", __version__, SCHEMA_URL)
    spans = [
        ReadableSpan(
            name, context, resource=RESOURCE, instrumentation_scope=scope, start_time=1, end_time=2
        )
        for name in ("a", "b" * 300)
    ]
    expected = encode_spans(spans)
    made = expected.resource_spans[0].scope_spans[0].spans
    sender_to(sink, "http/protobuf").send([each.SerializeToString() for each in made])
    assert sink.trace_requests[0].message == expected


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_spans_that_are_rejected_of_a_request_are_told(sink: OtlpSink, protocol: str) -> None:
    sink.partial = (2, "names of people are not wanted")
    sent = sender_to(sink, protocol).send(SPANS)
    assert (sent.answer, sent.rejected) == (Outcome.TAKEN, 2)
    assert "people" not in sent.why


HTTP = [
    *((status, Outcome.AWAY) for status in (429, 502, 503, 504, 401, 403, 404)),
    *((status, Outcome.BAD) for status in (400, 413, 422)),
    *((status, Outcome.REFUSED) for status in (500, 501, 418)),
    *((status, Outcome.AWAY) for status in (301, 302, 307, 308)),
]


@pytest.mark.parametrize(("status", "answer"), HTTP)
def test_what_an_http_status_means(sink: OtlpSink, status: int, answer: Outcome) -> None:
    sink.refuse, sink.refuse_with = True, (status, grpc.StatusCode.OK, "")
    sent = sender_to(sink, "http/protobuf").send(SPANS)
    assert (sent.answer, sent.why) == (answer, f"HTTP {status}")
    assert sent.is_too_large == (status == 413)
    assert sink.span_tries == 1


def test_a_collector_says_400_to_what_is_too_large(sink: OtlpSink) -> None:
    """With these words, which tests/collector has from a real one."""
    words = "http: request body too large"
    sink.refuse, sink.refuse_with = True, (400, grpc.StatusCode.OK, words)
    sent = sender_to(sink, "http/protobuf").send(SPANS)
    assert (sent.answer, sent.why, sent.is_too_large) == (Outcome.BAD, "HTTP 400", True)


GRPC = [
    *((code, Outcome.AWAY) for code in ("UNAVAILABLE", "ABORTED", "OUT_OF_RANGE", "DATA_LOSS")),
    *((code, Outcome.AWAY) for code in ("CANCELLED", "DEADLINE_EXCEEDED", "UNAUTHENTICATED")),
    *((code, Outcome.AWAY) for code in ("PERMISSION_DENIED", "UNIMPLEMENTED")),
    ("INVALID_ARGUMENT", Outcome.BAD),
    *((code, Outcome.REFUSED) for code in ("INTERNAL", "UNKNOWN", "RESOURCE_EXHAUSTED")),
]


@pytest.mark.parametrize(("code", "answer"), GRPC)
def test_what_a_grpc_status_means(sink: OtlpSink, code: str, answer: Outcome) -> None:
    sink.refuse, sink.refuse_with = True, (0, grpc.StatusCode[code], "Ada is not wanted")
    sent = sender_to(sink, "grpc").send(SPANS)
    assert (sent.answer, sent.why) == (answer, code)
    assert sent.is_too_large == (code == "RESOURCE_EXHAUSTED")
    assert sink.span_tries == 1


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_receiver_says_how_long_to_leave_it_alone(sink: OtlpSink, protocol: str) -> None:
    sink.refuse, sink.refuse_for = True, 17
    sink.refuse_with = (429, grpc.StatusCode.RESOURCE_EXHAUSTED, "")
    sent = sender_to(sink, protocol).send(SPANS)
    # Exhausted means later if it says when; otherwise the request is too large for ever.
    assert (sent.answer, sent.after_seconds) == (Outcome.AWAY, 17)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_receiver_that_goes_and_comes_back_is_found_at_once(protocol: str) -> None:
    sink = OtlpSink()
    sender = sender_to(sink, protocol)
    for _ in range(3):
        assert sender.send(SPANS).answer is Outcome.AWAY
    with sink:
        assert sender.send(SPANS).answer is Outcome.TAKEN
    assert sender.send(SPANS).answer is Outcome.AWAY
    with sink:
        assert sender.send(SPANS).answer is Outcome.TAKEN


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_receiver_that_hangs_is_away_in_time(sink: OtlpSink, protocol: str) -> None:
    sink.delay = 1.0
    assert sender_to(sink, protocol, 0.2).send(SPANS).answer is Outcome.AWAY


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_headers_and_endpoint_of_traces_are_the_environments(
    sink: OtlpSink, protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = sink.grpc_endpoint if protocol == "grpc" else f"{sink.http_endpoint}/v1/traces"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", endpoint)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=metrics")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "x-tenant=traces")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "gzip")
    assert (
        SpanSender(Sender(Signal.SPANS, protocol, 5), RESOURCE).send(SPANS).answer is Outcome.TAKEN
    )
    assert sink.trace_requests[0].headers["x-tenant"] == "traces"


def test_what_is_no_span_is_not_sent(sink: OtlpSink) -> None:
    sent = sender_to(sink, "http/protobuf").send([*SPANS, b"something else"])
    assert (sent.answer, sent.why) == (Outcome.BAD, "it is not a span")
    assert sink.span_tries == 0


def test_what_the_sdk_cannot_take_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "zip")
    with pytest.raises(ExporterCannotStart, match=r"OTEL_EXPORTER_OTLP_\*"):
        Sender(Signal.SPANS, "grpc", 5)


@pytest.mark.parametrize("is_grpc", [True, False])
def test_an_sdk_that_is_not_known_is_told_in_one_line(*, is_grpc: bool) -> None:
    with pytest.raises(ExporterCannotStart, match=r"this version of opentelemetry-exporter-otlp"):
        expect_known(object(), is_grpc=is_grpc)
