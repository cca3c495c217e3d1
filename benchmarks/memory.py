"""What a participant takes while it is live, and that nothing is left of those who are gone."""

from time import sleep

from benchmarks.bench import Bench, Running
from benchmarks.generator import Order
from benchmarks.scrape import LASTING, PARTICIPANTS

MIB = 2**20
# Members of the index are pruned this long after they have expired (PRUNE_BEHIND_MS), by a push.
PRUNED_SECONDS = 65
WARM_UP = 12


def measure(bench: Bench) -> None:
    """Measure 10,000 who stay, then many who come and go."""
    _measure_live(bench)
    _measure_gone(bench)


def _measure_live(bench: Bench) -> None:
    """Compare an idle service with one that has 10,000 participants and has been scraped."""
    with bench.running(**LASTING) as running:
        running.load(Order(seconds=1))
        running.store.flushall()
        running.scrape()
        empty, empty_store = running.rss_bytes("service"), running.used_memory_bytes()
        running.fill(PARTICIPANTS)
        filled_store = running.used_memory_bytes()
        for _ in bench.rounds(5, 3):
            running.scrape()
            running.scrape({})
        full = running.rss_bytes("service")
    bench.add("service, nobody live", [empty / MIB], "MiB")
    bench.add(f"service, {PARTICIPANTS} live, after scrapes", [full / MIB], "MiB")
    bench.add("service, a participant", [(full - empty) / PARTICIPANTS / 1024], "KiB")
    bench.add("store, a participant", [(filled_store - empty_store) / PARTICIPANTS], "bytes")


def _measure_gone(bench: Bench) -> None:
    """Let many different participants come and go, scraped all the while."""
    batch, batches = 10_000, bench.choose(20, 3)
    with bench.running(METRICS_EXPIRATION="2") as running:
        # The first ones are the heap finding its size: two batches may be live in one scrape.
        for number in range(WARM_UP):
            _come_and_go(bench, running, number, batch)
        before, before_store = running.rss_bytes("service"), running.used_memory_bytes()
        for number in range(WARM_UP, WARM_UP + batches):
            _come_and_go(bench, running, number, batch)
        after = running.rss_bytes("service")
        if not bench.quick:
            bench.say("waiting until the index is pruned")
            sleep(PRUNED_SECONDS)
        running.fill(1_000, first=10_000_000)
        sleep(2.5)
        running.scrape()
        after_store = running.used_memory_bytes()
    total = batch * batches
    bench.add("service before they came", [before / MIB], "MiB")
    bench.add(f"service after {total} have come and gone", [after / MIB], "MiB")
    bench.add("store before", [before_store / MIB], "MiB")
    bench.add("store after", [after_store / MIB], "MiB")


def _come_and_go(bench: Bench, running: Running, number: int, batch: int) -> None:
    """Push once for each of another *batch*, and scrape while they are live."""
    bench.say(f"{(number + 1) * batch} participants have come")
    running.fill(batch, first=number * batch)
    running.scrape()
