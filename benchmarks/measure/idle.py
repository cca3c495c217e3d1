"""The cost of a service without participants."""

from time import sleep

from benchmarks.report.bench import Bench
from benchmarks.service.running import SERVICE, STORE, running

SETTLE_SECONDS = 3
TARGET_PERCENT = 1


def measure(bench: Bench) -> None:
    """Leave a service alone for half a minute."""
    seconds = bench.choose(30, 5)
    with running() as service:
        sleep(SETTLE_SECONDS)
        watch = service.watch()
        bench.say(f"waiting {seconds} s")
        sleep(seconds)
        usage = bench.note(watch.read())
    share = {role: 100 * cpu / usage.seconds for role, cpu in usage.cpu.items()}
    bench.add("service, share of a core", [share[SERVICE]], "%", TARGET_PERCENT)
    bench.add("store, share of a core", [share[STORE]], "%")
