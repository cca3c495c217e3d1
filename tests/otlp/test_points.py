"""The requests of an OTLP export: equal to the SDK's own encoding, in parts that arrive."""

import time
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.sdk.metrics.export import (
    Gauge,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from people import person, snapshot_of

from otel_jcmc.catalogue.metrics import METRICS
from otel_jcmc.catalogue.rows import Naming
from otel_jcmc.metrics.gauges import declare
from otel_jcmc.metrics.observed import Column, Labels, Observed
from otel_jcmc.metrics.provider import Collected, GaugeProvider
from otel_jcmc.metrics.snapshot import bound
from otel_jcmc.otlp.points import requests
from otel_jcmc.store.participant import Participant
from otel_jcmc.version import __version__

SCHEMA_URL = "https://opentelemetry.io/schemas/1.44.0"

GRPC_LIMIT = 4 * 1024 * 1024
RESOURCE = Resource({"service.name": "meet", "k8s.pod.ports": [1, 2]}, "https://schema.example/1")
NOW = 1_700_000_000_123_456_789


def participant(number: int, told: dict[int, Any]) -> Participant:
    """Return the participant of *told*."""
    who = {64: f"Grüße ☕ {number}", 65: f"00000000-0000-4000-8000-{number:012}", 66: "ada"}
    return person({**who, **told}, f"session-{number}")


def collect(participants: list[Participant], naming: Naming) -> list[Collected]:
    """Return the gauges' observations of *participants*."""
    provider = GaugeProvider()
    declare(provider.get_meter("test"), naming)
    with bound(snapshot_of(*participants)):
        return provider.collect()


def one_column(values: list[float | None], name: str = "one", unit: str = "s") -> Collected:
    """Return a gauge with *values*, each with its own labels."""
    labels = [Labels.of({"n": str(number)}) for number in range(len(values))]
    return Collected(name, unit, "What it is", [Observed([Column(values, labels)])])


def by_the_sdk(gauges: list[Collected]) -> Any:
    """Return the request that the SDK's encoder makes of *gauges*."""
    metrics = [
        Metric(
            gauge.name,
            gauge.description,
            gauge.unit,
            Gauge(
                [
                    NumberDataPoint(each.attributes or {}, 0, NOW, each.value)
                    for each in gauge.observations
                ]
            ),
        )
        for gauge in gauges
        if gauge.observations
    ]
    scope = ScopeMetrics(
        InstrumentationScope("otel_jcmc", __version__, SCHEMA_URL), metrics, SCHEMA_URL
    )
    return encode_metrics(MetricsData([ResourceMetrics(RESOURCE, [scope], SCHEMA_URL)]))


# Equal to the SDK's


TOLD: list[dict[int, Any]] = [
    {row.id: row.id * 1.5 for row in METRICS if not row.is_list}
    | {13: [[41, {82: "udp", 83: "wifi"}], [7.25, {82: "tcp"}]]},
    {1: 0, 2: 0.0, 8: -0.0, 9: 2**53, 69: "eu-west", 71: "Chrome", 72: "126.0.0.0"},
    {12: 100, 13: [[0, {}]]},
    {},
]


@pytest.mark.parametrize("naming", Naming)
def test_a_request_is_what_the_sdks_own_encoder_makes(naming: Naming) -> None:
    gauges = collect([participant(n, told) for n, told in enumerate(TOLD)], naming)
    (request,) = requests(gauges, RESOURCE, NOW)
    assert request == by_the_sdk(gauges)


@pytest.mark.parametrize("naming", Naming)
def test_a_second_collection_of_the_same_people_is_encoded_alike(naming: Naming) -> None:
    people = [participant(n, told) for n, told in enumerate(TOLD)]
    (first,) = requests(collect(people, naming), RESOURCE, NOW)
    (second,) = requests(collect(people, naming), RESOURCE, NOW)
    assert first == second
    (later,) = requests(collect(people, naming), RESOURCE, NOW + 1)
    assert later != second


@pytest.mark.parametrize("value", [0, 1, -1, 2**63 - 1, -(2**63), 0.1, 1e300, -0.0, 5e-324])
def test_a_value_arrives_as_what_it_was(value: float) -> None:
    gauges = [one_column([value])]
    (request,) = requests(gauges, RESOURCE, NOW)
    assert request == by_the_sdk(gauges)


@pytest.mark.parametrize("length", [0, 1, 13, 126, 127, 128, 129, 1_024, 16_383, 16_384, 70_000])
def test_labels_of_any_length_are_encoded(length: int) -> None:
    """A length is written in groups of seven bits."""
    labels = Labels.of({f"n{n}": "x" * length for n in range(3)})
    gauges = [Collected("m", "", "", [Observed([Column([0.1], [labels])])])]
    (request,) = requests(gauges, RESOURCE, NOW)
    assert request == by_the_sdk(gauges)


def test_what_is_not_observed_has_no_point() -> None:
    gauges = [one_column([1, None, 3]), one_column([None], "two")]
    (request,) = requests(gauges, RESOURCE, NOW)
    assert request == by_the_sdk(gauges)
    (metric,) = request.resource_metrics[0].scope_metrics[0].metrics
    assert [point.as_int for point in metric.gauge.data_points] == [1, 3]


# Parts


def values(request: Any) -> list[tuple[str, int]]:
    """Return the points of one request as (metric, value)."""
    (resource,) = request.resource_metrics
    (scope,) = resource.scope_metrics
    return [
        (metric.name, point.as_int)
        for metric in scope.metrics
        for point in metric.gauge.data_points
    ]


def test_a_big_collection_is_split_by_points_and_loses_none() -> None:
    counts = (("one", 7_990), ("two", 20), ("none", 0), ("three", 20_000))
    gauges = [one_column(list(range(count)), name) for name, count in counts]
    found = [values(request) for request in requests(gauges, RESOURCE, NOW)]
    assert [len(each) for each in found] == [8_000, 8_000, 8_000, 4_010]
    assert [point for each in found for point in each] == [
        (name, n) for name, count in counts for n in range(count)
    ]


def test_a_collection_of_just_one_piece_is_no_two() -> None:
    assert len(list(requests([one_column([1] * 8_000)], RESOURCE, NOW))) == 1


def test_every_piece_says_whose_it_is_and_what() -> None:
    first, second = requests([one_column([1] * 9_000)], RESOURCE, NOW)
    for each in (first, second):
        assert each.resource_metrics[0].resource == by_the_sdk([]).resource_metrics[0].resource
        (metric,) = each.resource_metrics[0].scope_metrics[0].metrics
        assert (metric.name, metric.unit, metric.description) == ("one", "s", "What it is")


def test_nothing_collected_is_no_request() -> None:
    assert list(requests([], RESOURCE, NOW)) == []
    assert list(requests([Collected("one", "", "", [])], RESOURCE, NOW)) == []
    assert list(requests([one_column([None])], RESOURCE, NOW)) == []


def wide(number: int, letter: str) -> Participant:
    """Return a participant with the longest possible texts."""
    texts = dict.fromkeys((69, 70, 71, 72, 73, 74), letter * 256)
    path = {80: "ffff:" * 7 + "ffff", 81: "ffff:" * 7 + "ffff", 82: "udp", 83: letter * 256}
    rtts = [[n, path | {83: f"{n}{letter * 255}"}] for n in range(8)]
    who = {64: f"{number:05d}" + letter * 251, 66: letter * 128}
    return participant(number, {**dict.fromkeys(range(1, 13), 7), **texts, 13: rtts, **who})


@pytest.mark.parametrize("naming", Naming)
@pytest.mark.parametrize("letter", ["x", "會", "🎥"])
def test_every_request_is_below_what_grpc_takes(letter: str, naming: Naming) -> None:
    """The name of a conference may have 256 characters of four bytes each."""
    gauges = collect([wide(number, letter) for number in range(300)], naming)
    sizes = []
    left = sum(len(gauge.observations) for gauge in gauges)
    for request in requests(gauges, RESOURCE, time.time_ns()):
        sizes.append(request.ByteSize())
        left -= len(values(request))
    assert left == 0
    assert len(sizes) >= 2
    assert max(sizes) < GRPC_LIMIT
    # Nor are they too small.
    assert min(sizes[:-1]) > 3_400_000
