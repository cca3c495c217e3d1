"""
Long work in turns: one task does it at a time, and pushes get their turn in between.

A caller waits for its turn, or is told at once that too many wait.
"""

from asyncio import AbstractEventLoop, Lock, get_running_loop

from otel_jcmc.catalogue.reasons import StoreUnavailable


class Busy(StoreUnavailable):
    """Too many callers wait already; the caller may try again."""


class Turn:
    """
    An asynchronous context manager that one caller at a time can enter.

    Concurrency: a caller in a new event loop does not wait for callers of the former loop, which is
    over.
    """

    def __init__(self, most: int = 0) -> None:
        """Let *most* callers wait for the turn; 0: any number."""
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
        """Give the turn to the next caller."""
        self._lock.release()
