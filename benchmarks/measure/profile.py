"""
Where the service's time goes: py-spy looks at it 500 times a second while it works.

A look counts for the innermost Python function, with all that it calls in C. The event loop
is C: its own work, with the reading of sockets, shows as the line that runs it.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import sleep

from benchmarks.load.order import Order
from benchmarks.report.bench import Bench
from benchmarks.service.running import (
    LASTING,
    PARTICIPANTS,
    Running,
    generating,
    result_of,
    running,
)

LOOKS_A_SECOND = 500
# It takes so long until py-spy looks.
ATTACH_SECONDS = 1
SCRAPE_SECONDS = 3
MODULES = 12
_FRAME = re.compile(r"^(?P<function>.+) \((?P<file>.+?)(?::\d+)?\)$")
_LOOP = ("Runner.run", "asyncio/runners.py")
# A thread of the pool that waits for work: no time goes there.
_WAITING = ("_worker", "concurrent/futures/thread.py")
_LIBRARIES = re.compile(r".*/(?:site-packages|lib/python3\.\d+)/")


@dataclass
class Looks:
    """
    How often which function was seen.

    Attributes:
        seen: module -> function -> looks.
        through: module -> looks in which it was at work, by itself or by what it called.
    """

    seen: dict[str, Counter[str]] = field(default_factory=dict)
    through: Counter[str] = field(default_factory=Counter)

    def add(self, raw: str) -> None:
        """Add what py-spy has written: stacks, each with how often it was seen."""
        for line in raw.splitlines():
            stack, _, count = line.rpartition(" ")
            frames = stack.split(";")
            if found := _FRAME.match(frames[-1]):
                file, function = _LIBRARIES.sub("", found["file"]), found["function"]
                if (function, file) == _LOOP:
                    file = function = "uvloop"
                if (function, file) != _WAITING:
                    self.seen.setdefault(_module(file), Counter())[function] += int(count)
                    for module in {*map(_module_of, frames)}:
                        self.through[module] += int(count)

    @property
    def total(self) -> int:
        """How many looks there were."""
        return sum(seen.total() for seen in self.seen.values())

    def shares(self) -> list[dict[str, str | float]]:
        """Return the modules, those first that take most, in percent of all looks."""
        total = self.total
        by_share = sorted(self.seen.items(), key=lambda item: -item[1].total())
        return [
            {
                "module": module,
                "percent": 100 * seen.total() / total,
                "mostly": ", ".join(name for name, _ in seen.most_common(2) if name != module),
            }
            for module, seen in by_share
        ]


def measure(bench: Bench) -> None:
    """Look at a service that takes pushes, then at one that is scraped."""
    for what in ("push", "scrape"):
        with running(**LASTING) as service:
            service.fill(PARTICIPANTS)
            service.scrape()
            looks = (look_at_pushes if what == "push" else _look_at_scrapes)(bench, service)
        shares = looks.shares()
        bench.curves[what] = shares[:MODULES]
        for share in shares[:MODULES]:
            bench.add(f"{what}: {share['module']}", [float(share["percent"])], "%")


def look_at_pushes(bench: Bench, service: Running, participants: int = PARTICIPANTS) -> Looks:
    """Look while 64 connections push for so many *participants*."""
    looks, seconds = Looks(), bench.choose(10, 3)
    order = Order(service.service.url, participants, seconds=seconds + 3 * ATTACH_SECONDS)
    with generating(order) as generator:
        bench.say("looking at pushes")
        with _looking(service, seconds, looks):
            pass
        result_of(generator)
    return looks


def _look_at_scrapes(bench: Bench, service: Running) -> Looks:
    """Look at scrapes, before each of which all have pushed."""
    looks = Looks()
    for _ in bench.rounds(8, 2):
        service.fill(PARTICIPANTS)
        with _looking(service, SCRAPE_SECONDS, looks):
            sleep(ATTACH_SECONDS)
            service.scrape()
    return looks


@contextmanager
def _looking(service: Running, seconds: int, looks: Looks) -> Iterator[None]:
    """Let py-spy look for so many *seconds* from the beginning of the block on."""
    with tempfile.TemporaryDirectory(prefix="jcmc-spy") as folder:
        file = Path(folder) / "raw"
        command = [
            *(_program(), "record", "--format", "raw", "--full-filenames", "--nonblocking"),
            "--subprocesses",
            *("--rate", str(LOOKS_A_SECOND), "--duration", str(seconds)),
            *("--output", str(file), "--pid", str(service.service.pid)),
        ]
        with subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        ) as spy:
            yield
            _, said = spy.communicate(timeout=seconds + 30)
        if not file.exists():
            raise RuntimeError(f"py-spy: {said.strip().splitlines()[-1:]}")
        looks.add(file.read_text())


def _module_of(frame: str) -> str:
    """Return the module that a *frame* of py-spy's is of, empty if it is of none."""
    found = _FRAME.match(frame)
    return _module(_LIBRARIES.sub("", found["file"])) if found else ""


def _module(file: str) -> str:
    """Return the module of ours, or the library, that *file* is of."""
    _, ours, name = file.removesuffix(".py").rpartition("/otel_jcmc/")
    return f"otel_jcmc/{name}".replace("/", ".") if ours else name.split("/")[0]


def _program() -> str:
    """
    Return py-spy's path.

    Raises:
        RuntimeError: it is not there.
    """
    beside = str(Path(sys.executable).parent)
    found = shutil.which("py-spy", path=beside) or shutil.which("py-spy")
    if not found:
        raise RuntimeError("py-spy is missing: pip install -r requirements/bench.txt")
    return found
