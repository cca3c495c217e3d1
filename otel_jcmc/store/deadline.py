"""
A deadline that still accepts an answer if this process, and not the other side, was late.

After the process or its machine has stood still, an event loop runs its expired timers before it
reads its sockets. Answers that came in the meantime would count as missing. A timer that runs late
shows that the loop stood still. Such a timer waits a short time more, so that the loop reads its
sockets first. link.py uses this deadline to wait for Redis. web/bodies.py and server/protocol.py
use it to wait for requests.
"""

import asyncio
from collections.abc import Callable
from time import monotonic
from types import TracebackType
from typing import Final, Self

# A timer that is later than this shows that the loop stood still. In a loop that is only busy,
# timers are late by a few milliseconds.
LATE_SECONDS: Final = 0.05
# Enough time for a server to answer if it stood still together with this process.
GRACE_SECONDS: Final = 0.25


def _nobody() -> None:
    """Do nothing: a cancelled timer has this function as its callback."""


class Timer:
    """
    Calls a function after some seconds; GRACE_SECONDS later if the event loop stood still.

    Attributes:
        stood_still: whether the loop stood still when the seconds were over.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, seconds: float, late: Callable[[], object]
    ) -> None:
        """Call *late* in *loop* after *seconds*; if *seconds* is infinite, never call it."""
        self.stood_still = False
        self._loop = loop
        self._late: Callable[[], object] = late
        self._at = monotonic() + seconds
        self._handle = loop.call_later(seconds, self._look)

    def _look(self) -> None:
        """Call *late*; if the loop stood still, call it GRACE_SECONDS later instead."""
        # The timer waits longer only once. After that, the loop has read its sockets, even if the
        # timer is late again.
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
        """How many seconds are left."""
        return max(0.0, self._at - monotonic())

    def cancel(self) -> None:
        """Stop the timer, and release the callback: it may hold a reference to this timer."""
        self._handle.cancel()
        self._late = _nobody


class Deadline:
    """
    Works like `asyncio.timeout`, with a `Timer`.

    Attributes:
        stood_still: whether the loop stood still when the time was over.
    """

    def __init__(self, seconds: float | None) -> None:
        """Allow *seconds* for the block; a number below 0 counts as 0, None means no limit."""
        self._seconds = seconds
        self._timeout = asyncio.timeout(None)
        self._timer: Timer | None = None

    @property
    def stood_still(self) -> bool:
        """Whether the loop stood still: the time is over, even if the timer has not run yet."""
        return self._timer is not None and (self._timer.stood_still or self._timer.is_over)

    async def __aenter__(self) -> Self:
        """Begin to count the seconds."""
        await self._timeout.__aenter__()
        if self._seconds is not None:
            loop = asyncio.get_running_loop()
            self._timer = Timer(loop, max(0.0, self._seconds), self._end)
        return self

    def _end(self) -> None:
        """End the code inside the block with a time-out."""
        self._timeout.reschedule(asyncio.get_running_loop().time())

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """
        Stop the timer.

        Raises:
            TimeoutError: the time was over before the code inside had ended.
        """
        if self._timer is not None:
            self._timer.cancel()
        await self._timeout.__aexit__(kind, error, traceback)
