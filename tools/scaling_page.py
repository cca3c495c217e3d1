"""Makes docs/scaling.md: the machines that participants need, by docs/performance.json."""

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
# The share of one core of a worker or a store node that pushes may use on average; the rest is for
# peaks and other work. A scrape may take SCRAPE_SECONDS.
WORKER_SHARE: Final = 0.5
STORE_SHARE: Final = 0.3
SCRAPE_SECONDS: Final = 5.0
# The memory of Prometheus in the measurement `rules` of November 2026, the higher of two runs: it
# had scraped 10,000 participants of 30 series, each once, and ran all rules that we ship in 0.7 s.
PROMETHEUS_BYTES: Final = 1.6e9 / 10_000
SERVER_BYTES: Final = 4e9
# The memory for each participant comes from the figure with the most live participants. If that was
# not measured, it comes from the growth between two smaller numbers of participants in one process.
_HELD: Final = f"large: 100,000 with {SERIES} series each for 300 s: service, the most"
_BETWEEN: Final = (10_000, 50_000)


class Costs(NamedTuple):
    """
    The measured costs.

    Attributes:
        push_us, store_us: CPU for a push, of the service and of the store, in µs.
        series_us: CPU of service and store for one series of a scrape, in µs, if all participants
            have pushed since the last scrape.
        process_bytes: memory of a process of the service without participants.
        live_bytes: memory that one more participant takes, from the measurement *live_source*.
    """

    push_us: float
    store_us: float
    series_us: float
    process_bytes: float
    live_bytes: float
    live_source: str = ""


class Needs(NamedTuple):
    """
    The machines that *participants* live participants need.

    `pushes` is the number in a second. CPU is in cores; a process uses one core at most.
    """

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
        """The fewest partitions with which each master, Prometheus and reading process has one."""
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
    process_bytes = 1e6 * found["memory: service, no participant live"]
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
    """Return the needs of *participants* live participants, if each costs *of*."""
    pushes = participants / PUSH_EACH_SECONDS
    push_cores, store_cores = pushes * of.push_us / 1e6, pushes * of.store_us / 1e6
    scrape_seconds = participants * SERIES * of.series_us / 1e6
    workers = ceil(push_cores / WORKER_SHARE)
    readers = ceil(scrape_seconds / SCRAPE_SECONDS)
    # One reading process looks for what stands out and holds all participants for that. A single
    # reading process has read them anyway.
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
        ceil(participants * PROMETHEUS_BYTES / SERVER_BYTES),
        participants * PROMETHEUS_BYTES,
    )


def scaling_page() -> str:
    """Return docs/scaling.md."""
    of = costs(json.loads(_KEPT.read_text()))
    every = [needs(count, of) for count in _COUNTS]
    return page(
        "Scaling",
        "Find your number of live participants in the first column. The row says how many\n"
        "processes and Valkey nodes you need; a second table has the Prometheus servers. The tables"
        f" assume that each\nparticipant pushes once in {PUSH_EACH_SECONDS} s and has {SERIES}"
        " series, as with this project's client file, and\nthat Prometheus scrapes all participants"
        f" every {SCRAPE_EACH_SECONDS} s.",
        table(
            (
                *("live participants", "pushes a second", "workers", "cores of the workers"),
                *("reading processes", "seconds of a scrape", "memory of the service"),
                *("Valkey nodes", "cores of Valkey", "memory of Valkey", "`JCMC_PARTITIONS`"),
            ),
            [_row(each) for each in every],
        ),
        _READ_OFF,
        "## Prometheus",
        table(
            ("live participants", "series", "Prometheus servers", "memory of all servers"),
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
    """Return how each number of the tables is computed, and from what."""
    per, every = PUSH_EACH_SECONDS, SCRAPE_EACH_SECONDS
    measured = "[performance.md](performance.md), "
    memory = (
        f"processes x {of.process_bytes / 1e6:.0f} MB + participants x {of.live_bytes / 1e3:.1f}"
        " kB; with several reading processes the second term doubles, because one of these"
        " processes also holds all participants"
    )
    return [
        ("pushes a second", f"participants / {per}", "the client file's interval"),
        (
            "cores of the workers",
            f"pushes a second x {of.push_us:.1f} µs",
            f"{measured}`push`, a push of {SERIES} series",
        ),
        (
            "workers",
            f"cores of the workers / {WORKER_SHARE:g}, rounded up",
            "pushes use half of a core; the other half is for peaks",
        ),
        (
            "seconds of a scrape",
            f"participants x {SERIES} x {of.series_us:.2f} µs",
            f"{measured}`scrape`, {SERIES} series each, all have pushed since the last scrape",
        ),
        (
            "reading processes",
            f"seconds of a scrape / {SCRAPE_SECONDS:g}, rounded up",
            f"5 s is half of Prometheus's time-out of 10 s, and a third of {every} s",
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
            f"cores of Valkey / {STORE_SHARE:g}, rounded up",
            (
                f"a node uses one core for commands: {STORE_SHARE:.0%} of it for pushes, the rest"
                " for reads, history and saving"
            ),
        ),
        (
            "memory of Valkey",
            "[sizing.md](sizing.md), of all nodes together",
            (
                "computed with `JCMC_LIMIT_PARTICIPANTS` at the number in the first column, and the"
                " default limits of history"
            ),
        ),
        (
            "Prometheus servers",
            f"memory of all / {SERVER_BYTES / 1e9:.0f} GB, rounded up",
            (
                "one server has 25,000 participants. By `rules`, all rules for these take 2 s in a"
                " minute"
            ),
        ),
        (
            "memory of all Prometheus servers",
            f"participants x {PROMETHEUS_BYTES / 1e3:.0f} kB",
            (
                f"by `rules`: {PROMETHEUS_BYTES * 10_000 / 1e9:.1f} GB for 10,000 participants, if"
                " none of them leaves and comes back"
            ),
        ),
    ]


_READ_OFF: Final = """\
- **Workers** are the processes that take pushes. Set `JCMC_WORKERS` on one machine, or run several
  replicas behind a balancer that together have this number of workers. If the table says one worker
  and one reading process, the default `JCMC_WORKERS=0` is enough: one process does both and takes
  less memory. Some pushes are then slower during a scrape.
- **Reading processes** answer scrapes; each replica has one. If you need several reading
  processes, scrape a part of the participants from each process. With two processes, scrape
  `/metrics/participants?partition=1/2` from the first and `/metrics/participants?partition=2/2`
  from the second.
- **Valkey nodes**: one node is a single server, several nodes are a cluster. The table does not
  include the replicas of Valkey that take over when a node fails.
- **`JCMC_PARTITIONS`**: each Valkey node, Prometheus server and reading process needs at least one
  partition. You cannot change the number while the service runs:
  [operations.md](operations.md#partitions).
- **Cores** are averages. Give each process and each node a core of its own."""
_PROMETHEUS: Final = """\
Prometheus reaches its limit before the service does. With 20,000 participants a scrape has as many
samples as the `sample_limit` in the README allows, 600,000. If you need two or more Prometheus
servers, let each server scrape a part of the participants. If you do not need the series of each
participant, scrape only `/metrics/verdicts` and `/metrics/service`. Bridges, regions and the fleet
have some thousand series together for any number of participants, and `JCMC_SERIES_CONFERENCES`
limits the series of conferences. [history.md](history.md) still shows how the call of one
participant was.

Prometheus also keeps the series of participants who left in the last two to three hours in memory.
A participant who comes back gets new series. Example: 1,000 participants are in
conferences now, but 3,000 different participants were in conferences in the last three hours.
Prometheus then needs three times as much memory as for 1,000 participants."""
_NOT_MEASURED: Final = """\
All numbers are computed from the cost of one push and the cost of one series. Neither cost grows
with the number of participants. The numbers assume a core for each process and node. A test with
100,000 participants had only two cores, which also ran the program that pushed. Two cores were
not enough: [performance.md](performance.md#100000-participants). No test had more participants.
If you halve the push interval, you need twice as many workers and Valkey nodes."""
