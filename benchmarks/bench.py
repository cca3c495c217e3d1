"""
What every measurement needs: a running service with its processes, load for it, and figures.

The service is `otel-jcmc serve` with its embedded store, on a free port of loopback.
"""

import http.client
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import NamedTuple
from urllib.parse import urlsplit

import psutil
import redis
from harness import Service, eventually

from benchmarks.generator import Order, Result
from benchmarks.machine import Usage, Watch

ROOT = Path(__file__).parents[1]
# What Prometheus 2.42 sends.
PROMETHEUS = {
    "accept": "application/openmetrics-text;version=1.0.0,application/openmetrics-text"
    ";version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
    "accept-encoding": "gzip",
}


@dataclass
class Figure:
    """
    One result.

    Attributes:
        value: the best of the rounds: what else runs on a machine only ever adds.
        rounds: what each round gave.
        target: what it should not exceed; None: it is told, not judged.
        others_percent: how busy others kept the machine meanwhile, on average.
    """

    name: str
    value: float
    unit: str
    rounds: list[float]
    target: float | None = None
    others_percent: float | None = None


class Scraped(NamedTuple):
    """One scrape."""

    seconds: float
    body: bytes


@dataclass
class Bench:
    """One run of `python -m benchmarks`: how long it may take, and its figures so far."""

    quick: bool
    figures: list[Figure] = field(default_factory=list)
    title: str = ""
    _others: list[float] = field(default_factory=list)

    def choose(self, whole: int, quick: int) -> int:
        """Return *quick* when the run is to be short."""
        return quick if self.quick else whole

    def say(self, step: str) -> None:
        """Show on a terminal what is being done."""
        if sys.stderr.isatty():
            print(f"\r{self.title}: {step}\033[K", end="", file=sys.stderr, flush=True)

    def rounds(self, whole: int, quick: int) -> Iterator[int]:
        """Go through so many rounds, and show which one it is."""
        count = self.choose(whole, quick)
        for number in range(count):
            self.say(f"round {number + 1} of {count}")
            yield number

    def note(self, usage: Usage) -> Usage:
        """Remember how busy others were, for the next figures."""
        self._others.append(usage.others_percent)
        return usage

    def add(
        self, name: str, rounds: Sequence[float], unit: str, target: float | None = None
    ) -> None:
        """Add a figure of which less is better."""
        others = sum(self._others) / len(self._others) if self._others else None
        best = min(rounds)
        self.figures.append(Figure(name, best, unit, list(rounds), target, others))

    def add_rate(self, name: str, rounds: Sequence[float], unit: str) -> None:
        """Add a figure of which more is better."""
        self.add(name, rounds, unit)
        self.figures[-1].value = max(rounds)

    def begin(self, title: str) -> None:
        """Begin another measurement."""
        self.title = title
        self._others = []

    @contextmanager
    def running(self, **environ: str) -> Iterator["Running"]:
        """Run a service with *environ* for as long as the block."""
        self.say("starting a service")
        with (
            tempfile.TemporaryDirectory(prefix="jcmc") as folder,
            Service(Path(folder), **environ) as service,
        ):
            yield Running(service, "otlp" in environ.get("OTEL_METRICS_EXPORTER", ""))


class Running:
    """
    A service that runs, and its processes.

    Attributes:
        processes: role -> process: service, store, and exporter where there is one.
    """

    def __init__(self, service: Service, has_exporter: bool) -> None:  # noqa: FBT001
        """Find the processes of *service*; the exporter may still be starting."""
        self.service = service
        self.processes = eventually(lambda: _processes(service.pid, 3 if has_exporter else 2))
        self.store = redis.Redis.from_url(f"unix://{service.folder / 'store' / 'socket'}")

    def watch(self) -> Watch:
        """Begin to take the CPU time of the processes."""
        return Watch(self.processes)

    def load(self, order: Order) -> Result:
        """
        Run the load generator against this service and return what came of it.

        Raises:
            RuntimeError: not every push was answered 200; the figures would be of something else.
        """
        asked = asdict(replace(order, url=self.service.url))
        ran = subprocess.run(
            [sys.executable, "-m", "benchmarks.generator", json.dumps(asked)],
            cwd=ROOT,
            check=True,
            stdout=subprocess.PIPE,
            timeout=order.seconds + 300,
        )
        result = Result(**json.loads(ran.stdout))
        if set(result.answers) != {"200"}:
            raise RuntimeError(f"answers other than 200: {result.answers}")
        return result

    def fill(self, participants: int, first: int = 0) -> None:
        """Push once for each of so many *participants*."""
        self.load(Order(first=first, count=participants, pushes=participants))

    def scrape(self, headers: dict[str, str] | None = None) -> Scraped:
        """Scrape once, as Prometheus does or with other *headers*."""
        connection = http.client.HTTPConnection(urlsplit(self.service.url).netloc, timeout=60)
        started = perf_counter()
        connection.request("GET", "/metrics", headers=PROMETHEUS if headers is None else headers)
        answer = connection.getresponse()
        body = answer.read()
        seconds = perf_counter() - started
        connection.close()
        if answer.status != 200:
            raise RuntimeError(f"the scrape was answered {answer.status}")
        return Scraped(seconds, body)

    def rss_bytes(self, role: str) -> int:
        """Return the resident memory of a process."""
        return int(self.processes[role].memory_info().rss)

    def used_memory_bytes(self) -> int:
        """Return what the store says that it uses."""
        info: dict[str, int] = self.store.info("memory")
        return info["used_memory"]


def _processes(pid: int, count: int) -> dict[str, psutil.Process]:
    """Return the processes of the service *pid* by their roles; none unless there are *count*."""
    main = psutil.Process(pid)
    found = {"service": main}
    for child in main.children():
        if child.name().endswith("-server"):
            found["store"] = child
        elif child.cmdline()[-1:] == ["export"]:
            found["exporter"] = child
    return found if len(found) == count else {}
