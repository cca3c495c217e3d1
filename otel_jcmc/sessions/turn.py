"""
One after the other: what takes long is done by one at a time, and pushes get their turn between.

Who wants to do it waits, or hears at once that too many do.
"""

from asyncio import AbstractEventLoop, Lock, get_running_loop

from otel_jcmc.catalogue.reasons import StoreUnavailable


class Busy(StoreUnavailable):
    """Too many wait already; it may be tried again."""


class Turn:
    """
    A turn that one has at a time, an asynchronous context manager.

    Concurrency: who comes in another event loop waits for nobody of the one before, which is over.
    """

    def __init__(self, most: int = 0) -> None:
        """Let *most* wait for it, 0: any number."""
        self._most = most
        self._loop: AbstractEventLoop | None = None
        self._lock = Lock()
        self._waiting = 0

    async def __aenter__(self) -> None:
        """
        Wait for the turn.

        Raises:
            Busy: *most* wait already.
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
        """Give the turn to the next one."""
        self._lock.release()
