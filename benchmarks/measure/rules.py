"""
The cost of a real Prometheus with 10,000 participants and all rules that we ship.

It is measured with participants' series, with conferences', and with wider levels only. Prometheus
scrapes the pages of prometheus.yaml every 5 s. All participants push before each round, so that
states are known. All rules run as often, even those that prometheus.yaml runs once a minute.
"""

import re
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from e2e.parts import Prometheus, running_prometheus
from harness import eventually, request

from benchmarks.report.bench import ROOT, Bench
from benchmarks.service.running import LASTING, PARTICIPANTS, running

RULES = sorted((ROOT / "collector-config/rules").glob("*.yaml"))
MB = 1_000_000
EVERY_SECONDS = 5
SCRAPES_A_ROUND = 3
TARGET_SECONDS, TARGET_MB = 0.5, 200
_WIDE = "bridges,regions,fleet,histograms"


class Case(NamedTuple):
    """What is scraped: the levels, the pages, and how much memory that may take."""

    name: str
    levels: str
    pages: tuple[str, ...]
    target_mb: float | None


CASES = (
    Case(
        "participants",
        f"participants,conferences,{_WIDE}",
        ("service", "verdicts", "participants"),
        None,
    ),
    Case("conferences", f"conferences,{_WIDE}", ("service", "verdicts"), None),
    Case("bridges, regions, fleet", _WIDE, ("service", "verdicts"), TARGET_MB),
)


def measure(bench: Bench) -> None:
    """Measure each case on a service and a Prometheus of its own."""
    for case in CASES:
        _measure(bench, case)


def _measure(bench: Bench, case: Case) -> None:
    """Scrape and evaluate for some rounds; the memory is that at the end."""
    seconds = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        service = stack.enter_context(running(JCMC_SERIES=case.levels, **LASTING))
        service.fill(PARTICIPANTS, body="client")
        prometheus = stack.enter_context(running_prometheus(folder, RULES, EVERY_SECONDS))
        for page in case.pages:
            job = prometheus.scraping(page, service.service.url, f"/metrics/{page}")
            stack.enter_context(job)
        eventually(lambda: len(_durations(prometheus)) >= len(RULES), 60)
        eventually(lambda: prometheus.value("sum(jitsi:fleet_participants:count)"), 60)
        for _ in bench.rounds(8, 3):
            service.fill(PARTICIPANTS, body="client")
            enough = _own(prometheus, _EVALUATIONS) + SCRAPES_A_ROUND * len(_durations(prometheus))
            eventually(lambda: _own(prometheus, _EVALUATIONS) >= enough, 120, 0.5)  # noqa: B023
            seconds.append(sum(_durations(prometheus)))
        series = _own(prometheus, "prometheus_tsdb_head_series")
        memory = _own(prometheus, "process_resident_memory_bytes")
    bench.add(f"{case.name}: all rules", seconds, "s", TARGET_SECONDS)
    bench.add(f"{case.name}: series", [series], "")
    bench.add(f"{case.name}: Prometheus", [memory / MB], "MB", case.target_mb)


_EVALUATIONS = "prometheus_rule_group_iterations_total"


def _lines(prometheus: Prometheus, name: str) -> list[float]:
    """Return the values of one of Prometheus's own metrics."""
    page = request(f"{prometheus.url}/metrics").body
    return [float(value) for value in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", page, re.MULTILINE)]


def _own(prometheus: Prometheus, name: str) -> float:
    """Return one of Prometheus's own metrics, of all groups together."""
    return sum(_lines(prometheus, name))


def _durations(prometheus: Prometheus) -> list[float]:
    """Return how long each group of rules took last, in seconds."""
    return _lines(prometheus, "prometheus_rule_group_last_duration_seconds")
