"""
Calls at fixed times: the beat of the open loop.

It is a thread, because a loop's timers have steps of a millisecond and a thread's sleep has not.
Above a thousand calls a second one beat makes several, at most a millisecond apart: to wake the
loop costs as much as a push.
"""

import asyncio
import threading
from collections.abc import Callable
from math import ceil
from time import perf_counter, sleep

_BEATS_A_SECOND = 1000
_LEAD_SECONDS = 0.05


class Clock(threading.Thread):
    """Calls *due* on the loop, with the time that it was meant for and how many pushes are due."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        due: Callable[[float, int], None],
        rate: float,
        total: int,
        start: float,
    ) -> None:
        """Be ready to make *total* pushes due, *rate* a second, from soon after *start*."""
        super().__init__(daemon=True)
        self._loop, self._due, self._rate, self._total = loop, due, rate, total
        self._start = start + _LEAD_SECONDS

    def run(self) -> None:
        """Beat until all have been due."""
        each = ceil(self._rate / _BEATS_A_SECOND)
        for number in range(0, self._total, each):
            meant = self._start + number / self._rate
            if (early := meant - perf_counter()) > 0:
                sleep(early)
            try:
                self._loop.call_soon_threadsafe(self._due, meant, min(each, self._total - number))
            except RuntimeError:
                return  # the loop is closed: the run was given up
