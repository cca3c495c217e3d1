"""A conference in a real trace store: from the service, and by the Collector between them."""

from collections.abc import Iterator
from pathlib import Path

import calls
import pytest
from collector.built import Collector, Jaeger, running_jaeger
from harness import Service, eventually
from otlp_sink import OtlpSink


@pytest.fixture
def jaeger(short_path: Path) -> Iterator[Jaeger]:
    """Return a Jaeger that knows of no trace."""
    with running_jaeger(short_path / "jaeger") as running:
        yield running


def hold_call(folder: Path, protocol: str, endpoint: str) -> None:
    """Hold a call that fails, by a service that sends its spans to *endpoint*."""
    settings = calls.environ(OtlpSink()) | {
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
    }
    with Service(folder, **settings) as service:
        for quality, loss_up in ((10, 30), (80, 0)):
            assert service.push(calls.body("ada", quality, loss_up)).body == "OK"
        assert service.push(calls.leave("ada", "failed")).body == "OK"
        eventually(lambda: service.own('otel_jcmc_spans_total{outcome="sent"}') == 2, 60)


def check(jaeger: Jaeger) -> None:
    """Look whether the call is there: a trace of two spans, with what was wrong."""
    (trace,) = eventually(jaeger.traces, 30)
    spans = {span["operationName"]: span for span in trace["spans"]}
    assert spans.keys() == {"jitsi.conference", "jitsi.session"}
    session = spans["jitsi.session"]
    (parent,) = session["references"]
    assert parent["spanID"] == spans["jitsi.conference"]["spanID"]
    tags = {tag["key"]: tag["value"] for tag in session["tags"]}
    assert tags["jitsi.conference.name"] == "standup"
    assert tags["jitsi.session.quality.worst"] == 10
    assert tags["otel.status_code"] == "ERROR"
    assert [trace["traceID"]] == [
        each["traceID"] for each in jaeger.traces(tags='{"jitsi.session.end.reason":"failed"}')
    ]


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_a_conference_is_found_in_jaeger(short_path: Path, jaeger: Jaeger, protocol: str) -> None:
    endpoint = jaeger.grpc_endpoint if protocol == "grpc" else jaeger.http_endpoint
    hold_call(short_path / "service", protocol, endpoint)
    check(jaeger)


def test_a_conference_is_found_behind_the_shipped_collector(
    short_path: Path, jaeger: Jaeger
) -> None:
    behind = jaeger.grpc_endpoint.rpartition("/")[2]
    with Collector(short_path / "collector", tempo=behind) as collector:
        hold_call(short_path / "service", "grpc", collector.grpc_endpoint)
        check(jaeger)
