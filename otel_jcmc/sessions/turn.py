"""
Lets only one task at a time do long work, so that pushes are handled in between.

Other tasks wait until it is their turn. If too many tasks wait already, a task gets `Busy` at once.
"""

from asyncio import AbstractEventLoop, Lock, get_running_loop

from otel_jcmc.catalogue.reasons import StoreUnavailable


class Busy(StoreUnavailable):
    """Too many callers wait for the turn already; the caller may try again later."""


class Turn:
    """
    An asynchronous context manager that one caller at a time can enter.

    Concurrency: use it in one event loop. When a new loop replaces an ended loop, callers in the
    new loop do not wait for callers in the ended loop.
    """

    def __init__(self, most: int = 0) -> None:
        """Let at most *most* callers wait for the turn; 0: any number."""
        self._most = most
        self._loop: AbstractEventLoop | None = None
        self._lock = Lock()
        self._waiting = 0

    async def __aenter__(self) -> None:
        """
        Wait for the turn.

        Raises:
            Busy: *most* callers wait already.
        """
        if self._loop is not (loop := get_running_loop()):
            self._loop, self._lock, self._waiting = loop, Lock(), 0
        if 0 < self._most <= self._waiting:
            raise Busy
        self._waiting += 1
        try:
            await self._lock.acquire()
        finally:
            self._waiting -= 1

    async def __aexit__(self, *_: object) -> None:
        """End this caller's turn, so that the next caller can begin."""
        self._lock.release()
