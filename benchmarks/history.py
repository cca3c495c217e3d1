"""What history costs: the CPU of a push with and without it, and a day of a thousand."""

from dataclasses import replace

from benchmarks.bench import Bench
from benchmarks.day import simulate
from benchmarks.machine import Usage
from benchmarks.order import Order, Result
from benchmarks.push import CONNECTIONS, LIMITS, PARTICIPANTS
from benchmarks.running import SERVICE, STORE, running

# At full speed each of 40,000 pushes every two seconds: as many pushes for each sample as with the
# browsers' ten seconds and the default's thirty.
INTERVAL = {"JCMC_HISTORY_INTERVAL": "5"}
TARGET_PERCENT, TARGET_US, TARGET_BYTES, TARGET_MB = 10, 3.3, 100, 288
SEATS = 1000
HOUR_SECONDS, TEN_MINUTES_SECONDS = 3600, 600


def measure(bench: Bench) -> None:
    """Push to two services in turns, one of which records, and simulate a day."""
    _measure_push(bench)
    _measure_day(bench)


def _measure_push(bench: Bench) -> None:
    """Compare the CPU of a push."""
    seconds = bench.choose(4, 2)
    with (
        running(**LIMITS, JCMC_HISTORY_HOURS="0") as without,
        running(**LIMITS, **INTERVAL) as with_it,
    ):
        services = {"without history": without, "with history": with_it}
        order = Order("", PARTICIPANTS, connections=CONNECTIONS, seconds=seconds)
        watches = {name: service.watch() for name, service in services.items()}
        for service in services.values():
            # Twice around, so that each session has been begun and is gathered.
            service.load(replace(order, seconds=5))
        seen: dict[str, list[tuple[Result, Usage]]] = {name: [] for name in services}
        for _ in bench.rounds(7, 3):
            for name, service in services.items():
                watches[name].read()
                seen[name].append((service.load(order), bench.note(watches[name].read())))
    for name, rounds in seen.items():
        for role in (SERVICE, STORE):
            bench.add(f"a push {name}: {role} CPU", _each(role, rounds), "µs")
    more = zip(*(_each(SERVICE, rounds) for rounds in seen.values()), strict=True)
    bench.add(
        "history's share of a push",
        [100 * (after / before - 1) for before, after in more],
        "%",
        TARGET_PERCENT,
    )


def _measure_day(bench: Bench) -> None:
    """Simulate the day, and how it is when nobody stays for long."""
    hours = bench.choose(24, 1)
    what = f"{SEATS:,} seats for {hours} hours"
    day = simulate(SEATS, hours, HOUR_SECONDS, bench.say)
    bench.add(f"{what}: recording, CPU a push", [1e6 * day.cpu / day.pushes], "µs", TARGET_US)
    bench.add(f"{what}: store CPU a sample", [1e6 * day.redis_cpu / day.samples], "µs")
    bench.add_rate(f"{what}: sessions", [day.sessions], "")
    bench.add_rate(f"{what}: samples", [day.samples], "")
    bench.add(f"{what}: Redis", [day.used_bytes / 1e6], "MB", None if bench.quick else TARGET_MB)
    each = day.used_bytes / day.samples
    bench.add("a sample, sessions of an hour", [each], "bytes", TARGET_BYTES)
    short = simulate(SEATS, bench.choose(2, 1), TEN_MINUTES_SECONDS, bench.say)
    bench.add("a sample, sessions of ten minutes", [short.used_bytes / short.samples], "bytes")


def _each(role: str, rounds: list[tuple[Result, Usage]]) -> list[float]:
    """Return the CPU that a push took of *role* in each of the *rounds*, in µs."""
    return [1e6 * usage.cpu[role] / result.pushes for result, usage in rounds]
