"""What one push costs: each is acknowledged when the store has it."""

from benchmarks.bench import Bench
from benchmarks.generator import Order

CONNECTIONS = 64


def measure(bench: Bench) -> None:
    """Push as fast as 64 connections can, and divide the CPU by the pushes."""
    seconds = bench.choose(5, 2)
    service, store, rates, p50s, p99s = [], [], [], [], []
    with bench.running() as running:
        running.load(
            Order(seconds=1, connections=CONNECTIONS)
        )  # caches fill, and the heap finds its size
        watch = running.watch()
        for _ in bench.rounds(5, 2):
            result = running.load(Order(seconds=seconds, connections=CONNECTIONS))
            usage = bench.note(watch.read())
            service.append(1e6 * usage.cpu["service"] / result.pushes)
            store.append(1e6 * usage.cpu["store"] / result.pushes)
            rates.append(result.pushes / result.seconds)
            p50s.append(result.p50)
            p99s.append(result.p99)
    bench.add("service CPU a push", service, "µs", 100)
    bench.add("store CPU a push", store, "µs")
    bench.add_rate(f"pushes, {CONNECTIONS} connections", rates, "/s")
    bench.add("p50 at full load", p50s, "ms")
    bench.add("p99 at full load", p99s, "ms")
