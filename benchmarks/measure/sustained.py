"""
Many participants for minutes: each pushes every 10 s, and scrapes come as from Prometheus.

The default, one process, must hold 50,000 without an error. large.py uses `hold` for more of them.
"""

import http.client
from dataclasses import dataclass, field
from time import monotonic, sleep
from typing import Any, NamedTuple

import psutil

from benchmarks.load.bodies import WIRE
from benchmarks.load.order import Order, Result
from benchmarks.report.bench import Bench
from benchmarks.report.machine import Family, Usage
from benchmarks.service.running import SERVICE, STORE, Running, generating, result_of, running

INTERVAL_SECONDS = 10
SCRAPE_EVERY_SECONDS = 15.0
CONNECTIONS = 512


@dataclass
class Held:
    """
    What was seen while participants were held; a sample stands for a scrape.

    Attributes:
        result: what came of the pushes, those included with which all of them joined.
        live: how many were in a scrape afterwards.
    """

    usage: Usage
    samples: list[dict[str, Any]] = field(default_factory=list)
    result: Result | None = None
    live: float = 0

    @property
    def failed(self) -> int:
        """How many scrapes were not answered 200."""
        return sum(sample["error"] is not None for sample in self.samples)

    @property
    def scrapes_ms(self) -> list[float]:
        """How long each scrape took."""
        return [sample["ms"] for sample in self.samples if sample["ms"] is not None]


class Targets(NamedTuple):
    """What should not be exceeded; None: it is told, not judged."""

    failed: float | None = None
    p99_ms: float | None = None
    scrape_ms: float | None = None
    service_mb: float | None = None


def measure(bench: Bench) -> None:
    """Hold as many as are promised."""
    participants, seconds = bench.choose(50_000, 5_000), bench.choose(300, 20)
    held = hold(bench, participants, seconds)
    bench.curves[f"held {participants}"] = held.samples
    tell(bench, f"{participants:,} for {seconds} s", held, Targets(failed=0))


def hold(
    bench: Bench,
    participants: int,
    seconds: int,
    body: str = WIRE,
    service: Running | None = None,
    interval: int = INTERVAL_SECONDS,
    **environ: str,
) -> Held:
    """
    Let *participants* push and be scraped for so many *seconds* after they have joined.

    Each pushes once in an *interval* of so many seconds, and all join in the first interval. The
    scrapes begin with the first push, as Prometheus scrapes whoever is there. At a *service* that
    runs, or at one that is run for it with *environ*.
    """
    if service is None:
        with running(JCMC_LIMIT_PARTICIPANTS="0", **environ) as begun:
            return hold(bench, participants, seconds, body, begun, interval)
    order = Order(
        service.service.url,
        participants,
        connections=CONNECTIONS,
        rate=participants / interval,
        seconds=interval + seconds,
        body=body,
    )
    with generating(order) as generator:
        load = Family(psutil.Process(generator.pid))
        held = _watch(bench, service, load, interval + seconds)
        held.result = result_of(generator)
    held.live = _live(service)
    bench.note(held.usage)
    return held


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
        memory = {role: service.pss_mb(role) for role in (SERVICE, STORE)}
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


def tell(bench: Bench, who: str, held: Held, targets: Targets) -> None:
    """Add the figures of *who* was *held*."""
    result = held.result
    assert result is not None
    lost = sum(result.faults.values())
    bench.add(f"{who}: pushes not answered 200", [lost], "", targets.failed)
    for why, count in sorted(result.faults.items()):
        bench.add(f"{who}: of them {why}", [count], "")
    bench.add(f"{who}: scrapes not answered 200", [held.failed], "", targets.failed)
    bench.add_rate(f"{who}: pushes answered", [result.pushes], "")
    bench.add_rate(f"{who}: pushes", [result.pushes / result.seconds], "/s")
    if result.pushes:
        bench.add(f"{who}: push p50", [result.p50], "ms")
        bench.add(f"{who}: push p99", [result.p99], "ms", targets.p99_ms)
        bench.add(f"{who}: longest push", [result.longest], "ms")
    bench.add(f"{who}: p99 of the generator's own delay", [result.late_p99], "ms")
    if held.scrapes_ms:
        bench.add(f"{who}: scrape, OpenMetrics and gzip", held.scrapes_ms, "ms")
        bench.add(f"{who}: longest scrape", [max(held.scrapes_ms)], "ms", targets.scrape_ms)
    for role, cpu in held.usage.cpu.items():
        bench.add(f"{who}: CPU of the {role}", [100 * cpu / held.usage.seconds], "%")
    most = max(sample[SERVICE] for sample in held.samples)
    bench.add(f"{who}: service, the most", [most], "MB", targets.service_mb)
    bench.add(f"{who}: store in the end", [held.samples[-1][STORE]], "MB")
    bench.add_rate(f"{who}: live in a scrape afterwards", [held.live], "")
