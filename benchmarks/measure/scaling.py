"""The cost of a push, of a series in a scrape and of a participant, from a hundred of these up."""

from statistics import median

from benchmarks.load.order import Order
from benchmarks.report.bench import Bench
from benchmarks.service.running import LASTING, PROMETHEUS, SERVICE, STORE, running

PARTICIPANTS = (100, 300, 1_000, 3_000, 10_000, 30_000, 50_000)
QUICK = (100, 1_000, 5_000)
# The kernel tells CPU in hundredths of a second: enough of it for each figure.
LEAST_PUSHES, LEAST_SERIES = 30_000, 400_000
SERIES_EACH = 13


def measure(bench: Bench) -> None:
    """Fill a service of its own for each number, push and scrape it in turns."""
    points = [_measure_at(bench, count) for count in (QUICK if bench.quick else PARTICIPANTS)]
    bench.curves["scaling"] = points
    for name, unit in (
        ("plain_ms", "ms"),
        ("openmetrics_ms", "ms"),
        ("series_us", "µs"),
        ("push_us", "µs"),
        ("rss_mb", "MB"),
    ):
        for point in points:
            what = f"{point['participants']:,} participants: {_WORDS[name]}"
            bench.add(what, [point[name]], unit)


_WORDS = {
    "plain_ms": "scrape, plain text",
    "openmetrics_ms": "scrape, OpenMetrics and gzip",
    "series_us": "CPU of service and store for a series of it",
    "push_us": "CPU of the service for a push",
    "rss_mb": "memory of the service",
}


def _measure_at(bench: Bench, participants: int) -> dict[str, float]:
    """Return the costs at so many *participants*; all have pushed before each scrape."""
    bench.say(f"{participants} participants")
    plain, openmetrics, push_us = [], [], []
    series_seconds = 0.0
    series = participants * SERIES_EACH
    rounds = bench.choose(5, 2)
    again = max(1, LEAST_SERIES // rounds // series)
    with running(**LASTING) as service:
        pushes = max(LEAST_PUSHES, participants)
        order = Order(participants=participants, pushes=pushes)
        service.load(order)
        watch = service.watch()
        for _ in range(rounds):
            watch.read()
            result = service.load(order)
            push_us.append(1e6 * bench.note(watch.read()).cpu[SERVICE] / result.pushes)
            for _ in range(again):
                service.fill(participants)
                watch.read()
                openmetrics.append(1e3 * service.scrape(PROMETHEUS).seconds)
                cpu = bench.note(watch.read()).cpu
                series_seconds += cpu[SERVICE] + cpu[STORE]
                plain.append(1e3 * service.scrape({}).seconds)
        rss_mb = service.rss_mb()
    return {
        "participants": participants,
        "plain_ms": median(plain),
        "openmetrics_ms": median(openmetrics),
        "series_us": 1e6 * series_seconds / len(openmetrics) / series,
        "push_us": median(push_us),
        "rss_mb": rss_mb,
    }
