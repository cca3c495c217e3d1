"""
The load: pushes on connections that stay open, to any URL, and what came of them.

Closed loop (rate 0): each connection pushes again as soon as it is answered, for so many seconds
or until so many pushes. Open loop: so many pushes a second whatever the answers do, and latency
counts from the time that a push was meant for, so that a service which stalls is not asked less.
A push that is not answered `timeout_seconds` after that time is lost. A connection that ends is
opened again. load.py is its command line, pushes.py makes what is sent.
"""

import asyncio
from array import array
from collections import Counter, deque
from contextlib import suppress
from time import perf_counter, process_time

from benchmarks.clock import Clock
from benchmarks.order import Order, Result
from benchmarks.pushes import Pushes
from otel_jcmc.load import Answer, Connection, Target, percentile

LOST, LATE = "connection lost", "time-out"
_SWEEP_SECONDS, _REOPEN_SECONDS = 0.5, 0.2


class Lane:
    """One connection, which is opened again when it ends; *since* is 0 when it is free."""

    __slots__ = ("connection", "load", "since")

    def __init__(self, load: "Load", connection: Connection) -> None:
        """Be free."""
        self.load, self.connection = load, connection
        self.since = 0.0

    def send(self, since: float) -> None:
        """Send the next push, which was meant to go at *since*."""
        self.since = since
        self.connection.send(self.load.pushes.next(), self._then)

    def _then(self, found: Answer | ConnectionError) -> None:
        """Note how the push ended, and be free for another."""
        since, self.since = self.since, 0.0
        self.load.note(found, since)
        if self.connection.is_open:
            self.load.take_free(self)
        else:
            self.load.reopen(self)


class Load:
    """
    One run.

    Attributes:
        done: how many pushes have ended, in one way or another.
    """

    def __init__(self, order: Order) -> None:
        """
        Prepare the pushes.

        Raises:
            ValueError: the URL is none.
        """
        self.order = order
        self.target = Target(order.url)
        self.pushes = Pushes(
            self.target, order.first, order.participants, order.body, lean=order.lean
        )
        self.latencies, self.late = array("d"), array("d")
        self.answers: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.done = self.reopened = 0
        self._lanes: list[Lane] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._over = asyncio.Event()

    async def open(self) -> None:
        """
        Open the connections.

        Raises:
            OSError: one can't be had.
        """
        for _ in range(self.order.connections):
            self._lanes.append(Lane(self, await self.target.connect()))

    async def run(self) -> Result:
        """Push, and return what came of it."""
        started, before = perf_counter(), process_time()
        sweeper = asyncio.create_task(self._sweep())
        self.begin(started)
        try:
            await self._over.wait()
        finally:
            for task in (sweeper, *self._tasks):
                task.cancel()
            for lane in self._lanes:
                lane.connection.close()
        seconds, cpu_seconds = perf_counter() - started, process_time() - before
        ordered = sorted(1000 * latency for latency in self.latencies)
        late = sorted(1000 * latency for latency in self.late)
        made = max(1, self.pushes.made)
        return Result(
            dict(self.answers),
            dict(self.errors),
            self.reopened,
            seconds,
            p50=percentile(ordered, 50),
            p90=percentile(ordered, 90),
            p99=percentile(ordered, 99),
            longest=percentile(ordered, 100),
            late_p99=percentile(late, 99),
            head_bytes=self.pushes.head_bytes / made,
            body_bytes=self.pushes.body_bytes / made,
            cpu={"generator": cpu_seconds},
        )

    def note(self, found: Answer | ConnectionError, since: float) -> None:
        """Count one push that has ended."""
        self.done += 1
        if isinstance(found, Answer):
            self.latencies.append(perf_counter() - since)
            self.answers[str(found.status)] += 1
        else:
            self.errors[LOST] += 1

    def reopen(self, lane: Lane) -> None:
        """Open the connection of *lane* again, as soon as it can be had."""
        task = asyncio.create_task(self._reopen(lane))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _reopen(self, lane: Lane) -> None:
        """Try until there is a connection; what waits meanwhile is late, and lost in the end."""
        self.take_lost()
        while True:
            with suppress(OSError):
                lane.connection = await self.target.connect()
                break
            await asyncio.sleep(_REOPEN_SECONDS)
        self.reopened += 1
        self.take_free(lane)

    async def _sweep(self) -> None:
        """Give up what has waited too long for its answer."""
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            long_ago = perf_counter() - self.order.timeout_seconds
            for lane in self._lanes:
                if 0 < lane.since < long_ago:
                    lane.since = 0.0
                    lane.connection.close()
                    self.lose(LATE)
                    self.reopen(lane)
            self.sweep(long_ago)

    def lose(self, why: str) -> None:
        """Count a push that nobody will answer."""
        self.done += 1
        self.errors[why] += 1

    def end(self) -> None:
        """Let `run` return."""
        self._over.set()

    def begin(self, now: float) -> None:
        """Send the first pushes."""
        raise NotImplementedError

    def take_free(self, lane: Lane) -> None:
        """Use a connection that has become free."""
        raise NotImplementedError

    def take_lost(self) -> None:
        """Learn that a connection is not to be had for a while."""

    def sweep(self, long_ago: float) -> None:
        """Give up what was meant for before *long_ago* and has not been sent."""


class ClosedLoad(Load):
    """Every connection is kept busy."""

    def begin(self, now: float) -> None:
        """Send a push on each connection."""
        self._deadline = now + (self.order.seconds or float("inf"))
        self._most = self.order.pushes or float("inf")
        for lane in self._lanes:
            self.take_free(lane)

    def take_free(self, lane: Lane) -> None:
        """Push again at once."""
        now = perf_counter()
        if self.pushes.made < self._most and now < self._deadline:
            lane.send(now)
        elif self.done == self.pushes.made:
            self.end()

    def take_lost(self) -> None:
        """End when this was the last one that was awaited."""
        is_over = self.pushes.made >= self._most or perf_counter() >= self._deadline
        if is_over and self.done == self.pushes.made:
            self.end()

    def sweep(self, long_ago: float) -> None:
        """End when the time is over while no connection can be had."""
        del long_ago
        self.take_lost()


class OpenLoad(Load):
    """Pushes go at fixed times; what finds no free connection waits, and its time runs."""

    def begin(self, now: float) -> None:
        """Start the clock."""
        self._free = deque(self._lanes)
        self._waiting: deque[float] = deque()
        self._total = round(self.order.rate * self.order.seconds)
        Clock(asyncio.get_running_loop(), self._due, self.order.rate, self._total, now).start()

    def _due(self, meant: float, count: int) -> None:
        """Send so many pushes that were meant to go now."""
        self.late.append(perf_counter() - meant)
        for _ in range(count):
            lane = self._next_free()
            if lane:
                lane.send(meant)
            else:
                self._waiting.append(meant)

    def _next_free(self) -> Lane | None:
        """Return the connection that was free longest: none of them is to be idle for long."""
        while self._free:
            lane = self._free.popleft()
            if lane.connection.is_open:
                return lane
            self.reopen(lane)
        return None

    def take_free(self, lane: Lane) -> None:
        """Send what has waited longest."""
        if self._waiting:
            lane.send(self._waiting.popleft())
        else:
            self._free.append(lane)
            if self.done == self._total:
                self.end()

    def take_lost(self) -> None:
        """End when this was the last one that was awaited."""
        if self.done == self._total:
            self.end()

    def sweep(self, long_ago: float) -> None:
        """Lose what nobody had a connection for."""
        while self._waiting and self._waiting[0] < long_ago:
            self._waiting.popleft()
            self.lose(LATE)
        self.take_lost()


def make_load(order: Order) -> Load:
    """
    Return the load that is asked for.

    Raises:
        ValueError: the URL is none.
    """
    return OpenLoad(order) if order.rate else ClosedLoad(order)


async def generate(order: Order) -> Result:
    """
    Do what is asked for.

    Raises:
        ValueError: the URL is none.
        OSError: the first connections can't be had.
    """
    load = make_load(order)
    await load.open()
    return await load.run()
