"""
A deadline that tells a late answer from a late look.

When the process or its machine stands still, a loop runs the timers that are over before it looks
at its sockets: what has come meanwhile would count as never come. A timer that is late itself tells
that the loop stood still, and gives the sockets a short grace first. link.py waits for Redis with
it, web/bodies.py and server/protocol.py for requests.
"""

import asyncio
from collections.abc import Callable
from time import monotonic
from types import TracebackType
from typing import Final, Self

# A loop that has work is late by a few milliseconds.
LATE_SECONDS: Final = 0.05
# Enough for who has been asked just before, and stood still as well.
GRACE_SECONDS: Final = 0.25


def _nobody() -> None:
    """Be called by no timer any more."""


class Timer:
    """
    Calls *late* in some seconds of a loop, with a grace if it stood still at the end.

    Attributes:
        stood_still: whether it did.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, seconds: float, late: Callable[[], object]
    ) -> None:
        """Begin to count the *seconds* of *loop*; infinity is any time."""
        self.stood_still = False
        self._loop = loop
        self._late: Callable[[], object] = late
        self._at = monotonic() + seconds
        self._handle = loop.call_later(seconds, self._look)

    def _look(self) -> None:
        """Call, or look again after the grace."""
        # Once: then the sockets have had their turn, however late this is again.
        if self.stood_still or monotonic() < self._at + LATE_SECONDS:
            self._late()
            return
        self.stood_still = True
        self._handle = self._loop.call_later(GRACE_SECONDS, self._look)

    @property
    def is_over(self) -> bool:
        """Whether the seconds have passed."""
        return monotonic() >= self._at

    @property
    def left(self) -> float:
        """How many seconds have not passed yet."""
        return max(0.0, self._at - monotonic())

    def cancel(self) -> None:
        """Call no more, and let go of who would be called: he may hold this one."""
        self._handle.cancel()
        self._late = _nobody


class Deadline:
    """
    What `asyncio.timeout` is, by a `Timer`.

    Attributes:
        stood_still: whether the loop did at its end.
    """

    def __init__(self, seconds: float | None) -> None:
        """Allow so many *seconds*, below 0 as none; None is any time."""
        self._seconds = seconds
        self._timeout = asyncio.timeout(None)
        self._timer: Timer | None = None

    @property
    def stood_still(self) -> bool:
        """Whether the loop stood still when it was over, be it that its timer has had no turn."""
        return self._timer is not None and (self._timer.stood_still or self._timer.is_over)

    async def __aenter__(self) -> Self:
        """Begin."""
        await self._timeout.__aenter__()
        if self._seconds is not None:
            loop = asyncio.get_running_loop()
            self._timer = Timer(loop, max(0.0, self._seconds), self._end)
        return self

    def _end(self) -> None:
        """Say that it is over, to who waits inside."""
        self._timeout.reschedule(asyncio.get_running_loop().time())

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """
        End.

        Raises:
            TimeoutError: it was over before.
        """
        if self._timer is not None:
            self._timer.cancel()
        await self._timeout.__aexit__(kind, error, traceback)
