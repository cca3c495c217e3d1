"""
The times of pushes.

Closed loop (rate 0): each connection pushes again as soon as it has the answer, for a time or for a
number of pushes. Open loop: a fixed number of pushes a second, whatever the answers. Latency then
counts from the time that a push was meant for, so a service that stalls does not get less load.
"""

import asyncio
from collections import deque
from time import perf_counter

from benchmarks.load.clock import Clock
from benchmarks.load.generator import LATE, Lane, Load
from benchmarks.load.order import Order, Result


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
        """Count as lost the pushes that found no free connection in time."""
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
