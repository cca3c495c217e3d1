"""
A Collector that is killed, full or slow: everything that docs/traces.md promises is kept.

Metrics are up to date with the next export. The Collector runs the shipped file; its spans go on to
the sink in this process.
"""

import signal
from collections.abc import Iterator
from pathlib import Path

import calls
import pytest
from collector.built import Collector
from harness import Service, eventually
from otlp_sink import OtlpSink

# The Collector refuses everything, because its memory after the start is above this.
FULL = "yaml:processors::memory_limiter::limit_mib: 1"


@pytest.fixture
def tempo() -> Iterator[OtlpSink]:
    """Return a sink in the place of compose.yaml's Tempo."""
    with OtlpSink() as sink:
        yield sink


@pytest.fixture
def collector(short_path: Path, tempo: OtlpSink) -> Collector:
    """Return a Collector that is not started."""
    return Collector(short_path / "collector", tempo=tempo.grpc_endpoint.rpartition("/")[2])


@pytest.fixture(params=["grpc", "http/protobuf"])
def service(
    request: pytest.FixtureRequest, short_path: Path, collector: Collector, tempo: OtlpSink
) -> Service:
    """Return a service that sends metrics and spans to the Collector, not started."""
    endpoint = collector.grpc_endpoint if request.param == "grpc" else collector.http_endpoint
    return Service(
        short_path / "service",
        **calls.environ(tempo)
        | {
            "OTEL_METRICS_EXPORTER": "prometheus,otlp",
            "OTEL_EXPORTER_OTLP_PROTOCOL": request.param,
            "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
            "OTEL_EXPORTER_OTLP_TIMEOUT": "1000",
            "OTEL_METRIC_EXPORT_INTERVAL": "1000",
            "METRICS_EXPIRATION": "300",
        },
    )


FAILED = 'otel_jcmc_exports_total{exporter="otlp",outcome="failed"}'
WAITING = "otel_jcmc_spans_waiting"


def quality(collector: Collector) -> list[float]:
    """Return the quality of each participant on the Collector's page."""
    return sorted(
        value
        for name, value in collector.series().items()
        if name.startswith("jitsi_jcmc_connectionquality{")
    )


def call(service: Service) -> None:
    """Run a call to its end, in a conference of its own."""
    assert service.push(calls.body("eve", conference="lunch")).body == "OK"
    assert service.push(calls.leave("eve", conference="lunch")).body == "OK"


def until_failing(service: Service) -> None:
    """Wait until exports fail and the spans of the call wait."""
    before = service.own(FAILED) or 0
    eventually(lambda: (service.own(FAILED) or 0) > before, 30)
    eventually(lambda: service.own(WAITING) == 2, 30)


def until_there(service: Service, collector: Collector, tempo: OtlpSink, pushes: int) -> None:
    """Wait until the metrics are up to date, and both spans of the call have arrived."""
    eventually(lambda: quality(collector) == [20], 30)
    eventually(lambda: _counted(collector) == pushes, 30)
    eventually(lambda: tempo.spans("jitsi.conference"), 90)
    (session,) = tempo.spans("jitsi.session")
    assert session.attributes["jitsi.participant.id"] == "eve"
    eventually(lambda: service.own(WAITING) == 0, 30)


def _counted(collector: Collector) -> float:
    return sum(value for name, value in collector.series().items() if _is_accepted(name))


def _is_accepted(name: str) -> bool:
    return name.startswith("otel_jcmc_pushes_total{") and 'outcome="accepted",reason=""' in name


def begin(service: Service, collector: Collector) -> None:
    """Push a participant with the quality 90, and wait until the Collector shows it."""
    assert service.push(calls.body("ada", 90)).body == "OK"
    eventually(lambda: quality(collector) == [90], 30)


def go_on(service: Service) -> None:
    """Push the same participant with the quality 20, and run a call meanwhile."""
    assert service.push(calls.body("ada", 20)).body == "OK"
    call(service)


@pytest.mark.parametrize("kill", [True, False], ids=["killed", "ended"])
def test_a_collector_that_comes_back_is_told_all(
    service: Service, collector: Collector, tempo: OtlpSink, *, kill: bool
) -> None:
    with collector, service:
        begin(service, collector)
        collector.stop(kill=kill)
        go_on(service)
        until_failing(service)
        assert not tempo.spans("")
        collector.start()
        until_there(service, collector, tempo, 4)


def test_a_full_collector_takes_nothing_and_all_later(
    service: Service, collector: Collector, tempo: OtlpSink
) -> None:
    collector.more.append(FULL)
    with collector, service:
        go_on(service)
        until_failing(service)
        assert "Refusing data" in collector.log.read_text()
        assert (collector.series(), tempo.spans("")) == ({}, [])
        collector.stop()
        collector.more.remove(FULL)
        collector.start()
        until_there(service, collector, tempo, 3)


def test_a_collector_that_answers_nobody_for_a_while_holds_up_no_push(
    service: Service, collector: Collector, tempo: OtlpSink
) -> None:
    with collector, service:
        begin(service, collector)
        assert collector.process is not None
        collector.process.send_signal(signal.SIGSTOP)
        try:
            go_on(service)
            until_failing(service)
            assert service.push(calls.body("ada", 20), timeout=1).body == "OK"
        finally:
            collector.process.send_signal(signal.SIGCONT)
        until_there(service, collector, tempo, 5)


def test_spans_wait_in_redis_while_what_is_behind_the_collector_is_away(
    service: Service, collector: Collector, tempo: OtlpSink
) -> None:
    """The Collector accepts only what Tempo has accepted: if it is killed, nothing is lost."""
    with collector, service:
        begin(service, collector)
        tempo.stop()
        go_on(service)
        eventually(lambda: "does not take spans" in service.log.read_text(), 30)
        eventually(lambda: service.own(WAITING) == 2, 30)
        collector.stop(kill=True)
        tempo.start()
        collector.start()
        until_there(service, collector, tempo, 4)
