"""
100,000 participants, by one process for pushes and one that reads.

Each pushes every 10 s, and all are scraped every 15 s. The load runs on the same two cores. Beside
it, p99 with one process for everything is measured, for several numbers of participants in turns.
"""

from benchmarks.load.bodies import CLIENT, WIRE
from benchmarks.measure.sustained import Targets, hold, tell
from benchmarks.report.bench import Bench

TARGETS = Targets(failed=0, p99_ms=50, scrape_ms=3000, service_mb=700)
COUNTS, QUICK = (10_000, 25_000, 50_000, 75_000, 100_000), (1_000, 5_000)
BY = {"one": "0", "two": "1"}


def measure(bench: Bench) -> None:
    """Hold them with 13 series each, then with 30; then fewer and fewer by one process and two."""
    participants, seconds = bench.choose(100_000, 5_000), bench.choose(300, 20)
    for body, series, targets in ((WIRE, 13, TARGETS), (CLIENT, 30, Targets())):
        held = hold(bench, participants, seconds, body, JCMC_WORKERS=BY["two"])
        bench.curves[f"held {participants}, {series} series each"] = held.samples
        who = f"{participants:,} with {series} series each for {seconds} s"
        tell(bench, who, held, targets)
    seconds = bench.choose(60, 10)
    counts = QUICK if bench.quick else COUNTS
    bench.curves["large"] = [_point(bench, count, seconds) for count in counts]


def _point(bench: Bench, participants: int, seconds: int) -> dict[str, float]:
    """Return the p99 of both ways, in turns at so many *participants*."""
    point: dict[str, float] = {"participants": participants}
    for name, workers in BY.items():
        held = hold(bench, participants, seconds, JCMC_WORKERS=workers)
        assert held.result is not None
        point |= {
            f"{name}_p99_ms": held.result.p99,
            f"{name}_scrape_ms": max(held.scrapes_ms, default=0.0),
            f"{name}_failed": sum(held.result.faults.values()) + held.failed,
        }
        what = f"{participants:,} for {seconds} s by {_WORDS[name]}"
        bench.add(f"{what}: push p99", [held.result.p99], "ms")
        bench.add(f"{what}: longest scrape", [point[f"{name}_scrape_ms"]], "ms")
        bench.add(f"{what}: pushes and scrapes not answered 200", [point[f"{name}_failed"]], "")
    return point


_WORDS = {"one": "one process", "two": "one for pushes and one that reads"}
