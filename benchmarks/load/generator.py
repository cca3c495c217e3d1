"""
The load: pushes on connections that stay open, to any URL, and their results.

A push is lost if no answer comes within `timeout_seconds` of the time that it was meant for. A
connection that ends is opened again. The times of pushes are in loops.py, their requests in
pushes.py, the command line in command.py.
"""

import asyncio
from array import array
from collections import Counter
from contextlib import suppress
from time import perf_counter, process_time

from benchmarks.load.order import Order, Result
from benchmarks.load.pushes import Pushes
from otel_jcmc.simulate.client import PageAnswer, PageConnection, Target, percentile

LOST, LATE = "connection lost", "time-out"
_SWEEP_SECONDS, _REOPEN_SECONDS = 0.5, 0.2


class Lane:
    """One connection, which is opened again when it ends; *since* is 0 when it is free."""

    __slots__ = ("connection", "load", "since")

    def __init__(self, load: "Load", connection: PageConnection) -> None:
        """Be free."""
        self.load, self.connection = load, connection
        self.since = 0.0

    def send(self, since: float) -> None:
        """Send the next push, which was meant to go at *since*."""
        self.since = since
        self.connection.send(self.load.pushes.next(), self._then)

    def _then(self, found: PageAnswer | ConnectionError) -> None:
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

    def note(self, found: PageAnswer | ConnectionError, since: float) -> None:
        """Count one push that has ended."""
        self.done += 1
        if isinstance(found, PageAnswer):
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
        """Count a push that will get no answer."""
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
