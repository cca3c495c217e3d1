"""An OTLP receiver that is slow, refuses, or accepts a part: the log and the counters."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from time import monotonic

import grpc  # type: ignore[import-untyped]  # it ships no hints
import pytest
from harness import Service, eventually, push_body
from opentelemetry.sdk.resources import Resource
from otlp_sink import OtlpSink
from people import person, snapshot_of

from otel_jcmc.catalogue.rows import Naming
from otel_jcmc.metrics import snapshot
from otel_jcmc.metrics.gauges import declare
from otel_jcmc.metrics.provider import GaugeProvider
from otel_jcmc.otlp.metrics import FAILED, OK, PARTIAL, MetricDelivery
from otel_jcmc.otlp.points import requests
from otel_jcmc.otlp.sender import Sender, Signal

BOTH = pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])


@pytest.fixture
def sink() -> Iterator[OtlpSink]:
    with OtlpSink() as receiver:
        yield receiver


@pytest.fixture
def exporter(
    sink: OtlpSink, protocol: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MetricDelivery]:
    """Return an exporter to *sink*, as in the exporter's process."""
    endpoint = sink.grpc_endpoint if protocol == "grpc" else sink.http_endpoint
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
    sender = Sender(Signal.METRICS, protocol, 2)
    yield MetricDelivery(sender.send, "participants", 2)
    sender.shut_down()


def messages(count: int) -> list[object]:
    """Return this number of requests, with one participant each."""
    provider = GaugeProvider()
    declare(provider.get_meter("test"), Naming.JCMC)
    with snapshot.bound(snapshot_of(person({64: "standup", 65: "c", 66: "ada", 1: 97.5}))):
        gauges = provider.collect()
    return [each for _ in range(count) for each in requests(gauges, Resource({}), 1)]


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the log lines since the last call."""
    lines = [f"{each.levelname} {each.message}" for each in caplog.records]
    caplog.clear()
    return lines


@BOTH
def test_a_partial_success_is_its_own_outcome_and_logged_once_per_change(
    sink: OtlpSink, exporter: MetricDelivery, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    soon = monotonic() + 60
    assert exporter.export([], soon) == OK
    assert said(caplog) == []
    assert exporter.export(messages(3), soon) == OK
    assert said(caplog) == ["INFO otlp: the receiver takes participants"]
    sink.partial = (7, "no room")
    for _ in range(3):
        assert exporter.export(messages(3), soon) == PARTIAL
    assert said(caplog) == [
        "WARNING otlp: the receiver rejects 21 points of participants; its own log says why"
    ]
    # A completely accepted request does not end the trouble: a collection has several requests.
    sink.partial = None
    mixed = iter(messages(3))

    def one_of_them() -> Iterator[object]:
        yield next(mixed)
        sink.partial = (1, "still")
        yield next(mixed)
        sink.partial = None
        yield next(mixed)

    assert exporter.export(one_of_them(), soon) == PARTIAL
    assert said(caplog) == []
    assert exporter.export(messages(1), soon) == OK
    assert said(caplog) == ["INFO otlp: the receiver takes participants"]
    # A text without a number of points is advice.
    sink.partial = (0, "an old protocol")
    assert exporter.export(messages(1), soon) == OK
    assert said(caplog) == []
    assert len(sink.requests) == 3 + 9 + 3 + 1 + 1


@BOTH
def test_nothing_that_a_receiver_says_is_logged(
    sink: OtlpSink, exporter: MetricDelivery, caplog: pytest.LogCaptureFixture
) -> None:
    """The text may quote what was sent."""
    soon = monotonic() + 60
    sink.partial = (1, "out of order: secret room")
    assert exporter.export(messages(1), soon) == PARTIAL
    sink.refuse = True
    sink.refuse_with = (400, grpc.StatusCode.INVALID_ARGUMENT, "out of order: secret room")
    assert exporter.export(messages(1), soon) == FAILED
    lines = said(caplog)
    assert len(lines) == 2
    assert not [line for line in lines if "secret" in line]


@BOTH
def test_an_answer_that_is_none_counts_as_taken(
    sink: OtlpSink, exporter: MetricDelivery, monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    if protocol != "grpc":
        monkeypatch.setattr(sink, "answer", lambda: b'{"partialSuccess": {}}')
    assert exporter.export(messages(1), monotonic() + 60) == OK


@BOTH
def test_an_export_that_takes_too_long_is_ended_between_two_requests(
    sink: OtlpSink, exporter: MetricDelivery, caplog: pytest.LogCaptureFixture
) -> None:
    """The clock moves with each request, so the speed of the machine does not matter."""
    exporter._clock = lambda: 0.3 * len(sink.requests)
    assert exporter.export(messages(5), 0.4) == FAILED
    assert len(sink.requests) == 2
    (line,) = said(caplog)
    assert line.endswith("take participants: it is too slow for OTEL_METRIC_EXPORT_TIMEOUT")


class Side:
    """A receiver, and a service that exports to it by one protocol and is scraped as well."""

    def __init__(self, folder: Path, protocol: str) -> None:
        self.protocol = protocol
        self.sink = OtlpSink()
        self.service = Service(
            folder / protocol[:4],
            OTEL_METRICS_EXPORTER="prometheus,otlp",
            OTEL_EXPORTER_OTLP_PROTOCOL=protocol,
            OTEL_EXPORTER_OTLP_ENDPOINT=(
                self.sink.grpc_endpoint if protocol == "grpc" else self.sink.http_endpoint
            ),
            # A busy machine now and then takes half a second for a request.
            OTEL_EXPORTER_OTLP_TIMEOUT="1000",
            OTEL_METRIC_EXPORT_INTERVAL="200",
        )

    def exports(self, outcome: str) -> float:
        """Return the number of exports with this outcome."""
        series = f'otel_jcmc_exports_total{{exporter="otlp",outcome="{outcome}"}}'
        return self.service.own(series) or 0


def wait_for(outcome: str, *sides: Side) -> None:
    """Wait for two more exports of each side with this outcome, while pushes go on."""
    start = [side.exports(outcome) for side in sides]
    for side, before in zip(sides, start, strict=True):
        eventually(partial(has_more, side, outcome, before), every=0.1)
        assert side.service.push(push_body("ada")).body == "OK"


def has_more(side: Side, outcome: str, before: float) -> bool:
    return side.exports(outcome) >= before + 2


def test_what_the_service_shows_of_a_receiver_that_is_slow_refuses_or_takes_a_part(
    short_path: Path,
) -> None:
    """Both protocols in parallel; pushes and scrapes go on as before."""
    sides = [Side(short_path, protocol) for protocol in ("grpc", "http/protobuf")]
    changes: list[tuple[dict[str, object], str]] = [
        ({}, "ok"),
        ({"partial": (3, "told to")}, "partial"),
        ({"partial": None, "refuse": True}, "failed"),
        ({"refuse": False, "delay": 0.3}, "ok"),
        ({"delay": 1.5}, "failed"),
        ({"delay": 0.0}, "ok"),
    ]
    with ExitStack() as running:
        for side in sides:
            side.sink.refuse_with = (400, grpc.StatusCode.PERMISSION_DENIED, "not you")
            running.enter_context(side.sink)
            running.enter_context(side.service)
            assert side.service.push(push_body("ada")).body == "OK"
        for change, outcome in changes:
            for side in sides:
                vars(side.sink).update(change)
            wait_for(outcome, *sides)
        logs = {side.protocol: side.service.log.read_text() for side in sides}
    for protocol, log in logs.items():
        found = re.findall(r" otlp: the receiver (.*) participants(?:[:;] (.*))?", log)
        assert [words for words, _ in found] == [
            *("takes", "rejects 3 points of", "does not take", "takes", "does not take", "takes")
        ]
        assert ("PERMISSION_DENIED" if protocol == "grpc" else "HTTP 400") in found[2][1]
