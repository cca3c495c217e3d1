"""The time from the command to the first answer, with the store's start."""

from time import perf_counter

from benchmarks.report.bench import Bench
from benchmarks.service.running import running

TARGET_SECONDS = 1.5


def measure(bench: Bench) -> None:
    """Start a service with its embedded store, again and again."""
    taken = []
    for _ in bench.rounds(7, 2):
        started = perf_counter()
        with running() as service:
            answer = service.service.get("/")
            taken.append(perf_counter() - started)
            if answer.status != 200:
                raise RuntimeError(f"the first answer is {answer.status}")
    bench.add("command to the first answer", taken, "s", TARGET_SECONDS)
