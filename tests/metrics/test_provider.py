"""The provider without memory, beside the stock one: same points, none of past participants."""

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.metrics import CallbackOptions, Meter, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import Gauge, InMemoryMetricReader, Sum
from people import snapshot_made_of, snapshot_of, value_of

from otel_jcmc.catalogue.attributes import PARTICIPANT
from otel_jcmc.catalogue.metrics import PUSHED
from otel_jcmc.catalogue.rows import Naming
from otel_jcmc.metrics.gauges import declare
from otel_jcmc.metrics.provider import GaugeProvider
from otel_jcmc.metrics.snapshot import Snapshot, bound, current
from otel_jcmc.store.participant import from_value, to_write
from otel_jcmc.wire.push import PushParser

Point = tuple[tuple[tuple[str, Any], ...], float]
Points = dict[tuple[str, str, str], list[Point]]
PARSER = PushParser()


def someone(participant_id: str, **metrics: Any) -> bytes:
    """Return the stored value of a participant that pushed *metrics*."""
    push = {
        "default_labels": {
            "client_id": "3fa85f64-5717-4562-b3fc-2c963f66afa6",
            "participant_id": participant_id,
            "roomname": "standup",
        },
        "session": {"id": f"session-of-{participant_id}"},
        "metrics": metrics,
    }
    return value_of(to_write(PARSER.parse(json.dumps(push).encode()), 30_000))


def everyone() -> Snapshot:
    """Return a snapshot of four participants with different known values."""
    full: dict[str, Any] = {
        row.field: {"value": min(row.id, row.maximum)} for row in PUSHED if not row.is_list
    }
    full["connectionquality"] = {"value": 90, "labels": {"serverregion": "eu-west"}}
    return snapshot_made_of(
        someone(
            "full",
            **full,
            transport_rtt=[
                {"value": 41, "labels": {"protocol": "udp", "networkType": "wifi"}},
                {"value": 80, "labels": {"protocol": "tcp"}},
                {"value": 90, "labels": {"protocol": "tcp"}},
            ],
        ),
        someone("zero", connectionquality={"value": 0}, packetloss_total={"value": 0.5}),
        someone("null", connectionquality={"value": None}),
        someone("half", bitrate_upload={"value": 1234}, transport_rtt=[{"value": 0.25}]),
    )


def of_ours(provider: GaugeProvider) -> Points:
    """Return the observations of our own provider; a gauge without points is left out."""
    return {
        (gauge.name, gauge.unit, gauge.description): sorted(
            (tuple(sorted((each.attributes or {}).items())), each.value)
            for each in gauge.observations
        )
        for gauge in provider.collect()
        if gauge.observations
    }


def of_stock(reader: InMemoryMetricReader) -> Points:
    """Return the observations of the stock SDK."""
    data = reader.get_metrics_data()
    assert data is not None
    found: Points = {}
    for resource in data.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                assert isinstance(metric.data, Gauge)
                found[metric.name, metric.unit or "", metric.description or ""] = sorted(
                    (tuple(sorted(dict(point.attributes or {}).items())), point.value)
                    for point in metric.data.data_points
                )
    return found


@pytest.fixture
def provider() -> GaugeProvider:
    return GaugeProvider()


@pytest.fixture
def meter(provider: GaugeProvider) -> Meter:
    return provider.get_meter("test")


@pytest.mark.parametrize("naming", Naming)
def test_the_same_gauges_give_the_same_points_on_the_stock_provider(naming: Naming) -> None:
    reader = InMemoryMetricReader()
    stock = MeterProvider([reader], shutdown_on_exit=False)
    declare(stock.get_meter("otel_jcmc"), naming)
    ours = GaugeProvider()
    declare(ours.get_meter("otel_jcmc"), naming)
    with bound(everyone()):
        theirs, found = of_stock(reader), of_ours(ours)
    stock.shutdown()
    assert found == theirs
    # Each metric of one, a second transport, two values of two others; and four info series.
    assert sum(map(len, found.values())) == len(PUSHED) + 1 + 2 + 2 + 4


def test_who_has_left_is_gone_from_the_next_collection_of_ours_alone() -> None:
    """The stock SDK still has a point for them, which is why we have our own provider."""
    reader = InMemoryMetricReader()
    stock, ours = MeterProvider([reader], shutdown_on_exit=False), GaugeProvider()
    for provider in (stock, ours):
        declare(provider.get_meter("otel_jcmc"), Naming.JCMC)
    with bound(everyone()):
        of_stock(reader), of_ours(ours)
    with bound(snapshot_made_of(someone("half", bitrate_upload={"value": 1}))):
        found = of_ours(ours)
    stock.shutdown()
    (((labels, value),), _info) = found.values()
    assert dict(labels)["participant_id"] == "half"
    assert value == 1


def test_nothing_is_kept_between_collections(provider: GaugeProvider, meter: Meter) -> None:
    seen = iter(range(100))
    meter.create_observable_gauge("g", [lambda _: [Observation(1, {"n": str(next(seen))})]])
    sizes = [len(provider.collect()[0].observations) for _ in range(100)]
    assert sizes == [1] * 100


# Callbacks


def fails(_: CallbackOptions) -> Iterable[Observation]:
    raise RuntimeError("broken")


def works(_: CallbackOptions) -> Iterable[Observation]:
    return [Observation(7, {"a": "b"})]


def test_a_callback_that_raises_costs_its_own_family_alone(
    provider: GaugeProvider, meter: Meter
) -> None:
    meter.create_observable_gauge("before", [works])
    meter.create_observable_gauge("broken", [works, fails])
    meter.create_observable_gauge("after", [works])
    assert [gauge.name for gauge in provider.collect()] == ["before", "after"]


def test_a_callback_that_raises_is_counted_each_time(provider: GaugeProvider, meter: Meter) -> None:
    meter.create_observable_gauge("broken", [fails])
    for _ in range(3):
        provider.collect()
    assert provider.errors == {"broken": 3}


def test_a_callback_that_raises_is_logged_once_per_change(
    provider: GaugeProvider, meter: Meter, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    troubles: list[Exception | None] = [
        None,
        ValueError("one"),
        ValueError("one"),
        KeyError("two"),
        None,
        None,
        KeyError("two"),
    ]

    def observe(_: CallbackOptions) -> Iterable[Observation]:
        if trouble := troubles.pop(0):
            raise trouble
        return [Observation(1)]

    meter.create_observable_gauge("g", [observe])
    for _ in range(7):
        provider.collect()
    line = observe.__code__.co_firstlineno + 2
    assert [record.getMessage() for record in caplog.records] == [
        f"gauge g is left out: ValueError in test_provider.py, line {line}",
        f"gauge g is left out: KeyError in test_provider.py, line {line}",
        "gauge g is back",
        f"gauge g is left out: KeyError in test_provider.py, line {line}",
    ]
    assert provider.errors == {"g": 4}


def test_a_broken_gauge_is_seen_by_who_scrapes() -> None:
    """The application shares the provider's count with its own metrics."""
    from otel_jcmc.config.settings import Settings
    from otel_jcmc.service.parts import Parts

    parts = Parts(Settings())
    parts.reading.scraper.gauges.errors["broken"] = 1
    text = parts.telemetry.instruments.exposition(openmetrics=False).decode()
    assert 'otel_jcmc_callback_errors_total{gauge="broken"} 1.0' in text


# Declarations


def test_a_name_that_is_declared_with_another_unit_fails_at_once(meter: Meter) -> None:
    meter.create_observable_gauge("g", [works], "s")
    with pytest.raises(ValueError, match="gauge g is declared with unit 's' and 'ms'"):
        meter.create_observable_gauge("g", [works], "ms")


def test_a_name_that_is_declared_by_two_meters_is_one_gauge(provider: GaugeProvider) -> None:
    for name in ("one", "two"):
        provider.get_meter(name).create_observable_gauge("g", [works], "s")
    (gauge,) = provider.collect()
    assert len(gauge.observations) == 2


def test_gauges_are_collected_in_the_order_of_their_declaration(
    provider: GaugeProvider, meter: Meter
) -> None:
    for name in ("b", "a", "c"):
        meter.create_observable_gauge(name, [works])
    assert [gauge.name for gauge in provider.collect()] == ["b", "a", "c"]


def test_a_gauge_without_callbacks_observes_nothing(provider: GaugeProvider, meter: Meter) -> None:
    meter.create_observable_gauge("g", unit="s", description="of nothing")
    (gauge,) = provider.collect()
    assert (gauge.name, gauge.unit, gauge.description) == ("g", "s", "of nothing")
    assert gauge.observations == []


def test_other_instruments_are_another_providers() -> None:
    reader = InMemoryMetricReader()
    stock = MeterProvider([reader], shutdown_on_exit=False)
    ours = GaugeProvider(stock)
    meter = ours.get_meter("test")
    meter.create_counter("c").add(2)
    meter.create_up_down_counter("u").add(-3)
    meter.create_histogram("h").record(4)
    meter.create_gauge("g").set(5)
    meter.create_observable_counter("oc", [works])
    meter.create_observable_up_down_counter("ou", [works])
    meter.create_observable_gauge("og", [works])
    data = reader.get_metrics_data()
    assert data is not None
    metrics = {
        metric.name: metric.data for metric in data.resource_metrics[0].scope_metrics[0].metrics
    }
    stock.shutdown()
    assert set(metrics) == {"c", "u", "h", "g", "oc", "ou"}
    assert isinstance(metrics["c"], Sum)
    assert metrics["c"].data_points[0].value == 2
    assert [gauge.name for gauge in ours.collect()] == ["og"]


def test_other_instruments_go_nowhere_without_another_provider(meter: Meter) -> None:
    meter.create_counter("c").add(2)
    meter.create_histogram("h").record(4)


# Simultaneous collections


def test_two_collections_at_once_have_a_snapshot_each(
    provider: GaugeProvider, meter: Meter
) -> None:
    """Each callback waits until the other collection is in it, too."""
    both = threading.Barrier(2, timeout=10)

    def observe(_: CallbackOptions) -> Iterable[Observation]:
        both.wait()
        seen = [stay.attributes[PARTICIPANT.id] for stay in current().stays]
        both.wait()
        return [Observation(1, {"who": who}) for who in seen]

    meter.create_observable_gauge("g", [observe])
    found: dict[str, set[str]] = {}

    def collect(name: str) -> None:
        participant = from_value(someone(name, bitrate_upload={"value": 1}))
        assert participant is not None
        with bound(snapshot_of(participant)):
            (gauge,) = provider.collect()
        found[name] = {str((each.attributes or {})["who"]) for each in gauge.observations}

    threads = [threading.Thread(target=collect, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert found == {"one": {"one"}, "two": {"two"}}


def test_a_snapshot_ends_with_its_collection() -> None:
    with bound(everyone()):
        assert len(current().stays) == 4
    assert not current().stays


def test_a_snapshot_ends_with_a_collection_that_fails() -> None:
    with pytest.raises(RuntimeError, match="broken"), bound(everyone()):
        raise RuntimeError("broken")
    assert not current().stays


# The owner of the process


def test_no_global_of_the_process_is_touched(short_path: Path) -> None:
    """Not in a whole life with a scrape: the application may be mounted in another one."""
    script = """
import asyncio, logging, sys
import opentelemetry.metrics._internal as metrics, opentelemetry.trace as trace
import prometheus_client

def globals():
    return (
        metrics._METER_PROVIDER,
        trace._TRACER_PROVIDER,
        [family.name for family in prometheus_client.REGISTRY.collect()],
        sys.getswitchinterval(),
        logging.getLogger().handlers,
        logging.getLogger().level,
        logging.getLogger("otel_jcmc").handlers,
    )

before = globals()
from otel_jcmc import Settings, create_app
app = create_app(Settings())
sent = []

async def live():
    async def send(message):
        sent.append(message)
    async def receive():
        await asyncio.Event().wait()
    scope = {"type": "http", "method": "GET", "path": "/metrics", "headers": [],
             "query_string": b"", "client": ("127.0.0.1", 1)}
    async with app.router.lifespan_context(app):
        await app(scope, receive, send)
        assert globals() == before, globals()

asyncio.run(live())
assert sent[0]["status"] == 200
assert globals() == before, globals()
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"JCMC_EMBEDDED_DIR": str(short_path / "r")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
