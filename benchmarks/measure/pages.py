"""
The cost of pages: the first view, and a hundred readers with it open while 10,000 push.

A reader here does what the page's script does: it hears of a change, waits for a part of half a
second, and fetches the part that has changed.
"""

import http.client
import random
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic, sleep
from urllib.parse import urlsplit

from benchmarks.measure.sustained import hold
from benchmarks.report.bench import Bench
from benchmarks.service.running import LASTING, PARTICIPANTS, SERVICE, Running, running

VIEWERS = 100
VIEWS = 20
SPREAD_SECONDS = 0.5
TARGET_KB, TARGET_MS, TARGET_PERCENT, TARGET_P99_MS = 100, 300, 10, 2
_HTML = {"accept": "text/html"}


def measure(bench: Bench) -> None:
    """Look once, and then let no viewer and a hundred watch in turns."""
    _first_view(bench)
    seconds = bench.choose(60, 10)
    cpu: dict[int, list[float]] = {0: [], VIEWERS: []}
    p99: dict[int, list[float]] = {0: [], VIEWERS: []}
    for _ in bench.rounds(3, 1):
        for viewers in (0, VIEWERS):
            with running(JCMC_LIMIT_PARTICIPANTS="0") as service, _watching(service, viewers):
                held = hold(bench, PARTICIPANTS, seconds, service=service)
            assert held.result is not None
            cpu[viewers].append(100 * held.usage.cpu[SERVICE] / held.usage.seconds)
            p99[viewers].append(held.result.p99)
    for viewers, who in ((0, "no viewer watches"), (VIEWERS, f"{VIEWERS} watch")):
        bench.add(f"{PARTICIPANTS:,} push, {who}: CPU of the service", cpu[viewers], "%")
        bench.add(f"{PARTICIPANTS:,} push, {who}: push p99", p99[viewers], "ms")
    more = [b - a for a, b in zip(cpu[0], cpu[VIEWERS], strict=True)]
    bench.add(f"CPU of {VIEWERS} who watch", more, "%", TARGET_PERCENT)
    later = [b - a for a, b in zip(p99[0], p99[VIEWERS], strict=True)]
    bench.add("by how much a push p99 is later", later, "ms", TARGET_P99_MS)


def _first_view(bench: Bench) -> None:
    """Fetch the page and what it loads, as a browser does that comes for the first time."""
    with running(**LASTING) as service:
        service.fill(PARTICIPANTS)
        took, size = [], 0
        for _ in range(bench.choose(VIEWS, 3)):
            began = monotonic()
            page = service.service.get("/live", headers=_HTML).body
            paths = re.findall(r'(?:href|src)="(/-/pages/[^"]+)"', page)
            files = [service.service.get(path).body for path in paths]
            took.append(1e3 * (monotonic() - began))
            size = len("".join([page, *files]).encode())
            # Each round gets another look.
            sleep(0.5)
    bench.add(f"first view of {PARTICIPANTS:,}", [size / 1e3], "kB", TARGET_KB)
    bench.add(f"first view of {PARTICIPANTS:,}: time", took, "ms")
    bench.add(f"first view of {PARTICIPANTS:,}: longest time", [max(took)], "ms", TARGET_MS)


@contextmanager
def _watching(service: Running, viewers: int) -> Iterator[None]:
    """Let so many watch."""
    netloc = urlsplit(service.service.url).netloc
    is_over = threading.Event()
    threads = [
        threading.Thread(target=_watch, args=(netloc, is_over), daemon=True) for _ in range(viewers)
    ]
    for each in threads:
        each.start()
    try:
        yield
    finally:
        is_over.set()


def _watch(netloc: str, is_over: threading.Event) -> None:
    """Be one who watches."""
    events = http.client.HTTPConnection(netloc, timeout=60)
    events.request("GET", "/live/events", headers={"accept": "text/event-stream"})
    heard = events.getresponse()
    fetching = http.client.HTTPConnection(netloc, timeout=60)
    while not is_over.is_set():
        try:
            if not heard.readline().startswith(b"data"):
                continue
            sleep(SPREAD_SECONDS * random.random())
            fetching.request("GET", "/live?part=1", headers=_HTML)
            answer = fetching.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            return  # the service has ended
        # Who stops has no more pages.
        assert answer.status == 200 or is_over.is_set()
