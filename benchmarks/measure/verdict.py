"""The cost of the verdict and the histograms for a push, in a loop: no socket, no store."""

from collections.abc import Callable
from time import process_time

from benchmarks.load.bodies import CLIENT, WIRE
from benchmarks.load.pushes import Pushes
from benchmarks.report.bench import Bench
from otel_jcmc.metrics.histograms import Histograms
from otel_jcmc.simulate.client import Target
from otel_jcmc.verdict.judge import Judge
from otel_jcmc.wire.push import PushParser, Report

# Few, because what a service looks at has just been read and is in the core's cache.
PUSHES = 100
TURNS = 200
INTERVAL_MS = 10_000
TARGET_US = 2.0


def measure(bench: Bench) -> None:
    """Judge and count the same pushes, in turns."""
    parts: dict[str, list[Callable[[], None]]] = {}
    for shape in (WIRE, CLIENT):
        judge, count = _parts(_reports(shape))
        parts |= {f"judge, {shape}": [judge], f"histograms, {shape}": [count]}
        parts[f"both, {shape}"] = [judge, count]
    seen: dict[str, list[float]] = {name: [] for name in parts}
    for _ in bench.rounds(15, 5):
        for name, jobs in parts.items():
            before = process_time()
            for _ in range(TURNS):
                for job in jobs:
                    job()
            seen[name].append((process_time() - before) / TURNS / PUSHES * 1e6)
    for name, rounds in seen.items():
        bench.add(name, rounds, "µs", TARGET_US if name.startswith("both") else None)


def _parts(reports: list[Report]) -> tuple[Callable[[], None], Callable[[], None]]:
    """Return what judges all *reports* and what counts them, as a service does by default."""
    note, count = Judge().note, Histograms().count

    def judge_all() -> None:
        for report in reports:
            note(report.numbers, INTERVAL_MS, is_direct=False)

    def count_all() -> None:
        for report in reports:
            count(report)

    judge_all()
    return judge_all, count_all


def _reports(shape: str) -> list[Report]:
    """Return a push of each of as many participants, parsed; many of `wire` have some loss."""
    pushes, parse = Pushes(Target("http://127.0.0.1:3000"), 0, PUSHES, shape), PushParser().parse
    return [parse(pushes.next().partition(b"\r\n\r\n")[2]) for _ in range(PUSHES)]
