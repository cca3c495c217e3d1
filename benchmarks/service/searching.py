"""The time of a search in 200,000 sessions, and the delay of pushes by searches without a pause."""

import hashlib
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from time import perf_counter, time
from urllib.parse import urlsplit

from past import Past

from benchmarks.load.order import Order
from benchmarks.report.bench import Bench
from benchmarks.service.running import LASTING, STORE, Running, running
from otel_jcmc.catalogue.attributes import BRIDGE, BROWSER_NAME, BROWSER_VERSION, REGION
from otel_jcmc.sessions.totals import Totals, VitalTotal

SESSIONS, ROOMS, DAY_MS, HOUR_MS = 200_000, 40_000, 86_400_000, 3_600_000
TARGET_MS = 300
RATE, SECONDS = 1000, 8
# What is asked: by what the index tells, and by what only the cards do.
QUESTIONS = {
    "the newest": "",
    "an hour": "from=-3h&to=-2h",
    "a part of a conference's name": "conference=ROOM-777",
    "a client": "client_id=3fa85f64-5717-4562-b3fc-2c963f66afa6",
    "the worst": "sort=worst",
    "bad by the uplink in a region, the worst": "state=bad&cause=uplink&region=eu&sort=worst",
    "who is there": "end=live",
}
FELT = "conference=ROOM-777"


def measure(bench: Bench) -> None:
    """Fill a service's Redis with what was, ask it, and push meanwhile."""
    with running(**LASTING, JCMC_HISTORY_MAX_BYTES=str(2**30)) as service:
        count = bench.choose(SESSIONS, 5000)
        bench.say(f"{count:,} sessions")
        _fill(Past(service.store), count)
        watch = service.watch()
        for name, query in QUESTIONS.items():
            _ask(service, query)
            watch.read()
            seen = [_ask(service, query) for _ in bench.rounds(7, 2)]
            usage = bench.note(watch.read())
            target = None if bench.quick else TARGET_MS
            bench.add(f"{count:,} sessions, {name}", [1000 * each for each in seen], "ms", target)
            store = 1000 * usage.cpu[STORE] / len(seen)
            bench.add(f"{count:,} sessions, {name}: store CPU", [store], "ms")
        _feel(bench, service)


def _fill(past: Past, count: int) -> None:
    """Write so many sessions of the last day, one in ten of them bad."""
    chance = random.Random(1)
    now_ms = int(time() * 1000)
    for number in range(count):
        began = now_ms - chance.randrange(DAY_MS - HOUR_MS)
        bad = chance.choice([0] * 9 + [3000])
        vitals = [VitalTotal(97 * 18_000, 18_000, bad, 400), VitalTotal(), VitalTotal()]
        cause = chance.choice([1, 2, 7])
        past.session(
            began,
            f"room-{chance.randrange(ROOMS)}",
            hashlib.md5(b"%d" % number, usedforsecurity=False).hexdigest(),
            f"{chance.getrandbits(32):08x}",
            last_ms=min(now_ms, began + HOUR_MS // 2),
            ended_ms=min(now_ms, began + HOUR_MS // 2),
            reason="left",
            attributes={
                REGION.id: chance.choice(["eu", "us", "ap"]),
                BRIDGE.id: f"jvb-{chance.randrange(9)}",
                BROWSER_NAME.id: "Chrome",
                BROWSER_VERSION.id: "126.0.0.0",
            },
            totals=Totals(vitals, [(18_000 - bad, 0, 0), (bad, 2, cause)], [None] * 3),
        )


def _ask(service: Running, query: str) -> float:
    """Ask for a page and return how long it took, in seconds."""
    connection = HTTPConnection(urlsplit(service.service.url).netloc, timeout=60)
    started = perf_counter()
    try:
        connection.request("GET", f"/sessions?{query}")
        answer = connection.getresponse()
        answer.read()
    finally:
        connection.close()
    if answer.status != 200:
        raise RuntimeError(f"{query} was answered {answer.status}")
    return perf_counter() - started


def _feel(bench: Bench, service: Running) -> None:
    """Push in turns without a search and with one reader that searches without a pause."""
    order = Order("", RATE, rate=RATE, seconds=bench.choose(SECONDS, 2))
    service.load(order)
    quiet, felt, searches = [], [], []
    for _ in bench.rounds(3, 1):
        quiet.append(service.load(order).p99)
        with _searching(service) as done:
            felt.append(service.load(order).p99)
        searches.append(float(len(done)))
    bench.add(f"{RATE:,} pushes a second, no search: p99", quiet, "ms")
    bench.add(f"{RATE:,} pushes a second, searches without a pause: p99", felt, "ms")
    bench.add("searches meanwhile", searches, "")


@contextmanager
def _searching(service: Running) -> Iterator[list[float]]:
    """Search one after the other for as long as the block; what each took is in the list."""
    done: list[float] = []
    is_over = threading.Event()

    def search() -> None:
        while not is_over.is_set():
            done.append(_ask(service, FELT))

    thread = threading.Thread(target=search)
    thread.start()
    try:
        yield done
    finally:
        is_over.set()
        thread.join()
