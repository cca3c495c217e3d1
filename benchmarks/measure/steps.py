"""
The longest steps of each event loop and of the store at 100,000 participants: others wait for them.

One process takes pushes and one reads, while all push every 20 s and are scraped every 15 s. A
loop's step is measured by its CPU time in asyncio's loop (service/stepped.py), a command of the
store by the time in its SLOWLOG.
"""

import json
import sys
import tempfile
from collections import Counter
from pathlib import Path
from time import monotonic
from typing import Any

from workers import named

from benchmarks.measure.sustained import hold
from benchmarks.report.bench import Bench
from benchmarks.service.running import Running, running

LOOP_TARGETS, STORE_TARGETS = (5, 20), (2, 10)
# The loop of asyncio and the watch on it cost as much again as a push does.
INTERVAL_SECONDS = 30
WHO = {"worker 1": "the process that takes pushes", "the reader": "the one that reads"}
# What is faster is told as this.
SLOW_US = 500
# What we send; commands in a script are told by the store too, and are of the script's own time.
_SENT = {"eval", "evalsha", "mget", "zrangebyscore"}


def measure(bench: Bench) -> None:
    """Hold them for a minute, joins included, and look at each step."""
    participants, seconds = bench.choose(100_000, 5_000), bench.choose(60, 15)
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "steps"
        command = [sys.executable, "-m", "benchmarks.service.stepped", str(told)]
        limits = {"JCMC_LIMIT_PARTICIPANTS": "0", "JCMC_WORKERS": "1"}
        with running(command, **limits) as service:
            service.store.config_set("slowlog-log-slower-than", SLOW_US)
            service.store.config_set("slowlog-max-len", 1_000_000)
            service.store.slowlog_reset()
            began = monotonic()
            held = hold(bench, participants, seconds, service=service, interval=INTERVAL_SECONDS)
            assert held.result is not None
            lost = sum(held.result.faults.values()) + held.failed
            bench.add("pushes and scrapes not answered 200", [lost], "", 0)
            _tell_loops(bench, named(service.service), told.read_text(), began)
            _tell_store(bench, service)


def _tell_loops(bench: Bench, pids: dict[str, int], told: str, began: float) -> None:
    """Add the figures of each process that has *told* of its steps since the load *began*."""
    lines: list[dict[str, Any]] = [json.loads(line) for line in told.splitlines()]
    for name, who in WHO.items():
        seen = [each for each in lines if each["pid"] == pids[name] and each["at"] > began]
        counts: Counter[float] = Counter()
        for each in seen:
            counts.update(dict(each["counts"]))
        longest = max(seen, key=lambda each: float(each["longest_ms"]))
        bench.add(f"{who}: steps", [counts.total()], "")
        at = _above(counts, counts.total() // 1000)
        bench.add(f"{who}: CPU of a step, p99.9", [at], "ms", LOOP_TARGETS[0])
        bench.add(f"{who}: the longest step", [longest["longest_ms"]], "ms", LOOP_TARGETS[1])
        slow = sorted(seen, key=lambda each: -float(each["longest_ms"]))[:20]
        bench.curves[name] = [{key: each[key] for key in ("longest_ms", "what")} for each in slow]


def _above(counts: Counter[float], most: int) -> float:
    """Return what no more than *most* of all are above."""
    for value in sorted(counts, reverse=True):
        most -= counts[value]
        if most < 0:
            return value
    return 0.0


def _tell_store(bench: Bench, service: Running) -> None:
    """Add the figures of the store's commands."""
    calls = {
        name.removeprefix("cmdstat_"): int(stats["calls"])
        for name, stats in service.store.info("commandstats").items()
    }
    total = sum(calls.get(name, 0) for name in _SENT)
    slow: Counter[float] = Counter()
    slowest: dict[str, float] = {}
    for entry in service.store.slowlog_get(1_000_000):
        name = entry["command"].split()[0].decode().lower()
        if name in _SENT:
            took = entry["duration"] / 1000
            slow[took] += 1
            slowest[name] = max(took, slowest.get(name, 0))
    slow[SLOW_US / 1000] += total - slow.total()
    bench.add("the store: commands", [total], "")
    bench.add("the store: a command, p99.9", [_above(slow, total // 1000)], "ms", STORE_TARGETS[0])
    bench.add("the store: the longest command", [max(slow)], "ms", STORE_TARGETS[1])
    bench.curves["store"] = slowest
