"""
The same pushes by wrk and by our generator, in turns: they show that neither limits the service.

wrk sends what pushes.py makes, from a file; its threads share nothing with Python.
"""

import json
import resource
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.load.order import Order
from benchmarks.load.pushes import Pushes
from benchmarks.report.bench import ROOT, Bench
from benchmarks.report.machine import Watch
from benchmarks.service.floor import running_floor
from benchmarks.service.running import PARTICIPANTS, SERVICE, load, running
from otel_jcmc.simulate.client import Target

SCRIPT = Path(__file__).with_suffix(".lua")
UNPACKED = ROOT / ".cache" / "wrk"
CONNECTIONS = 64


@dataclass
class Side:
    """What one of the two saw of one server, a value a round."""

    rates: list[float] = field(default_factory=list)
    p50s: list[float] = field(default_factory=list)
    p99s: list[float] = field(default_factory=list)
    server_us: list[float] = field(default_factory=list)
    own_us: list[float] = field(default_factory=list)

    def note(self, pushes: int, seconds: float, p50: float, p99: float) -> None:
        """Note one round."""
        self.rates.append(pushes / seconds)
        self.p50s.append(p50)
        self.p99s.append(p99)

    def note_cpu(self, pushes: int, server: float, own: float) -> None:
        """Note the CPU seconds of one round."""
        self.server_us.append(1e6 * server / pushes)
        self.own_us.append(1e6 * own / pushes)


def measure(bench: Bench) -> None:
    """Push to the service and to the floor, by wrk and by the generator."""
    program = _program()
    with running() as service, running_floor() as floor:
        watch = service.watch(floor=floor.family)
        for role, url in ((SERVICE, service.service.url), ("floor", floor.url)):
            _compare(bench, program, watch, role, url)


def _compare(bench: Bench, program: str, watch: Watch, role: str, url: str) -> None:
    """Push to one server in turns, and add the figures."""
    seconds = bench.choose(5, 2)
    order = Order(url, PARTICIPANTS, connections=CONNECTIONS, seconds=seconds)
    sides = {"wrk": Side(), "ours": Side()}
    with tempfile.NamedTemporaryFile(prefix="jcmc-wrk") as requests:
        requests.write(_requests(url))
        requests.flush()
        load(replace(order, seconds=1))
        for _ in bench.rounds(3, 1):
            watch.read()
            before = _children_seconds()
            told = _run_wrk(program, url, requests.name, seconds)
            cpu = bench.note(watch.read()).cpu[role]
            sides["wrk"].note(told["pushes"], told["seconds"], told["p50"], told["p99"])
            sides["wrk"].note_cpu(told["pushes"], cpu, _children_seconds() - before)
            result = load(order)
            cpu = bench.note(watch.read()).cpu[role]
            sides["ours"].note(result.pushes, result.seconds, result.p50, result.p99)
            sides["ours"].note_cpu(result.pushes, cpu, result.cpu["generator"])
    rates = {}
    for name, side in sides.items():
        rates[name] = bench.add_rate(f"{role}, {name}: {CONNECTIONS} connections", side.rates, "/s")
        bench.add(f"{role}, {name}: p50", side.p50s, "ms")
        bench.add(f"{role}, {name}: p99", side.p99s, "ms")
        bench.add(f"{role}, {name}: {role} CPU a push", side.server_us, "µs")
        bench.add(f"{role}, {name}: its own CPU a push", side.own_us, "µs")
    bench.add_ratio(f"{role}: pushes by ours / by wrk", rates["ours"], rates["wrk"])


def _requests(url: str) -> bytes:
    """Return the requests of everyone, each with its length before it."""
    pushes = Pushes(Target(url), 0, PARTICIPANTS)
    made = (pushes.next() for _ in range(PARTICIPANTS))
    return b"".join(b"%08d%b" % (len(request), request) for request in made)


def _run_wrk(program: str, url: str, requests: str, seconds: int) -> dict[str, Any]:
    """Run wrk with one thread, and return what it tells."""
    command = [program, "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(SCRIPT), url]
    ran = subprocess.run(
        [*command, "--", requests], check=True, capture_output=True, text=True, timeout=60
    )
    told: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    if told["not_200"] or not told["pushes"]:
        raise RuntimeError(f"wrk: {told}")
    return told


def _children_seconds() -> float:
    """Return the CPU seconds of the children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _program() -> str:
    """
    Return wrk's path.

    Raises:
        RuntimeError: it is not there.
    """
    found = shutil.which("wrk") or shutil.which("wrk", path=UNPACKED)
    if not found:
        raise RuntimeError("wrk is missing: run tests/real-parts.sh wrk")
    return found
