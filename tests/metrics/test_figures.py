"""metrics/own.py: the counts of several processes look as if one process had counted all."""

import re
from collections.abc import Callable, Iterator
from time import time_ns
from typing import Any

import pytest
from forking import run_forked
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from otlp_sink import OtlpSink

from otel_jcmc.catalogue.metrics import LAST_METRIC_ID
from otel_jcmc.catalogue.own import OWN_METRICS
from otel_jcmc.catalogue.reasons import Reason
from otel_jcmc.intake.joins import Joins
from otel_jcmc.metrics.figures import Figures
from otel_jcmc.metrics.histograms import Histograms
from otel_jcmc.metrics.own import READER, WORKER, Telemetry, make_resource
from otel_jcmc.metrics.places import Places, take_over
from otel_jcmc.metrics.prometheus import render
from otel_jcmc.otlp.metrics import OwnMetricExporter
from otel_jcmc.otlp.sender import Sender, Signal
from otel_jcmc.server.connections import ConnectionLimits, Connections, Cut
from otel_jcmc.wire.push import Report
from otel_jcmc.wire.session import Session

# Series that tell the number of processes.
OF_PROCESSES = re.compile(r"^otel_jcmc_(workers|process_starts_total)\b.*\n", re.MULTILINE)


class History:
    """History as one process knows it."""

    def __init__(self) -> None:
        self.samples = {"written": 0, "dropped": 0}
        self.evicted = {"number": 0}
        self.sessions: int | None = None
        self.taken_bytes: int | None = None
        self.waiting = 0


class Process:
    """One process of the service: its counters, and what a scrape of it shows."""

    def __init__(
        self,
        process: str = WORKER,
        others: Callable[[], list[Figures]] = list,
        most_regions: int = 50,
    ) -> None:
        self.history = History()
        self.errors = {"jitsi_jcmc_info": 0}
        self.connections = Connections(ConnectionLimits(), {})
        self.open = 0
        self.joins = Joins()
        self.fleet = Histograms(most_regions=most_regions)
        self.telemetry = Telemetry(
            make_resource("calls", "", "one"),
            self.history,
            self.errors,
            self.connections.cut,
            lambda: self.open,
            self.joins,
            self.fleet,
            process,
            others,
            lambda: 1_764_500_000.75,
        )
        self.telemetry.expect(["prometheus"], spans=True, events=True, push_tokens=True)
        self.telemetry.store_up = True

    def text(self, *, openmetrics: bool = False) -> str:
        """Return a scrape of this process."""
        own = self.telemetry.instruments.exposition(openmetrics=openmetrics)
        pieces = render([], own, self.telemetry.fleet(), is_openmetrics=openmetrics)
        return b"".join(pieces).decode()

    def value(self, series: str) -> float | None:
        """Return the value of one *series* in a scrape; None: absent."""
        found = re.findall(rf"^{re.escape(series)} (\S+)$", self.text(), re.MULTILINE)
        return float(found[0]) if found else None


def report(loss: float | None = None, region: str = "", cause: str = "") -> Report:
    numbers: list[Any] = [None] * LAST_METRIC_ID
    numbers[9] = loss
    session = Session("s")
    session.cause = cause
    return Report("standup", "", "ada", session, {69: region} if region else {}, numbers)


def count_one(of: Process) -> None:
    for seconds in (0.25, 0.5, 0.5, 16.0):
        of.telemetry.record_batch(seconds)
    of.telemetry.count_push("accepted")
    of.telemetry.count_push("refused", Reason.NOT_JSON)
    of.telemetry.count_dropped([Reason.UNKNOWN_FIELD])
    of.telemetry.suppressed[Reason.ADDRESS_LIMIT] += 1
    of.joins.count_joined(report(region="eu-west"))
    of.joins.count_failed(report(region="us-east", cause="conference.failed"))
    of.fleet.count(report(0.5, "eu-west"))
    of.fleet.count(report(64))
    of.history.samples["written"] += 3
    of.history.waiting = 2
    of.connections.cut[Cut.IDLE] += 4
    of.open = 5


def count_other(of: Process) -> None:
    of.telemetry.record_batch(0.125)
    of.telemetry.count_push("accepted")
    of.telemetry.count_push("accepted", Reason.SUPERSEDED)
    of.telemetry.count_push_token("accepted")
    of.telemetry.drop_events(2)
    of.joins.count_joined(report(region="us-east"))
    of.fleet.count(report(1.5, "ap-south"))
    of.fleet.count(report(0.25, "eu-west"))
    of.history.samples["dropped"] += 1
    of.history.evicted["number"] += 9
    of.history.sessions, of.history.taken_bytes = 12, 3456
    of.errors["jitsi_jcmc_info"] += 1
    of.open = 7


def count_shown(of: Process) -> None:
    of.telemetry.record_export("prometheus", "ok", 0.75)
    of.telemetry.record_export("otlp", "partial", 0.5, "rejects 2 points")
    of.telemetry.record_snapshot(3, 1)
    of.telemetry.standing_known = 1
    of.telemetry.partitions_unread = 0
    of.telemetry.count_look("ok")
    of.telemetry.record_spans({"sent": 8}, 4)
    of.telemetry.record_events({"sent": 5}, 3)
    of.telemetry.reads_refused["scrape", "address"] = 6


def lines(text: str) -> list[str]:
    """Return the lines of *text*, except those about processes; families are complete."""
    families = re.split(r"(?m)^(?=# HELP )", OF_PROCESSES.sub("", text))
    return sorted("".join(sorted(family.splitlines(keepends=True))) for family in families)


@pytest.mark.parametrize("openmetrics", [False, True])
def test_a_scrape_of_three_processes_is_that_of_one_which_counted_all(*, openmetrics: bool) -> None:
    places = Places(3)

    def work(slot: int, count: Callable[[Process], None]) -> None:
        worker = Process()
        count(worker)
        places[slot].publish(worker.telemetry.figures())

    run_forked(lambda: work(0, count_one))
    run_forked(lambda: work(1, count_other))
    reader = Process(READER, places.others(2))
    count_shown(reader)
    alone = Process()
    for count in (count_one, count_other, count_shown):
        count(alone)
    alone.open, alone.history.waiting = 5 + 7, 2
    found = reader.text(openmetrics=openmetrics)
    assert lines(found) == lines(alone.text(openmetrics=openmetrics))
    assert set(OF_PROCESSES.findall(found)) == {"workers", "process_starts_total"}
    assert reader.value("otel_jcmc_workers") == 2
    assert reader.value('otel_jcmc_process_starts_total{process="worker"}') == 2
    assert reader.value('otel_jcmc_process_starts_total{process="reader"}') == 1
    assert alone.value("otel_jcmc_workers") == 1
    # Reading adds nothing.
    assert reader.text(openmetrics=openmetrics) == found


def test_a_successor_counts_on() -> None:
    """No counter goes backwards, and gauges are those of the present processes."""
    places = Places(2)
    reader = Process(READER, places.others(1))

    def work() -> None:
        worker = Process()
        take_over(places[0], worker.telemetry)
        assert worker.telemetry.figures().gauges["otel_jcmc.connections"] == 0
        count_one(worker)
        places[0].publish(worker.telemetry.figures())

    shown = []
    for _ in range(3):
        run_forked(work)
        shown.append(reader.text())
        assert reader.value("otel_jcmc_connections") == 5
        assert reader.value("otel_jcmc_workers") == 1
    for life, text in enumerate(shown, 1):
        for series, of_each in (
            ('otel_jcmc_pushes_total{outcome="refused",reason="not_json"}', 1),
            ('otel_jcmc_joins_total{outcome="joined",region="eu-west"}', 1),
            ('otel_jcmc_joins_failed_total{cause="conference.failed",region="us-east"}', 1),
            ('otel_jcmc_history_samples_total{outcome="written"}', 3),
            ('otel_jcmc_connections_cut_total{reason="idle"}', 4),
            ('otel_jcmc_push_duration_seconds_bucket{le="0.25"}', 1),
            ("otel_jcmc_push_duration_seconds_count", 4),
            ("otel_jcmc_push_duration_seconds_sum", 17.25),
            ('jitsi_jcmc_fleet_packetloss_upload_bucket{region="eu-west",le="0.5"}', 1),
            ("jitsi_jcmc_fleet_packetloss_upload_sum", 64),
            ('otel_jcmc_process_starts_total{process="worker"}', 1),
        ):
            (value,) = re.findall(rf"(?m)^{re.escape(series)} (\S+)$", text)
            assert float(value) == life * of_each, series


def test_a_process_that_ends_before_it_has_begun_is_known_to_have_started() -> None:
    places = Places(2)
    reader = Process(READER, places.others(1))
    for life in (1, 2, 3):
        run_forked(lambda: take_over(places[0], Process().telemetry))
        starts = reader.value('otel_jcmc_process_starts_total{process="worker"}')
        assert (starts, reader.value("otel_jcmc_workers")) == (life, 0)


def test_the_reader_counts_on_too() -> None:
    places = Places(2)
    for life in (1, 2):
        reader = Process(READER, places.others(1))
        take_over(places[1], reader.telemetry)
        assert reader.value("otel_jcmc_participants") is None
        count_shown(reader)
        places[1].publish(reader.telemetry.figures())
        assert reader.value('otel_jcmc_looks_total{outcome="ok"}') == life
        count = 'otel_jcmc_collection_duration_seconds_count{exporter="prometheus"}'
        assert reader.value(count) == life
        assert reader.value("otel_jcmc_participants") == 3


def test_a_successor_names_no_more_regions_than_its_place_may() -> None:
    left = Process(most_regions=2)
    for region in ("one", "two", "three"):
        left.fleet.count(report(1, region))
    for number in range(60):
        left.joins.count_joined(report(region=f"region-{number}"))
    new = Process(most_regions=2)
    new.telemetry.resume(left.telemetry.figures())
    for region in ("four", "two"):
        new.fleet.count(report(1, region))
    new.joins.count_joined(report(region="region-60"))
    new.joins.count_joined(report(region="region-1"))
    figures = new.telemetry.figures()
    assert {
        region: table[0] for region, table in figures.histograms["fleet_packetloss_upload"].items()
    } == {
        "one": 1,
        "two": 2,
        "other": 2,
    }
    joined = {
        region: count
        for (outcome, region), count in new.joins.outcomes.items()
        if outcome == "joined"
    }
    assert (len(joined), joined["other"], joined["region-1"]) == (52, 11, 2)


@pytest.mark.parametrize(
    ("workers", "reader", "told"), [((1, 1), 1, 1), ((1, 0), 1, 0), ((1, 1), 0, 0)]
)
def test_the_store_is_up_if_every_process_reaches_it(
    workers: tuple[int, int], reader: int, told: int
) -> None:
    places = Places(3)
    for slot, is_up in enumerate(workers):
        worker = Process()
        worker.telemetry.store_up = bool(is_up)
        places[slot].publish(worker.telemetry.figures())
    shown = Process(READER, places.others(2))
    shown.telemetry.store_up = bool(reader)
    assert shown.value("otel_jcmc_store_up") == told


def test_every_metric_is_published() -> None:
    process = Process()
    count_other(process)
    count_shown(process)
    figures = process.telemetry.figures()
    kinds: dict[str, set[str]] = {}
    for row in OWN_METRICS:
        kinds.setdefault(row.kind, set()).add(row.name)
    assert figures.counters.keys() == kinds["counter"]
    assert figures.gauges.keys() == kinds["gauge"] - {"otel_jcmc.build_info"}
    assert figures.histograms.keys() > kinds["histogram"]


@pytest.fixture
def sink() -> Iterator[OtlpSink]:
    with OtlpSink() as running:
        yield running


def test_otlp_tells_the_sum_since_the_first_began(sink: OtlpSink) -> None:
    """A new start with a higher value would count twice at a receiver that looks at start times."""
    places = Places(2)
    before = time_ns()
    first = Process()
    began = time_ns()
    count_one(first)
    places[0].publish(first.telemetry.figures())
    reader = Process(READER, places.others(1))
    reader.telemetry.record_batch(0.5)
    count_other(reader)
    sender = Sender(Signal.METRICS, "http/protobuf", 5, sink.http_endpoint)
    telemetry = reader.telemetry
    exporter = OwnMetricExporter(
        sender, "our own metrics", 5, telemetry.histograms, telemetry.since
    )
    telemetry.instruments.add_reader(PeriodicExportingMetricReader(exporter, 60_000))
    telemetry.instruments.shut_down(5_000)
    (request,) = sink.requests
    metrics = {metric.name: metric for metric in request.metrics()}
    pushes = {
        tuple(each.value.string_value for each in point.attributes): point
        for point in metrics["otel_jcmc.pushes"].sum.data_points
    }
    assert pushes["accepted", ""].as_int == 2
    (point,) = metrics["otel_jcmc.push_duration"].histogram.data_points
    assert metrics["otel_jcmc.push_duration"].unit == "s"
    assert (point.count, point.sum) == (6, 17.875)
    assert list(point.bucket_counts) == [0, 0, 0, 0, 0, 0, 0, 0, 2, 3, 0, 0, 0, 0, 1]
    fleet = metrics["jitsi_jcmc_fleet_packetloss_upload"].histogram.data_points
    assert sum(each.count for each in fleet) == 4
    for each in (point, *fleet, *pushes.values()):
        assert before < each.start_time_unix_nano < began
