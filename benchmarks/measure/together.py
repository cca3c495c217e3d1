"""The delay of pushes by scrapes and OTLP, at 10,000 participants and 300 pushes a second."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from otlp_sink import OtlpSink

from benchmarks.load.order import Order
from benchmarks.report.bench import Bench
from benchmarks.service.running import EXPORTER, LASTING, PARTICIPANTS, Running, running

RATE = 300
SCRAPE_EVERY_SECONDS = 2.0
OTLP_EVERY_SECONDS = 10
TARGET_P99_MS, TARGET_POINT_US = 15, 18


def measure(bench: Bench) -> None:
    """Push at a fixed rate: alone, scraped, and exported from."""
    with running(**LASTING) as service:
        service.fill(PARTICIPANTS)
        service.scrape()
        alone = _push(bench, service, "alone")
        with _scraped(service):
            scraped = _push(bench, service, "scraped every 2 s", TARGET_P99_MS)
    with OtlpSink() as sink:
        otlp = {
            "OTEL_METRICS_EXPORTER": "otlp",
            "OTEL_EXPORTER_OTLP_ENDPOINT": sink.http_endpoint,
            "OTEL_METRIC_EXPORT_INTERVAL": str(1000 * OTLP_EVERY_SECONDS),
        }
        with running(**LASTING, **otlp) as service:
            service.fill(PARTICIPANTS)
            watch = service.watch()
            exported = _push(bench, service, "OTLP every 10 s", TARGET_P99_MS)
            exporter = watch.read().cpu[EXPORTER]
        points = sum(
            len(metric.gauge.data_points)
            for request in sink.requests
            for metric in request.metrics()
            if metric.name.startswith("jitsi_jcmc_")
        )
    bench.add_ratio("p99 scraped / alone", scraped, alone)
    bench.add_ratio("p99 with OTLP / alone", exported, alone)
    if not points:
        raise RuntimeError("no OTLP has come")
    # What began before the last push may have ended after it: a little too few points at worst.
    bench.add("exporter CPU a point", [1e6 * exporter / points], "µs", TARGET_POINT_US)
    bench.add_rate("OTLP points taken by the receiver", [points], "")


def _push(bench: Bench, service: Running, how: str, target: float | None = None) -> float:
    """Push for a while, add the latencies, and return the p99."""
    order = Order(
        rate=RATE, seconds=bench.choose(20, 12), participants=PARTICIPANTS, connections=64
    )
    results = []
    watch = service.watch()
    for _ in bench.rounds(3, 1):
        results.append(service.load(order))
        bench.note(watch.read())
    bench.add(f"{how}: p50", [result.p50 for result in results], "ms")
    p99 = bench.add(f"{how}: p99", [result.p99 for result in results], "ms", target)
    bench.add(f"{how}: longest", [result.longest for result in results], "ms")
    late = [result.late_p99 for result in results]
    bench.add(f"{how}: p99 of the generator's own delay", late, "ms")
    return p99


@contextmanager
def _scraped(service: Running) -> Iterator[None]:
    """Scrape at fixed times for as long as the block."""
    over = threading.Event()

    def scrape() -> None:
        due = monotonic()
        while not over.wait(max(0.0, due - monotonic())):
            service.scrape()
            due = max(due + SCRAPE_EVERY_SECONDS, monotonic())

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
