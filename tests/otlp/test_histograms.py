"""The histograms of the fleet by OTLP, as a receiver decodes them."""

from collections.abc import Iterator
from time import time_ns
from typing import Any

import pytest
from fleet import telling
from grpc import StatusCode  # type: ignore[import-untyped]  # it ships no hints
from harness import Service, eventually
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Metric
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from otlp_sink import OtlpSink

from otel_jcmc.catalogue.metrics import LAST_METRIC_ID
from otel_jcmc.catalogue.rows import Naming
from otel_jcmc.metrics.histograms import Histograms
from otel_jcmc.otlp.metrics import OwnMetricExporter
from otel_jcmc.otlp.sender import Sender, Signal
from otel_jcmc.wire.push import Report
from otel_jcmc.wire.session import Session

BOTH = pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])


@pytest.fixture
def sink() -> Iterator[OtlpSink]:
    with OtlpSink() as running:
        yield running


def report(loss_up: float, region: str = "eu-west") -> Report:
    numbers: list[Any] = [None] * LAST_METRIC_ID
    numbers[9] = loss_up
    return Report("standup", "", "ada", Session("s"), {69: region} if region else {}, numbers)


def provider_to(sink: OtlpSink, protocol: str, histograms: Histograms) -> MeterProvider:
    endpoint = sink.grpc_endpoint if protocol == "grpc" else sink.http_endpoint
    sender = Sender(Signal.METRICS, protocol, 5, endpoint)
    exporter = OwnMetricExporter(sender, "our own metrics", 5, histograms.collect)
    reader = PeriodicExportingMetricReader(exporter, 60_000)
    provider = MeterProvider([reader], Resource({"service.instance.id": "one"}))
    provider.get_meter("otel_jcmc").create_counter("counted").add(1)
    return provider


def arrived(sink: OtlpSink, name: str) -> list[Metric]:
    return [
        metric
        for request in list(sink.requests)
        for metric in request.metrics()
        if metric.name == name
    ]


def texts(attributes: Any) -> dict[str, str]:
    return {each.key: each.value.string_value for each in attributes}


@BOTH
def test_a_receiver_decodes_what_was_counted(sink: OtlpSink, protocol: str) -> None:
    before = time_ns()
    histograms = Histograms(Naming.OTEL)
    for loss in (0, 0.5, 4, 90):
        histograms.count(report(loss))
    histograms.count(report(3, ""))
    provider = provider_to(sink, protocol, histograms)
    assert provider.force_flush()
    (metric,) = arrived(sink, "jitsi.fleet.packet_loss.ratio")
    assert metric.unit == "1"
    assert metric.description == "Share of packets lost, one observation per push that reports it"
    kind = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
    assert metric.histogram.aggregation_temporality == kind
    named, unnamed = metric.histogram.data_points
    assert texts(named.attributes) == {
        "network.io.direction": "transmit",
        "jitsi.region": "eu-west",
    }
    assert texts(unnamed.attributes) == {"network.io.direction": "transmit"}
    assert list(named.explicit_bounds) == [0, 0.005, 0.01, 0.02, 0.025, 0.05, 0.1, 0.2, 0.5]
    assert list(named.bucket_counts) == [1, 1, 0, 0, 0, 1, 0, 0, 0, 1]
    assert (named.count, named.sum) == (4, 0.945)
    assert [each for each in ("min", "max") if named.HasField(each)] == []
    assert before <= named.start_time_unix_nano <= named.time_unix_nano <= time_ns()
    (request,) = sink.requests
    assert request.resource()["service.instance.id"] == "one"
    provider.shutdown()


@BOTH
def test_the_next_export_counts_on_from_the_same_start(sink: OtlpSink, protocol: str) -> None:
    histograms = Histograms()
    provider = provider_to(sink, protocol, histograms)
    for loss in (1, 8):
        histograms.count(report(loss))
        assert provider.force_flush()
    first, second = arrived(sink, "jitsi_jcmc_fleet_packetloss_upload")
    assert first.unit == ""
    (before,), (after,) = first.histogram.data_points, second.histogram.data_points
    assert (before.count, before.sum, after.count, after.sum) == (1, 1, 2, 9)
    assert before.start_time_unix_nano == after.start_time_unix_nano
    assert before.time_unix_nano < after.time_unix_nano
    provider.shutdown()


@BOTH
def test_a_receiver_of_small_requests_gets_all_of_them(sink: OtlpSink, protocol: str) -> None:
    sink.refuse_with = (413, StatusCode.RESOURCE_EXHAUSTED, "")
    sink.refuse_metrics_with = lambda raw: len(raw) > 2_000
    histograms = Histograms()
    for number in range(40):
        histograms.count(report(1, f"region-{number}"))
    provider = provider_to(sink, protocol, histograms)
    assert provider.force_flush()
    regions = [
        texts(point.attributes)["region"]
        for metric in arrived(sink, "jitsi_jcmc_fleet_packetloss_upload")
        for point in metric.histogram.data_points
    ]
    assert sorted(regions) == sorted(f"region-{number}" for number in range(40))
    provider.shutdown()


def test_they_go_out_with_the_services_own(sink: OtlpSink, short_path: Any) -> None:
    service = Service(
        short_path,
        JCMC_NAMING="otel",
        OTEL_METRICS_EXPORTER="otlp",
        OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf",
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.http_endpoint,
        OTEL_METRIC_EXPORT_INTERVAL="300",
    )
    with service:
        _push(service, 0.2)
        _push(service, 0.3)
        name = "jitsi.fleet.round_trip_time"
        (point,) = eventually(
            lambda: [
                point
                for metric in arrived(sink, name)[-1:]
                for point in metric.histogram.data_points
                if point.count == 2
            ]
        )
    assert point.sum == 0.5
    assert texts(point.attributes) == {"jitsi.region": "eu-west"}
    together = [each for each in sink.requests if each.has(name)]
    assert all(each.has("otel_jcmc.pushes") for each in together)


def _push(service: Service, seconds: float) -> None:
    metrics = {"round_trip_time": 1000 * seconds}
    assert service.push(telling("standup", metrics, "eu-west", "ada")).body == "OK"
