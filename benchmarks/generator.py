"""
The load generator, a process of its own: pushes to a service and tells what came of it.

    python -m benchmarks.generator '{"url": "http://127.0.0.1:3000", "first": 0, "count": 1000,
        "connections": 64, "pushes": 0, "rate": 0, "seconds": 5}'

Closed loop (rate 0): each connection pushes again as soon as it is answered, for so many seconds
or, if it is above 0, until so many pushes. Open loop: so many pushes a second whatever the
answers do, and latency counts from the time that a push was meant for, so that a service which
stalls is not asked less. The push is the wire format's example; *count* different participants
from number *first* on take turns. Prints one line of JSON, a `Result`.
"""

import asyncio
import json
import sys
import threading
from array import array
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from time import perf_counter, sleep

import uvloop
from harness import CHROME, push_body

from otel_jcmc.load import Answer, Connection, Target, percentile

PARTICIPANTS_EACH = 10


@dataclass
class Order:
    """What is asked for; see above."""

    url: str = ""
    first: int = 0
    count: int = 1000
    connections: int = 64
    pushes: int = 0
    rate: int = 0
    seconds: float = 0


@dataclass
class Result:
    """What came of it; latency in ms, NaN of none."""

    answers: dict[str, int]
    seconds: float
    p50: float
    p99: float
    longest: float

    @property
    def pushes(self) -> int:
        """Pushes that were answered, or whose connection was lost."""
        return sum(self.answers.values())


class Pushes:
    """Whole requests, ready to be sent, of participant after participant."""

    def __init__(self, target: Target, first: int, count: int) -> None:
        """Make the template; its ids are of one length, so only they change."""
        body = push_body("PPPPPPPP", "town-hall-RRRRRR")
        labels = body["default_labels"]
        labels["client_id"] = labels["client_id"][:-8] + "PPPPPPPP"
        raw = json.dumps(body, separators=(",", ":")).encode()
        request = target.request(raw, CHROME).replace(b"%", b"%%")
        self._template = request.replace(b"PPPPPPPP", b"%08x").replace(b"RRRRRR", b"%06d")
        self._first, self._count = first, count
        self._made = 0

    def next(self) -> bytes:
        """Return the next request."""
        number = self._first + self._made % self._count
        self._made += 1
        return self._template % (number, number, number // PARTICIPANTS_EACH % 1_000_000)


class Load:
    """The connections of one run, and what came of it."""

    def __init__(self, pushes: Pushes) -> None:
        """Begin to count."""
        self._pushes = pushes
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.latencies = array("d")
        self.answers: Counter[str] = Counter()

    def _note(self, answer: Answer | ConnectionError, since: float) -> None:
        """Count one answer."""
        self.latencies.append(perf_counter() - since)
        self.answers[str(answer.status) if isinstance(answer, Answer) else "lost"] += 1

    async def run_closed(self, connections: list[Connection], pushes: int, seconds: float) -> None:
        """Keep every connection busy."""
        sent = 0
        deadline = perf_counter() + (seconds or 600)

        def send(connection: Connection) -> None:
            nonlocal sent
            started = perf_counter()
            if (pushes and sent >= pushes) or started > deadline or not connection.is_open:
                if self.answers.total() == sent and not self._done.done():
                    self._done.set_result(None)
                return
            sent += 1

            def then(answer: Answer | ConnectionError) -> None:
                self._note(answer, started)
                send(connection)

            connection.send(self._pushes.next(), then)

        for connection in connections:
            send(connection)
        await self._done

    async def run_open(self, connections: list[Connection], rate: int, seconds: float) -> None:
        """Push at fixed times; what finds no free connection waits, and its time runs."""
        loop = asyncio.get_running_loop()
        total = round(rate * seconds)
        free, waiting = list(connections), deque[float]()

        def send(connection: Connection, meant: float) -> None:
            def then(answer: Answer | ConnectionError) -> None:
                self._note(answer, meant)
                if waiting:
                    send(connection, waiting.popleft())
                else:
                    free.append(connection)
                if self.answers.total() == total:
                    self._done.set_result(None)

            connection.send(self._pushes.next(), then)

        def due(meant: float) -> None:
            if free:
                send(free.pop(), meant)
            else:
                waiting.append(meant)

        # A loop's timers are as coarse as a millisecond; a thread's sleep is not.
        _Clock(loop, due, rate, total).start()
        await self._done


class _Clock(threading.Thread):
    """Calls back on the loop at fixed times."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        due: Callable[[float], None],
        rate: int,
        total: int,
    ) -> None:
        super().__init__(daemon=True)
        self._loop, self._due, self._rate, self._total = loop, due, rate, total

    def run(self) -> None:
        start = perf_counter() + 0.05
        for number in range(self._total):
            meant = start + number / self._rate
            if (early := meant - perf_counter()) > 0:
                sleep(early)
            self._loop.call_soon_threadsafe(self._due, meant)


async def generate(order: Order) -> Result:
    """Do what is asked for."""
    target = Target(order.url)
    connections = [await target.connect() for _ in range(order.connections)]
    load = Load(Pushes(target, order.first, order.count))
    started = perf_counter()
    if order.rate:
        await load.run_open(connections, order.rate, order.seconds)
    else:
        await load.run_closed(connections, order.pushes, order.seconds)
    seconds = perf_counter() - started
    for connection in connections:
        connection.close()
    shares = sorted(1000 * latency for latency in load.latencies)
    p50, p99, longest = (percentile(shares, percent) for percent in (50, 99, 100))
    return Result(dict(load.answers), seconds, p50, p99, longest)


if __name__ == "__main__":
    print(json.dumps(asdict(uvloop.run(generate(Order(**json.loads(sys.argv[1])))))))
