"""
Many participants for minutes, each of whom pushes every 10 s, scraped as Prometheus does it.

50,000 are to be held without an error; 100,000 are tried, and whatever happens is the result.
"""

import http.client
from dataclasses import dataclass, field
from time import monotonic, sleep
from typing import Any

import psutil

from benchmarks.load.order import Order, Result
from benchmarks.report.bench import Bench
from benchmarks.report.machine import Family, Usage
from benchmarks.service.running import SERVICE, STORE, Running, generating, result_of, running

INTERVAL_SECONDS = 10
SCRAPE_EVERY_SECONDS = 15.0
CONNECTIONS = 512


@dataclass
class Held:
    """What was seen while participants were held; a sample stands for a scrape."""

    usage: Usage
    samples: list[dict[str, Any]] = field(default_factory=list)

    @property
    def failed(self) -> int:
        """How many scrapes were not answered 200."""
        return sum(sample["error"] is not None for sample in self.samples)


def measure(bench: Bench) -> None:
    """Hold as many as are promised, then try more."""
    _hold(bench, bench.choose(50_000, 5_000), bench.choose(300, 20), target=0)
    _hold(bench, bench.choose(100_000, 10_000), bench.choose(120, 20), target=None)


def _hold(bench: Bench, participants: int, seconds: int, target: float | None) -> None:
    """Let *participants* push and be scraped, and add what came of it."""
    with running(JCMC_LIMIT_PARTICIPANTS="0") as service:
        order = Order(
            service.service.url,
            participants,
            connections=CONNECTIONS,
            rate=participants / INTERVAL_SECONDS,
            seconds=INTERVAL_SECONDS + seconds,
        )
        with generating(order) as generator:
            bench.say(f"{participants} participants join")
            sleep(INTERVAL_SECONDS)
            load = Family(psutil.Process(generator.pid))
            held = _watch(bench, service, load, seconds)
            result = result_of(generator)
        live = _live(service)
    bench.note(held.usage)
    bench.curves[f"held {participants}"] = held.samples
    who = f"{participants:,} for {seconds} s"
    _tell(bench, who, result, held, target)
    bench.add_rate(f"{who}: live in a scrape afterwards", [live], "")


def _watch(bench: Bench, service: Running, load: Family, seconds: int) -> Held:
    """Scrape at fixed times for so many *seconds*."""
    watch = service.watch(load=load)
    samples: list[dict[str, Any]] = []
    started = due = monotonic()
    while due < started + seconds:
        sleep(max(0.0, due - monotonic()))
        bench.say(f"{due - started:.0f} of {seconds} s")
        at = monotonic() - started
        took, error = _try_scrape(service)
        memory = {role: service.rss_mb(role) for role in (SERVICE, STORE)}
        samples.append({"at": at, "ms": took, "error": error, **memory})
        due = max(due + SCRAPE_EVERY_SECONDS, monotonic())
    sleep(max(0.0, started + seconds - monotonic()))
    return Held(watch.read(), samples)


def _try_scrape(service: Running) -> tuple[float | None, str | None]:
    """Return how many ms a scrape took, or why there was none."""
    try:
        return 1e3 * service.scrape().seconds, None
    except (OSError, http.client.HTTPException, RuntimeError) as error:
        return None, str(error) or type(error).__name__


def _live(service: Running) -> float:
    """Return how many participants are in a scrape, 0 when there is none."""
    try:
        return service.scrape().text.count(b"\njitsi_jcmc_connectionquality{")
    except (OSError, http.client.HTTPException, RuntimeError):
        return 0


def _tell(bench: Bench, who: str, result: Result, held: Held, target: float | None) -> None:
    """Add the figures."""
    lost = sum(result.faults.values())
    bench.add(f"{who}: pushes not answered 200", [lost], "", target)
    for why, count in sorted(result.faults.items()):
        bench.add(f"{who}: of them {why}", [count], "")
    bench.add(f"{who}: scrapes not answered 200", [held.failed], "", target)
    bench.add_rate(f"{who}: pushes answered", [result.pushes], "")
    bench.add_rate(f"{who}: pushes", [result.pushes / result.seconds], "/s")
    if result.pushes:
        bench.add(f"{who}: push p50", [result.p50], "ms")
        bench.add(f"{who}: push p99", [result.p99], "ms")
        bench.add(f"{who}: longest push", [result.longest], "ms")
    bench.add(f"{who}: p99 of the generator's own delay", [result.late_p99], "ms")
    taken = [sample["ms"] for sample in held.samples if sample["ms"] is not None]
    if taken:
        bench.add(f"{who}: scrape, OpenMetrics and gzip", taken, "ms")
        bench.add(f"{who}: longest scrape", [max(taken)], "ms")
    for role, cpu in held.usage.cpu.items():
        bench.add(f"{who}: CPU of the {role}", [100 * cpu / held.usage.seconds], "%")
    for role in (SERVICE, STORE):
        bench.add(f"{who}: {role} in the end", [held.samples[-1][role]], "MB")
