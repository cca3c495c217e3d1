"""Where and how spans are sent: settings for spans, for all signals, for metrics only."""

from typing import Any

import pytest

from otel_jcmc.config.advice import advice
from otel_jcmc.config.settings import Settings
from otel_jcmc.service.parts import Parts
from otel_jcmc.service.recording import keeping_of

OTLP = "OTEL_EXPORTER_OTLP_"


def given(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    """Return the settings of an environment; names without their common beginning."""
    for name, text in variables.items():
        monkeypatch.setenv(OTLP + name, text)
    return Settings()


def test_by_default_it_is_this_machines_collector() -> None:
    settings = Settings()
    assert (settings.spans_protocol, settings.spans_endpoint) == ("http/protobuf", "")
    assert settings.spans_timeout_ms == 10_000


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"ENDPOINT": "http://a:4318"}, "http://a:4318/v1/traces"),
        ({"ENDPOINT": "http://a:4318/otlp/"}, "http://a:4318/otlp/v1/traces"),
        ({"ENDPOINT": "http://a:4317", "PROTOCOL": "grpc"}, "http://a:4317"),
        ({"ENDPOINT": "http://a:1", "TRACES_ENDPOINT": "http://b:2/x"}, "http://b:2/x"),
        ({"METRICS_ENDPOINT": "http://m:4318/v1/metrics"}, ""),
        ({"METRICS_ENDPOINT": "http://m:1", "ENDPOINT": "http://a:2"}, "http://a:2/v1/traces"),
    ],
)
def test_the_endpoint(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: str
) -> None:
    assert given(monkeypatch, **variables).spans_endpoint == expected


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"PROTOCOL": "grpc"}, "grpc"),
        ({"PROTOCOL": "grpc", "TRACES_PROTOCOL": "http/protobuf"}, "http/protobuf"),
        ({"METRICS_PROTOCOL": "grpc"}, "http/protobuf"),
        ({"METRICS_PROTOCOL": "http/protobuf", "PROTOCOL": "grpc"}, "grpc"),
    ],
)
def test_the_protocol(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: str
) -> None:
    assert given(monkeypatch, **variables).spans_protocol == expected


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"TIMEOUT": "250"}, 250),
        ({"TIMEOUT": "250", "TRACES_TIMEOUT": "500"}, 500),
        ({"METRICS_TIMEOUT": "250"}, 10_000),
        ({"METRICS_TIMEOUT": "250", "TIMEOUT": "700"}, 700),
    ],
)
def test_the_time_out(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: int
) -> None:
    assert given(monkeypatch, **variables).spans_timeout_ms == expected


REDIS: dict[str, Any] = {"redis_url": "redis://127.0.0.1:6379/0"}


def test_a_hosts_own_endpoint_is_that_of_spans_too() -> None:
    environ = Parts(Settings(otlp_endpoint="http://h:4318", **REDIS)).reading.exporter_environ()
    assert environ["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://h:4318"
    assert not environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    assert environ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"] == "http/protobuf"


def test_an_endpoint_of_metrics_in_the_environment_does_not_move_the_exporters_spans(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = given(monkeypatch, METRICS_ENDPOINT="http://m:4318/v1/metrics")
    environ = Parts(Settings(**settings.model_dump() | REDIS)).reading.exporter_environ()
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" not in environ


def test_a_span_waits_for_what_an_interval_of_history_may_still_bring() -> None:
    keeping = keeping_of(
        Settings(traces_exporter="otlp", history_interval_seconds=45, session_grace_seconds=90)
    )
    assert (keeping.sessions, keeping.spans) == (True, True)
    assert (keeping.grace_ms, keeping.settle_ms) == (90_000, 48_000)
    assert keeping.keep_ms == 86_400_000


def test_what_is_kept_outlasts_what_a_span_waits_for() -> None:
    keeping = keeping_of(
        Settings(
            traces_exporter="otlp",
            history_hours=1,
            history_interval_seconds=3600,
            session_grace_seconds=3600,
        )
    )
    assert keeping.keep_ms > keeping.grace_ms + keeping.settle_ms


def test_spans_are_made_without_history_too() -> None:
    keeping = keeping_of(Settings(traces_exporter="otlp", history_hours=0))
    assert (keeping.sessions, keeping.spans, keeping.keep_ms) == (True, True, 86_400_000)
    assert not keeping.history
    assert keeping_of(Settings(traces_exporter="otlp")).history


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "spans that wait for their receiver are lost"),
        ({**REDIS, "history_interval_seconds": 600}, "JCMC_HISTORY_INTERVAL (600 s)"),
        ({**REDIS, "bad_packet_loss": 100}, "is never exceeded: no packet loss counts as bad"),
    ],
)
def test_what_is_likely_to_disappoint_is_told(settings: dict[str, Any], said: str) -> None:
    (line,) = advice(Settings(traces_exporter="otlp", **settings))
    assert said in line
    assert advice(Settings(**settings)) == []


def test_what_is_fine_is_not() -> None:
    assert advice(Settings(traces_exporter="otlp", **REDIS)) == []
