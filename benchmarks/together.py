"""What pushes feel of scrapes and of OTLP, at 10,000 participants and 300 pushes a second."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from otlp_sink import OtlpSink

from benchmarks.bench import Bench, Running
from benchmarks.generator import Order
from benchmarks.scrape import LASTING, PARTICIPANTS

RATE = 300
SCRAPE_EVERY_SECONDS = 2.0
OTLP_EVERY_SECONDS = 10


def measure(bench: Bench) -> None:
    """Push at a fixed rate: alone, scraped, and exported from."""
    with bench.running(**LASTING) as running:
        running.fill(PARTICIPANTS)
        running.scrape()
        _push(bench, running, "alone")
        with _scraped(running):
            _push(bench, running, "scraped every 2 s")
    with OtlpSink() as sink:
        otlp = {
            "OTEL_METRICS_EXPORTER": "otlp",
            "OTEL_EXPORTER_OTLP_ENDPOINT": sink.http_endpoint,
            "OTEL_METRIC_EXPORT_INTERVAL": str(1000 * OTLP_EVERY_SECONDS),
        }
        with bench.running(**LASTING, **otlp) as running:
            running.fill(PARTICIPANTS)
            watch = running.watch()
            _push(bench, running, "OTLP every 10 s")
            exporter = watch.read().cpu["exporter"]
        points = sum(
            len(metric.gauge.data_points)
            for request in sink.requests
            for metric in request.metrics()
            if metric.name.startswith("jitsi_jcmc_")
        )
    # What began before the last push may have ended after it: a little too few points at worst.
    if points:
        bench.add("exporter CPU a point", [1e6 * exporter / points], "µs")
        bench.add_rate("OTLP points taken by the receiver", [points], "")


def _push(bench: Bench, running: Running, how: str) -> None:
    """Push for a while and add the latencies."""
    p50s, p99s, longest = [], [], []
    watch = running.watch()
    for _ in bench.rounds(3, 1):
        result = running.load(Order(rate=RATE, seconds=bench.choose(20, 12), count=PARTICIPANTS))
        bench.note(watch.read())
        p50s.append(result.p50)
        p99s.append(result.p99)
        longest.append(result.longest)
    bench.add(f"{how}: p50", p50s, "ms")
    bench.add(f"{how}: p99", p99s, "ms")
    bench.add(f"{how}: longest", longest, "ms")


@contextmanager
def _scraped(running: Running) -> Iterator[None]:
    """Scrape at fixed times for as long as the block."""
    over = threading.Event()

    def scrape() -> None:
        due = monotonic()
        while not over.wait(max(0.0, due - monotonic())):
            running.scrape()
            due = max(due + SCRAPE_EVERY_SECONDS, monotonic())

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
