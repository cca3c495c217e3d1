"""
A running service, as operators run it: `otel-jcmc serve` with its embedded store, on loopback.

Load comes from a process of its own, `python -m benchmarks.load`.
"""

import gzip
import http.client
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import NamedTuple
from urllib.parse import urlsplit

import psutil
import redis
import uvloop
from harness import Service, eventually

from benchmarks.load.command import arguments_of
from benchmarks.load.loops import generate
from benchmarks.load.order import Order, Result, from_json
from benchmarks.report.bench import ROOT
from benchmarks.report.machine import Beside, Family, Loop, Watch

# What Prometheus 2.42 sends.
PROMETHEUS = {
    "accept": "application/openmetrics-text;version=1.0.0,application/openmetrics-text"
    ";version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
    "accept-encoding": "gzip",
}
PARTICIPANTS = 10_000
# Not the harness's command: the harness forks that one from a process that has imported everything,
# which hides the time of the imports, and shares memory with it.
COMMAND = Path(sys.executable).with_name("otel-jcmc")
# Longer than any measurement: no participant must expire during one.
LASTING = {"METRICS_EXPIRATION": "3600"}
SERVICE, STORE, EXPORTER, BESIDE = "service", "store", "exporter", "beside"
_SCRAPE_SECONDS = 60


class Scraped(NamedTuple):
    """One scrape."""

    seconds: float
    body: bytes

    @property
    def text(self) -> bytes:
        """The body without compression."""
        return gzip.decompress(self.body) if self.body.startswith(b"\x1f\x8b") else self.body

    @property
    def series(self) -> int:
        """How many series of participants there are in it."""
        return self.text.count(b"\njitsi_jcmc_")


class Running:
    """
    A service that runs, and its processes.

    Attributes:
        families: role -> processes: store, exporter where there is one, and service, which is
            all others.
    """

    def __init__(self, service: Service, *, has_exporter: bool) -> None:
        """Find the processes of *service*; the exporter may still be starting."""
        self.service = service
        main = psutil.Process(service.pid)
        found = eventually(lambda: _beside(main, 2 if has_exporter else 1))
        self.families = {role: Family(process) for role, process in found.items()}
        self.families[SERVICE] = Family(main, *found.values())
        self._threads = {SERVICE: Loop(main), BESIDE: Beside(main, *found.values())}
        self.store = redis.Redis.from_url(f"unix://{service.folder / 'store' / 'socket'}")

    def watch(self, **more: Family) -> Watch:
        """Begin to take the CPU time of the processes, and of *more*."""
        return Watch(self.families | more)

    def watch_loop(self, **more: Family) -> Watch:
        """Begin to take them with `service` as the event loop alone; the rest of it is `beside`."""
        return Watch(self.families | self._threads | more)

    def load(self, order: Order) -> Result:
        """Push to this service, see `load`."""
        return load(replace(order, url=self.service.url))

    def fill(self, participants: int, first: int = 0, body: str = "wire") -> None:
        """Push once for each of so many *participants*, from this process."""
        order = Order(self.service.url, participants, first, pushes=participants, body=body)
        checked(uvloop.run(generate(order)))

    def scrape(self, headers: dict[str, str] | None = None) -> Scraped:
        """
        Scrape once, as Prometheus does or with other *headers*.

        Raises:
            OSError: there is no answer.
            RuntimeError: it is another than 200.
        """
        address = urlsplit(self.service.url).netloc
        connection = http.client.HTTPConnection(address, timeout=_SCRAPE_SECONDS)
        started = perf_counter()
        try:
            connection.request(
                "GET", "/metrics", headers=PROMETHEUS if headers is None else headers
            )
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        seconds = perf_counter() - started
        if answer.status != 200:
            raise RuntimeError(f"the scrape was answered {answer.status}")
        return Scraped(seconds, body)

    def rss_mb(self, role: str = SERVICE) -> float:
        """Return the resident memory of a role's processes in MB, of a million bytes."""
        return self.families[role].rss_bytes() / 1e6

    def pss_mb(self, role: str = SERVICE) -> float:
        """Return the memory of a role's processes in MB; what several share, once."""
        return self.families[role].pss_bytes() / 1e6

    def live(self) -> int:
        """Return how many participants the store has that have not expired."""
        seconds, _ = self.store.time()
        now_us = seconds * 1_000_000
        return sum(self.store.zcount(key, now_us, "+inf") for key in self.store.keys("jcmc:*:live"))

    def used_memory_bytes(self) -> int:
        """Return what the store says that it uses."""
        info: dict[str, int] = self.store.info("memory")
        return info["used_memory"]


@contextmanager
def running(command: Sequence[str] = (), **environ: str) -> Iterator[Running]:
    """Run a service with *environ* for as long as the block; by another *command* if there is."""
    with tempfile.TemporaryDirectory(prefix="jcmc") as folder:
        service = Service(Path(folder), **environ)
        service.command = [*command] or [COMMAND]
        with service:
            has_exporter = "otlp" in environ.get("OTEL_METRICS_EXPORTER", "")
            yield Running(service, has_exporter=has_exporter)


def load(order: Order) -> Result:
    """
    Push from a process of its own, and return what came of it.

    Raises:
        RuntimeError: see `checked`.
    """
    with generating(order) as generator:
        return checked(result_of(generator))


def checked(result: Result) -> Result:
    """
    Return *result*.

    Raises:
        RuntimeError: not every push was answered 200; the figures would be of something else.
    """
    if result.faults or not result.answers:
        raise RuntimeError(f"not every push was answered 200: {result.faults}")
    return result


@contextmanager
def generating(order: Order) -> Iterator["subprocess.Popen[bytes]"]:
    """Run the load in a process of its own, which is ended with the block."""
    command = [sys.executable, "-m", "benchmarks.load", "--json", "-", *arguments_of(order)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as generator:
        try:
            yield generator
        finally:
            generator.kill()


def result_of(generator: "subprocess.Popen[bytes]") -> Result:
    """Wait for the end of the load and return what came of it."""
    said, _ = generator.communicate()
    if not said:
        raise RuntimeError("the load generator has failed")
    return from_json(json.loads(said)["result"])


def _beside(main: psutil.Process, count: int) -> dict[str, psutil.Process]:
    """Return the store's and the exporter's process; none unless there are *count*."""
    found = {}
    for child in main.children():
        if child.name().endswith("-server"):
            found[STORE] = child
        elif child.cmdline()[-1:] == ["export"]:
            found[EXPORTER] = child
    return found if len(found) == count else {}
