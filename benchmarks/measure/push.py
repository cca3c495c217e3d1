"""
The cost of one push, with all limits on: the service answers when the store has it.

The cost is the CPU time of the event loop, which does all the work of a push. Every ten seconds a
thread beside it looks for what stands out among all participants. That costs by the participant
and not by the push, and falls into one turn or another, so it has its own figure.
"""

from dataclasses import replace
from statistics import mean

from benchmarks.load.order import Order, Result
from benchmarks.report.bench import Bench
from benchmarks.report.machine import Usage
from benchmarks.service.floor import running_floor
from benchmarks.service.running import BESIDE, SERVICE, STORE, load, running
from otel_jcmc.metrics.watch import LOOK_SECONDS

CONNECTIONS = 64
TARGET_US = 40
# A push may cost this many times the floor of the same round.
TARGET_RATIO = 1.8
# So many that none of them pushes more than once a second, which the limits would refuse.
PARTICIPANTS = 40_000
LIMITS = {"JCMC_LIMIT_PARTICIPANT_PUSHES_PER_SECOND": "1"}
Rounds = list[tuple[Result, Usage]]


def measure(bench: Bench) -> None:
    """Push as fast as 64 connections can, in turns to the service and to the floor."""
    seconds = 2  # short, so that the turns of a round meet the machine in one mood
    with running(**LIMITS) as service, running_floor() as floor:
        wire = Order(service.service.url, PARTICIPANTS, connections=CONNECTIONS, seconds=seconds)
        orders = {
            "a push": wire,
            "a push, head of four lines": replace(wire, lean=True),
            # Other participants: the same one with another session would leave and join again.
            "a push of 30 series": replace(wire, body="client", first=PARTICIPANTS),
            "the floor": replace(wire, url=floor.url),
        }
        for order in orders.values():
            load(replace(order, seconds=1))  # caches fill, and the heap finds its size
        watch = service.watch_loop(floor=floor.family)
        whole = service.watch_loop()
        seen: dict[str, Rounds] = {name: [] for name in orders}
        live = []
        for _ in bench.rounds(20, 3):
            for name, order in orders.items():
                watch.read()
                seen[name].append((load(order), bench.note(watch.read())))
            live.append(service.live())
        beside = whole.read()
    taken = [_add(bench, name, rounds) for name, rounds in seen.items()]
    ratios = [push / floor for push, floor in zip(taken[0], taken[-1], strict=True)]
    bench.add("a push / the floor", ratios, "x", TARGET_RATIO)
    looked_at = beside.seconds / LOOK_SECONDS * mean(live)
    bench.add("a look, of each participant: CPU", [1e6 * beside.cpu[BESIDE] / looked_at], "µs")


def _add(bench: Bench, what: str, rounds: Rounds) -> list[float]:
    """Add what the rounds gave, and return each round's CPU of a push."""
    server = "floor" if what == "the floor" else SERVICE
    results = [result for result, _ in rounds]
    target = TARGET_US if what == "a push" else None

    def each(role: str) -> list[float]:
        return [1e6 * (usage.cpu | result.cpu)[role] / result.pushes for result, usage in rounds]

    cpu = each(server)
    bench.add(f"{what}: {server} CPU", cpu, "µs", target)
    if server == SERVICE:
        bench.add(f"{what}: store CPU", each(STORE), "µs")
    bench.add(f"{what}: load generator CPU", each("generator"), "µs")
    rates = [result.pushes / result.seconds for result in results]
    bench.add_rate(f"{what}: {CONNECTIONS} connections", rates, "/s")
    bench.add(f"{what}: p50 at full load", [result.p50 for result in results], "ms")
    bench.add(f"{what}: p99 at full load", [result.p99 for result in results], "ms")
    return cpu
