"""Where and how events are sent: settings for logs, for all signals, for metrics only."""

from typing import Any

import pytest
from otlp_sink import OtlpSink
from sink_requests import SinkEvent

from otel_jcmc.config.advice import advice
from otel_jcmc.config.settings import Settings
from otel_jcmc.logs.delivery import as_records
from otel_jcmc.logs.records import noted_of
from otel_jcmc.metrics.own import make_resource
from otel_jcmc.otlp.logs import LogSender
from otel_jcmc.otlp.sender import Outcome, Sender, Signal
from otel_jcmc.service.parts import Parts
from otel_jcmc.service.recording import keeping_of, make_history
from otel_jcmc.sessions.events import payload_of

OTLP = "OTEL_EXPORTER_OTLP_"
REDIS: dict[str, Any] = {"redis_url": "redis://127.0.0.1:6379/0"}
ITEMS = [
    f"9000 9000 0 jitsi.session.join.failed {number:032x} {'c' * 32}   \n".encode()
    + payload_of({64: "standup", 66: "eve"}, "s", f"service-{number % 2}", {})
    for number in range(3)
]


def given(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    """Return the settings of an environment; names without their common beginning."""
    for name, text in variables.items():
        monkeypatch.setenv(OTLP + name, text)
    return Settings()


def test_by_default_it_is_this_machines_collector_and_they_are_off() -> None:
    settings = Settings()
    assert settings.logs_exporter == "none"
    assert (settings.logs_protocol, settings.logs_endpoint) == ("http/protobuf", "")
    assert settings.logs_timeout_ms == 10_000


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"ENDPOINT": "http://a:4318"}, "http://a:4318/v1/logs"),
        ({"ENDPOINT": "http://a:4318/otlp/"}, "http://a:4318/otlp/v1/logs"),
        ({"ENDPOINT": "http://a:4317", "PROTOCOL": "grpc"}, "http://a:4317"),
        ({"ENDPOINT": "http://a:1", "LOGS_ENDPOINT": "http://b:2/x"}, "http://b:2/x"),
        ({"ENDPOINT": "http://a:1", "TRACES_ENDPOINT": "http://b:2/x"}, "http://a:1/v1/logs"),
        ({"METRICS_ENDPOINT": "http://m:4318/v1/metrics"}, ""),
    ],
)
def test_the_endpoint(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: str
) -> None:
    assert given(monkeypatch, **variables).logs_endpoint == expected


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"PROTOCOL": "grpc", "LOGS_PROTOCOL": "http/protobuf"}, ("http/protobuf", 10_000)),
        ({"METRICS_PROTOCOL": "grpc", "TRACES_PROTOCOL": "grpc"}, ("http/protobuf", 10_000)),
        ({"PROTOCOL": "grpc", "TIMEOUT": "250", "LOGS_TIMEOUT": "500"}, ("grpc", 500)),
        ({"METRICS_TIMEOUT": "250"}, ("http/protobuf", 10_000)),
    ],
)
def test_the_protocol_and_the_time_out(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: tuple[str, int]
) -> None:
    settings = given(monkeypatch, **variables)
    assert (settings.logs_protocol, settings.logs_timeout_ms) == expected


def test_the_exporters_process_gets_them(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, PROTOCOL="grpc", TIMEOUT="250", LOGS_ENDPOINT="http://b:2")
    environ = Parts(Settings(logs_exporter="otlp", **REDIS)).reading.exporter_environ()
    names = ("OTEL_LOGS_EXPORTER", f"{OTLP}LOGS_PROTOCOL", f"{OTLP}LOGS_TIMEOUT")
    assert [environ[name] for name in names] == ["otlp", "grpc", "250"]
    assert environ[f"{OTLP}LOGS_ENDPOINT"] == "http://b:2"


def test_nothing_more_is_kept_of_sessions_and_events_can_be_erased() -> None:
    settings = Settings(logs_exporter="otlp", history_hours=0)
    assert not keeping_of(settings).sessions
    assert make_history(settings, "redis://127.0.0.1:1")[1] is not None
    assert make_history(Settings(history_hours=0), "redis://127.0.0.1:1")[1] is None


def test_what_is_likely_to_disappoint_is_told() -> None:
    (line,) = advice(Settings(logs_exporter="otlp"))
    assert "events that wait for their receiver are lost" in line
    assert advice(Settings(logs_exporter="otlp", **REDIS)) == []


# To a real receiver.


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_headers_and_endpoint_of_logs_are_the_environments(
    protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with OtlpSink() as sink:
        endpoint = sink.grpc_endpoint if protocol == "grpc" else f"{sink.http_endpoint}/v1/logs"
        for name, text in {
            "ENDPOINT": "http://127.0.0.1:9",
            "LOGS_ENDPOINT": endpoint,
            "HEADERS": "x-tenant=metrics",
            "LOGS_HEADERS": "x-tenant=logs",
            "LOGS_COMPRESSION": "gzip",
        }.items():
            monkeypatch.setenv(OTLP + name, text)
        sender = LogSender(
            Sender(Signal.LOGS, protocol, 5), lambda instance: make_resource("m", "", instance)
        )
        assert as_records(sender)(ITEMS).answer is Outcome.TAKEN
        (request,) = sink.log_requests
    assert request.headers["x-tenant"] == "logs"
    # In one request, one resource for each process that noticed some.
    told = [
        (resource["service.instance.id"], [each.uid[-1] for each in _events(of)])
        for resource, of in zip(request.resources(), request.message.resource_logs, strict=True)
    ]
    assert told == [("service-0", ["0", "2"]), ("service-1", ["1"])]
    made = [noted_of(item).record.SerializeToString() for item in ITEMS]
    assert sorted(each.message.SerializeToString() for each in request.events()) == sorted(made)


def _events(of: Any) -> Any:
    return [SinkEvent.of(record) for scope in of.scope_logs for record in scope.log_records]


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_records_that_are_rejected_of_a_request_are_told(protocol: str) -> None:
    with OtlpSink() as sink:
        sink.partial = (2, "names of people are not wanted")
        endpoint = sink.grpc_endpoint if protocol == "grpc" else sink.http_endpoint
        sender = LogSender(
            Sender(Signal.LOGS, protocol, 5, endpoint), lambda each: make_resource("m", "", each)
        )
        sent = as_records(sender)(ITEMS)
    assert (sent.answer, sent.rejected) == (Outcome.TAKEN, 2)
