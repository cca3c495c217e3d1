"""Makes docs/scaling.md: the machines for a number of participants, from docs/performance.json."""

import json
from math import ceil
from pathlib import Path
from typing import Any, Final, NamedTuple

from otel_jcmc.config.settings import Settings
from otel_jcmc.config.sizing import shares
from otel_jcmc.store.keys import NUMBERS
from tools.markdown import page, table

_KEPT: Final = Path(__file__).parent.parent / "docs" / "performance.json"
_COUNTS: Final = (1_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000)
# The push interval of this project's client file, and the scrape interval of its examples.
PUSH_EACH_SECONDS: Final = 10
SERIES: Final = 30
SCRAPE_EACH_SECONDS: Final = 15
# The planned load of one process or server. The rest is for peaks, and for work that is not a push.
WORKER_SHARE: Final = 0.5
STORE_SHARE: Final = 0.3
SCRAPE_SECONDS: Final = 5.0
# `rules` of November 2026: 10,000 participants of 30 series, with all rules of this project. Memory
# of Prometheus, and its time to evaluate the rules; both grew in proportion.
PROMETHEUS_BYTES: Final = 2.1e9 / 10_000
RULES_SECONDS: Final = 5.9 / 10_000
# The figure with the most participants. Without it, the growth between two smaller numbers of one
# process counts.
_HELD: Final = f"large: 100,000 with {SERIES} series each for 300 s: service, the most"
_BETWEEN: Final = (10_000, 50_000)


class Costs(NamedTuple):
    """
    The measured costs.

    Attributes:
        push_us, store_us: CPU of a push, of the service and of the store.
        series_us: CPU of one series of a scrape, of both, when all have pushed.
        process_bytes: a process of the service without participants; *live_bytes*: memory of one
            more participant, by the measurement *live_source*.
    """

    push_us: float
    store_us: float
    series_us: float
    process_bytes: float
    live_bytes: float
    live_source: str = ""


class Needs(NamedTuple):
    """The needs of a number of participants; CPU in cores. One process uses at most one core."""

    participants: int
    pushes: float
    workers: int
    push_cores: float
    readers: int
    scrape_seconds: float
    service_bytes: float
    store_nodes: int
    store_cores: float
    store_bytes: int
    prometheus: int
    prometheus_bytes: float

    @property
    def partitions(self) -> int:
        """The fewest partitions that give a share to each master, server and reading process."""
        shares_of = max(self.store_nodes, self.prometheus, self.readers)
        return next(number for number in NUMBERS if number >= shares_of)


def costs(known: dict[str, Any]) -> Costs:
    """
    Return the costs in the results *known*.

    Raises:
        KeyError: a figure is missing.
    """
    found = {
        f"{name}: {figure['name']}": figure["value"]
        for name, measured in known["measurements"].items()
        for figure in measured["figures"]
    }
    process_bytes = 1e6 * found["memory: service, nobody live"]
    held = found.get(_HELD)
    if held is None:
        curve = known["measurements"]["scaling"]["curves"]["scaling"]
        few, many = (min(curve, key=lambda each: abs(each["participants"] - n)) for n in _BETWEEN)
        people = many["participants"] - few["participants"]
        live_bytes = 1e6 * (many["rss_mb"] - few["rss_mb"]) / people
    else:
        # Measured by two processes, which share their initial memory.
        live_bytes = (1e6 * held - 2 * process_bytes) / 100_000
    return Costs(
        push_us=found[f"push: a push of {SERIES} series: service CPU"],
        store_us=found[f"push: a push of {SERIES} series: store CPU"],
        series_us=found[
            f"scrape: {SERIES} series each: OpenMetrics, gzip, all have pushed: CPU a series"
        ],
        process_bytes=process_bytes,
        live_bytes=live_bytes,
        live_source="`memory` and `scaling`" if held is None else "`memory` and `large`",
    )


def needs(participants: int, of: Costs) -> Needs:
    """Return the needs of a number of *participants* at the costs *of* each."""
    pushes = participants / PUSH_EACH_SECONDS
    push_cores, store_cores = pushes * of.push_us / 1e6, pushes * of.store_us / 1e6
    scrape_seconds = participants * SERIES * of.series_us / 1e6
    workers = ceil(push_cores / WORKER_SHARE)
    readers = ceil(scrape_seconds / SCRAPE_SECONDS)
    rules_seconds = participants * RULES_SECONDS
    # One reading process searches all participants for what stands out. A single one has read them
    # anyway.
    looks = 1 if readers == 1 else 2
    held = shares(Settings.model_construct(limit_participants=participants))
    return Needs(
        participants,
        pushes,
        workers,
        push_cores,
        readers,
        scrape_seconds,
        (workers + readers) * of.process_bytes + participants * looks * of.live_bytes,
        ceil(store_cores / STORE_SHARE),
        store_cores,
        sum(each.most_bytes for each in held),
        ceil(rules_seconds / SCRAPE_EACH_SECONDS),
        participants * PROMETHEUS_BYTES,
    )


def scaling_page() -> str:
    """Return docs/scaling.md."""
    of = costs(json.loads(_KEPT.read_text()))
    every = [needs(count, of) for count in _COUNTS]
    return page(
        "Scaling",
        "Use this page to plan processes, Valkey nodes and Prometheus servers for a number of\n"
        f"live participants. Each participant pushes every {PUSH_EACH_SECONDS} s and has\n"
        f"{SERIES} series, as with this project's client file; Prometheus scrapes all of them\n"
        f"every {SCRAPE_EACH_SECONDS} s.",
        table(
            (
                *("live participants", "pushes a second", "workers", "cores they use"),
                *("processes that read", "seconds of a scrape", "memory of the service"),
                *("Valkey nodes", "cores they use", "memory of Valkey", "`JCMC_PARTITIONS`"),
            ),
            [_row(each) for each in every],
        ),
        _READ_OFF,
        "## Prometheus",
        table(
            ("live participants", "series", "Prometheus servers", "memory of all of them"),
            [_prometheus_row(each) for each in every],
        ),
        _PROMETHEUS,
        "## Where the numbers come from",
        table(("number", "formula", "source"), _sources(of)),
        _NOT_MEASURED,
    )


def _row(of: Needs) -> tuple[str, ...]:
    return (
        f"{of.participants:,}",
        f"{of.pushes:,.0f}",
        str(of.workers),
        f"{of.push_cores:.2f}",
        str(of.readers),
        f"{of.scrape_seconds:.1f}",
        _gb(of.service_bytes),
        str(of.store_nodes),
        f"{of.store_cores:.2f}",
        _gb(of.store_bytes),
        str(of.partitions),
    )


def _prometheus_row(of: Needs) -> tuple[str, ...]:
    series = of.participants * SERIES
    return f"{of.participants:,}", f"{series:,}", str(of.prometheus), _gb(of.prometheus_bytes)


def _gb(size: float) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def _sources(of: Costs) -> list[tuple[str, ...]]:
    """Return the formula and source of each number of the tables."""
    per, every = PUSH_EACH_SECONDS, SCRAPE_EACH_SECONDS
    measured = "[performance.md](performance.md), "
    memory = (
        f"processes x {of.process_bytes / 1e6:.0f} MB + participants x {of.live_bytes / 1e3:.1f}"
        " kB, twice with several reading processes: one of them reads all participants"
    )
    rules_seconds = 10_000 * RULES_SECONDS
    return [
        ("pushes a second", f"participants / {per}", "the client file's interval"),
        (
            "cores of the workers",
            f"pushes a second x {of.push_us:.1f} µs",
            f"{measured}`push`, a push of {SERIES} series",
        ),
        ("workers", f"their cores / {WORKER_SHARE:g}, rounded up", "half is for peaks"),
        (
            "seconds of a scrape",
            f"participants x {SERIES} x {of.series_us:.2f} µs",
            f"{measured}`scrape`, {SERIES} series each, all have pushed",
        ),
        (
            "processes that read",
            f"seconds of a scrape / {SCRAPE_SECONDS:g}, rounded up",
            f"half of Prometheus's time-out of 10 s, a third of the {every} s",
        ),
        (
            "memory of the service",
            memory,
            f"{measured}{of.live_source}",
        ),
        (
            "cores of Valkey",
            f"pushes a second x {of.store_us:.1f} µs",
            f"{measured}`push`, a push of {SERIES} series",
        ),
        (
            "Valkey nodes",
            f"their cores / {STORE_SHARE:g}, rounded up",
            "reads, history and saving need the rest; a server uses one core for commands",
        ),
        (
            "memory of Valkey",
            "[sizing.md](sizing.md), of all nodes together",
            "with that number as `JCMC_LIMIT_PARTICIPANTS`, and history at its defaults",
        ),
        (
            "Prometheus servers",
            f"participants x {1e6 * RULES_SECONDS:.0f} µs / {every} s, rounded up",
            f"`make bench`'s `rules`: all rules take {rules_seconds:.1f} s for 10,000",
        ),
        (
            "their memory",
            f"participants x {PROMETHEUS_BYTES / 1e3:.0f} kB",
            f"the same: {PROMETHEUS_BYTES * 10_000 / 1e9:.1f} GB with each seen once",
        ),
    ]


_READ_OFF: Final = """\
- **Workers**: set `JCMC_WORKERS` on one machine, or divide the number among several replicas behind
  a balancer. Up to one worker and one reading process, the default of one process for both does the
  same with less memory; scrapes then cost pushes some of their latency.
- **Processes that read**: each replica has one. With several, Prometheus scrapes each one for its
  share: `/metrics/participants?partition=1/2` at the first, `2/2` at the second.
- **Valkey nodes**: one node is a single server, more nodes are a cluster. A replica of each node,
  for when it fails, comes on top.
- **`JCMC_PARTITIONS`**: each node, each Prometheus and each reading process needs at least one. The
  number can't change while the service runs: [operations.md](operations.md#partitions).
- **Cores** are the average use. A machine should have one core for each process and node."""
_PROMETHEUS: Final = """\
Prometheus reaches its limit before the service does. The `sample_limit` of 600,000 in the README is
reached at 20,000 participants; from two servers on, each scrapes its share of the participants. If
you do not need series of each participant, scrape `/metrics/verdicts` and `/metrics/service`
instead: bridges, regions and the fleet have some thousand series for any number of participants,
and conferences as many as `JCMC_SERIES_CONFERENCES` allows. [history.md](history.md) tells how one
participant's call was."""
_NOT_MEASURED: Final = """\
All numbers are computed from the cost of one push and one series, which does not grow with their
number. They suppose a core for each process and node. 100,000 participants were tried on two cores,
with the load generator, which is too few:
[performance.md](performance.md#100000-participants). Larger numbers were not measured. Half the
interval means twice the pushes, workers and Valkey nodes."""
