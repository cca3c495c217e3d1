"""How long it takes from the command to the first answer."""

from time import perf_counter

from benchmarks.bench import Bench


def measure(bench: Bench) -> None:
    """Start a service with its embedded store, again and again."""
    taken = []
    for _ in bench.rounds(5, 2):
        started = perf_counter()
        with bench.running() as running:
            answer = running.service.get("/")
            taken.append(perf_counter() - started)
            if answer.status != 200:
                raise RuntimeError(f"the first answer is {answer.status}")
    bench.add("command to the first answer", taken, "s")
