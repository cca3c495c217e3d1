"""Series that are over are ended: in two accepted exports, and never while they are live."""

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.sdk.resources import Resource
from people import person, snapshot_of
from sink_requests import Request

from otel_jcmc.catalogue.rows import Naming
from otel_jcmc.metrics.gauges import declare
from otel_jcmc.metrics.observed import Column, Labels, Observed
from otel_jcmc.metrics.provider import Collected, GaugeProvider
from otel_jcmc.metrics.snapshot import bound
from otel_jcmc.otlp.points import MAX_POINTS, requests
from otel_jcmc.otlp.told import TIMES, Told, add_over
from otel_jcmc.store.participant import Participant

NOW = 1_700_000_000_123_456_789
RESOURCE = Resource({"service.name": "meet"})


def gauge(*names: str, name: str = "one") -> Collected:
    """Return a gauge with a series for each of *names*."""
    labels = [Labels.of({"n": each}) for each in names]
    return Collected(name, "s", "What it is", [Observed([Column([1.5] * len(names), labels)])])


class Receiver:
    """A receiver that gets collections, and accepts them or not."""

    def __init__(self) -> None:
        self.told = Told()

    def hear(self, *gauges: Collected, takes: bool = True) -> tuple[list[str], list[str]]:
        """Return the series of a collection with a value, and those that it ends."""
        self.told.begin()
        messages = list(requests(gauges, RESOURCE, NOW, self.told))
        self.told.end(is_taken=takes)
        heard = [Request("http", each, 0, {}) for each in messages]
        values = [point.attributes["n"] for each in heard for point in each.points()]
        return values, [with_["n"] for each in heard for _, with_ in each.over()]


def test_who_is_not_there_any_more_is_over_twice_and_then_never() -> None:
    receiver = Receiver()
    assert receiver.hear(gauge("ada", "bob")) == (["ada", "bob"], [])
    for _ in range(TIMES):
        assert receiver.hear(gauge("bob")) == (["bob"], ["ada"])
    assert receiver.hear(gauge("bob")) == (["bob"], [])
    assert receiver.told.any


def test_what_was_not_taken_is_told_again() -> None:
    receiver = Receiver()
    receiver.hear(gauge("ada", "bob"))
    for _ in range(3):
        assert receiver.hear(gauge("bob", "cid"), takes=False)[1] == ["ada"]
    # Parts of a failed collection may have arrived, so series that were only in it are ended, too.
    assert sorted(receiver.hear(gauge("bob"))[1]) == ["ada", "cid"]
    assert sorted(receiver.hear(gauge("bob"))[1]) == ["ada", "cid"]
    assert receiver.hear(gauge("bob"))[1] == []


def test_who_is_back_is_not_over() -> None:
    receiver = Receiver()
    receiver.hear(gauge("ada"), gauge("x", name="two"))
    assert receiver.hear(gauge(), gauge("x", name="two"))[1] == ["ada"]
    assert receiver.hear(gauge("ada"), gauge("x", name="two")) == (["ada", "x"], [])
    for _ in range(TIMES):
        assert receiver.hear(gauge(), gauge("x", name="two"))[1] == ["ada"]
    assert receiver.hear(gauge(), gauge("x", name="two"))[1] == []


def test_a_gauge_that_is_not_collected_is_over_as_a_whole_and_under_its_name() -> None:
    receiver = Receiver()
    receiver.hear(gauge("ada", "bob"), gauge("x", name="two"))
    receiver.told.begin()
    (message,) = requests([gauge("x", name="two")], RESOURCE, NOW, receiver.told)
    receiver.told.end(is_taken=True)
    *_, metric = message.resource_metrics[0].scope_metrics[0].metrics
    assert (metric.name, metric.unit, metric.description) == ("one", "s", "What it is")
    points = metric.gauge.data_points
    assert {(each.time_unix_nano, each.flags, each.WhichOneof("value")) for each in points} == {
        (NOW, 1, None)
    }
    assert sorted(each.attributes[0].value.string_value for each in points) == ["ada", "bob"]


def test_nothing_is_kept_of_what_is_over_and_told() -> None:
    receiver = Receiver()
    receiver.hear(gauge("ada"))
    for _ in range(TIMES):
        assert receiver.hear()[1] == ["ada"]
    assert not receiver.told.any
    assert receiver.hear() == ([], [])


def test_what_another_tells_is_not_over() -> None:
    receiver = Receiver()
    receiver.hear(gauge("ada"))
    receiver.told.forget()
    assert receiver.hear(gauge("bob")) == (["bob"], [])


def test_a_value_that_is_not_known_any_more_is_over() -> None:
    receiver = Receiver()
    receiver.hear(gauge("ada", "bob"))
    labels = [Labels.of({"n": each}) for each in ("ada", "bob")]
    column = Column([1.0, None], labels)
    unknown = Collected("one", "s", "What it is", [Observed([column])])
    assert receiver.hear(unknown) == (["ada"], ["bob"])


def test_what_is_over_is_in_pieces_that_arrive_too() -> None:
    receiver = Receiver()
    many = [str(number) for number in range(MAX_POINTS + 3)]
    receiver.hear(gauge(*many))
    receiver.told.begin()
    sizes = [
        len(each.resource_metrics[0].scope_metrics[0].metrics[0].gauge.data_points)
        for each in requests([gauge("ada")], RESOURCE, NOW, receiver.told)
    ]
    assert sizes == [MAX_POINTS, 4]


@pytest.mark.parametrize("naming", Naming)
def test_every_series_of_a_leaver_is_over_and_none_of_another(naming: Naming) -> None:
    """With labels of any length: the end has the same attributes as the series had."""
    people = [
        person(
            {1: 90, 6: 41.5, 64: "x" * (1 + 100 * number), 65: f"client-{number}", 66: "ada"},
            f"of-{number}",
        )
        for number in range(3)
    ]
    provider = GaugeProvider()
    declare(provider.get_meter("test"), naming)

    def collect(there: list[Participant]) -> list[Collected]:
        with bound(snapshot_of(*there)):
            return provider.collect()

    told = Told()
    heard = []
    for there in (people, people[:2]):
        told.begin()
        (message,) = requests(collect(there), RESOURCE, NOW, told)
        told.end(is_taken=True)
        heard.append(Request("http", message, 0, {}))
    before = {(p.name, *sorted(p.attributes.items())) for p in heard[0].points()}
    after = {(p.name, *sorted(p.attributes.items())) for p in heard[1].points()}
    over = {(name, *sorted(with_.items())) for name, with_ in heard[1].over()}
    assert over == before - after != set()


def test_our_own_series_that_end_are_over_too() -> None:
    told = Told()

    def hear(*, live: bool) -> Request:
        request = ExportMetricsServiceRequest()
        scope = request.resource_metrics.add().scope_metrics.add()
        counter = scope.metrics.add(name="otel_jcmc.pushes")
        counter.sum.is_monotonic = True
        counter.sum.data_points.add(as_int=7).attributes.add(key="outcome").value.string_value = "a"
        if live:
            scope.metrics.add(name="otel_jcmc.participants").gauge.data_points.add(as_int=3)
        add_over(request, told, NOW)
        told.end(is_taken=True)
        return Request("http", request, 0, {})

    assert hear(live=True).over() == []
    for _ in range(TIMES):
        heard = hear(live=False)
        assert heard.over() == [("otel_jcmc.participants", {})]
        assert [point.name for point in heard.points()] == ["otel_jcmc.pushes"]
    assert hear(live=False).over() == []
