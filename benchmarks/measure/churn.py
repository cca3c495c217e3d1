"""Whether any memory stays after a million different participants have come and gone."""

from statistics import median
from time import monotonic, sleep

import psutil

from benchmarks.load.order import Order
from benchmarks.report.bench import Bench
from benchmarks.report.machine import Family
from benchmarks.service.running import SERVICE, STORE, Running, generating, result_of, running

# About 8,000 are live at any time; each pushes once and is gone 2 s later.
RATE = 4_000
EXPIRY_SECONDS = 2
SCRAPE_EVERY_SECONDS = 4.0
TARGET_MB = 20


def measure(bench: Bench) -> None:
    """Let them come at a fixed rate, scraped all the while, and sample the memory."""
    warm_up, count = bench.choose(100_000, 40_000), bench.choose(1_000_000, 60_000)
    with running(METRICS_EXPIRATION=str(EXPIRY_SECONDS)) as service:
        order = Order(
            service.service.url,
            participants=warm_up + count,
            rate=RATE,
            seconds=(warm_up + count) / RATE,
            timeout_seconds=60,  # latency is not what this is about
        )
        with generating(order) as generator:
            load = Family(psutil.Process(generator.pid))
            watch = service.watch(load=load)
            samples = _sample(bench, service, order.seconds)
            bench.note(watch.read())
            lost = sum(result_of(generator).faults.values())
        after_store = service.used_memory_bytes()
    # The first ones are the heap finding its size.
    warm = [sample for sample in samples if sample["come"] >= warm_up]
    tenth = max(1, len(warm) // 10)
    before = median(sample[SERVICE] for sample in warm[:tenth])
    half = median(sample[SERVICE] for sample in warm[len(warm) // 2 :][:tenth])
    after = median(sample[SERVICE] for sample in warm[-tenth:])
    bench.curves["churn"] = samples
    bench.add("pushes not answered 200", [lost], "", 0)
    bench.add(f"service after {warm_up:,} have come", [before], "MB")
    bench.add(f"service after {count:,} more", [after], "MB")
    bench.add("growth of the service", [after - before], "MB", TARGET_MB)
    # What fills up to its bound grows at first only; what leaks grows as much here.
    bench.add("of it in the second half", [after - half], "MB")
    bench.add("memory that the store uses in the end", [after_store / 1e6], "MB")


def _sample(bench: Bench, service: Running, seconds: float) -> list[dict[str, float]]:
    """Scrape now and then, and return the memory after each: how many had come, MB of each role."""
    samples = []
    started = monotonic()
    due = started + SCRAPE_EVERY_SECONDS
    while due < started + seconds:
        sleep(max(0.0, due - monotonic()))
        service.scrape()
        come = RATE * (monotonic() - started)
        bench.say(f"{come:.0f} participants have come")
        samples.append(
            {"come": come, SERVICE: service.rss_mb(), STORE: service.used_memory_bytes() / 1e6}
        )
        due += SCRAPE_EVERY_SECONDS
    return samples
