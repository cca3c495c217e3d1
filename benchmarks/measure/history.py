"""The cost of history: CPU of a push with and without it, a day of a thousand seats, a search."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from time import sleep

from benchmarks.load.order import Order, Result
from benchmarks.measure.profile import look_at_pushes
from benchmarks.report.bench import Bench
from benchmarks.report.machine import Usage
from benchmarks.service import searching
from benchmarks.service.day import simulate
from benchmarks.service.running import LASTING, SERVICE, STORE, Running, running

# Three pushes for each sample, as with the browsers' ten seconds and the default's thirty: each of
# 12,000 pushes every two seconds, and after a turn what it has left to be written is waited for.
PARTICIPANTS, RATE, TURN_SECONDS, INTERVAL_SECONDS = 12_000, 6000, 16, 8
# At full load each pushes every second or so.
PARTICIPANTS_AT_MOST, INTERVAL_AT_MOST = 20_000, 5
RECORDER = "otel_jcmc.sessions.recorder"
TARGET_PERCENT, TARGET_US, TARGET_BYTES, TARGET_MB = 10, 3.3, 110, 320
SEATS = 1000
HOUR_SECONDS, TEN_MINUTES_SECONDS = 3600, 600


def measure(bench: Bench) -> None:
    """Push to two services in turns, look at one at full load, simulate a day, and search."""
    _measure_push(bench)
    _look(bench)
    _measure_day(bench)
    searching.measure(bench)


def _measure_push(bench: Bench) -> None:
    """Compare the CPU of a push with history and without it."""
    order = Order("", PARTICIPANTS, rate=RATE, seconds=bench.choose(TURN_SECONDS, 2))
    rest = INTERVAL_SECONDS + 2
    with (
        running(**LASTING, JCMC_HISTORY_HOURS="0") as without,
        running(**LASTING, JCMC_HISTORY_INTERVAL=str(INTERVAL_SECONDS)) as with_it,
    ):
        services = {"without history": without, "with history": with_it}
        watches = {name: service.watch() for name, service in services.items()}
        for service in services.values():
            # Until each session has been begun and is gathered.
            service.load(replace(order, seconds=5))
        sleep(rest)
        seen: dict[str, list[tuple[Result, Usage]]] = {name: [] for name in services}
        pushes_a_sample = _pushes_a_sample(with_it)
        for _ in bench.rounds(6, 2):
            for name, service in services.items():
                watches[name].read()
                result = service.load(order)
                sleep(rest)
                seen[name].append((result, bench.note(watches[name].read())))
        bench.add("pushes a sample", [pushes_a_sample()], "")
    for name, rounds in seen.items():
        for role in (SERVICE, STORE):
            bench.add(f"a push {name}: {role} CPU", _each((role,), rounds), "µs")
        bench.add(f"a push {name}: p99", [result.p99 for result, _ in rounds], "ms")
    for roles, target in (((SERVICE,), TARGET_PERCENT), ((STORE,), None), ((SERVICE, STORE), None)):
        more = zip(*(_each(roles, rounds) for rounds in seen.values()), strict=True)
        shares = [100 * (after / before - 1) for before, after in more]
        bench.add(f"history adds to a push: {' and '.join(roles)} CPU", shares, "%", target)


def _look(bench: Bench) -> None:
    """
    Look at what the service is busy with at full load.

    There two services in turns would tell more of what else the two cores have to do then.
    """
    shares: list[float] = []
    with running(**LASTING, JCMC_HISTORY_INTERVAL=str(INTERVAL_AT_MOST)) as service:
        service.load(Order("", PARTICIPANTS_AT_MOST, seconds=5))
        pushes_a_sample = _pushes_a_sample(service)
        for _ in bench.rounds(5, 1):
            looks = look_at_pushes(bench, service, PARTICIPANTS_AT_MOST)
            recording = looks.through[RECORDER]
            shares.append(100 * recording / (looks.total - recording))
        bench.add("at full load: pushes a sample", [pushes_a_sample()], "")
    bench.add("at full load: history adds to the service's CPU", shares, "%", TARGET_PERCENT)


def _count(service: Running, name: str, outcome: str) -> int:
    """Return how many *service* has counted so far of that *outcome*."""
    # From a million on it is 1.23e+06.
    series = rf'^otel_jcmc_{name}_total{{[^}}]*outcome="{outcome}"[^}}]*}} (\S+)'
    found = re.findall(series.encode(), service.scrape().text, re.MULTILINE)
    return int(sum(map(float, found)))


def _pushes_a_sample(service: Running) -> Callable[[], float]:
    """Return what tells how many pushes there were for each sample from now on."""

    def count() -> tuple[int, int]:
        written = _count(service, "history_samples", "written")
        return _count(service, "pushes", "accepted"), written

    pushes, written = count()

    def since() -> float:
        pushes_now, written_now = count()
        return (pushes_now - pushes) / (written_now - written)

    return since


def _measure_day(bench: Bench) -> None:
    """Simulate the day, and another one in which all sessions are short."""
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


def _each(roles: Sequence[str], rounds: list[tuple[Result, Usage]]) -> list[float]:
    """Return the CPU that a push took of *roles* in each of the *rounds*, in µs."""
    return [
        1e6 * sum(usage.cpu[role] for role in roles) / result.pushes for result, usage in rounds
    ]
