"""
The cost of a push in instructions, as callgrind counts them: a busy machine does not change it.

The service and the floor run in valgrind, some fifty times slower. Pushes come without a pause on
64 connections, so each batch has 64 pushes, as at full load; with one connection it has one. The
kernel's work is not counted. History writes only one entry an hour here: it weighs the pushes, and
the cost of the entry that it makes once an interval is in `history`.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import uvloop
from harness import Service

from benchmarks.load.loops import generate
from benchmarks.load.order import Order
from benchmarks.measure.push import TARGET_RATIO
from benchmarks.report.bench import ROOT, Bench
from benchmarks.service.running import LASTING, checked

# A push more or less that waits for a timer is then no matter.
PUSHES = 2000
PARTICIPANTS = PUSHES
_COUNTED = re.compile(r"^(?:summary|totals): (\d+)", re.MULTILINE)


def measure(bench: Bench) -> None:
    """
    Count in rounds; the best counts, since on a busy machine timers are over in between.

    Raises:
        RuntimeError: there is no valgrind.
    """
    if not shutil.which("valgrind"):
        raise RuntimeError("valgrind is missing: apt-get install valgrind")
    order = Order("", PARTICIPANTS, pushes=PUSHES, timeout_seconds=60)
    orders = {
        "a push": order,
        "a push, head of four lines": replace(order, lean=True),
        "a push of 30 series": replace(order, body="client"),
        "a push that is a batch of its own": replace(order, connections=1),
    }
    with tempfile.TemporaryDirectory(prefix="jcmc-count") as folder:
        with _floor(Path(folder)) as counting:
            floor = [counting.count(order) for _ in bench.rounds(3, 1)]
        with _service(Path(folder)) as counting:
            counted = {
                name: [counting.count(each) for _ in bench.rounds(3, 1)]
                for name, each in orders.items()
            }
    for name, rounds_of in {**counted, "the floor": floor}.items():
        bench.add(name, [each / 1000 for each in rounds_of], "thousand")
    bench.add("a push / the floor", [min(counted["a push"]) / min(floor)], "x", TARGET_RATIO)


class Counting:
    """A server in valgrind, with what counts its main thread's instructions."""

    def __init__(self, url: str, pid: int, counts: Path) -> None:
        """Count those of *pid*, which serves *url* and writes counts beside *counts*."""
        self._url, self._pid, self._counts = url, pid, counts
        self._dumps = 0

    def count(self, order: Order) -> float:
        """Push as *order* says, and return instructions a push."""
        order = replace(order, url=self._url)
        # What was not run in valgrind yet takes it so long that Redis seems to be away.
        self._control("--instr=on")
        uvloop.run(generate(order))
        self._control("--zero")
        result = checked(uvloop.run(generate(order)))
        self._control("--instr=off")
        self._control("--dump")
        self._dumps += 1
        # The first thread's, which is the event loop.
        dump = self._counts.with_name(f"{self._counts.name}.{self._dumps}-01")
        counted = _COUNTED.findall(dump.read_text())
        return int(counted[-1]) / result.pushes

    def _control(self, what: str) -> None:
        subprocess.run(["callgrind_control", what, str(self._pid)], check=True, capture_output=True)


def _counted(counts: Path) -> list[str]:
    """Return what is put before a command to have its instructions counted in *counts*."""
    return [
        *("valgrind", "--quiet", "--tool=callgrind", "--instr-atstart=no"),
        *("--separate-threads=yes", f"--callgrind-out-file={counts}"),
    ]


@contextmanager
def _service(folder: Path) -> Iterator[Counting]:
    """Run a service for as long as the block."""
    counts = folder / "service.counts"
    service = Service(folder / "service", JCMC_HISTORY_INTERVAL="3600", **LASTING)
    service.command = [*_counted(counts), *service.command]
    with service:
        yield Counting(service.url, service.pid, counts)


@contextmanager
def _floor(folder: Path) -> Iterator[Counting]:
    """Run the floor for as long as the block."""
    counts = folder / "floor.counts"
    command = [*_counted(counts), sys.executable, "-m", "benchmarks.service.floor"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            port = server.stdout.readline().strip()
            yield Counting(f"http://127.0.0.1:{port}", server.pid, counts)
        finally:
            server.terminate()
