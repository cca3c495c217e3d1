"""
Lets only one task at a time do long work, so that a push waits for one such task at most.

The other tasks wait for their turn. If too many tasks wait already, another task that asks for a
turn gets `Busy` at once.
"""

from asyncio import AbstractEventLoop, Lock, get_running_loop

from otel_jcmc.catalogue.reasons import StoreUnavailable


class Busy(StoreUnavailable):
    """The caller did not get a turn, because too many callers wait; it may try again later."""


class Turn:
    """
    An asynchronous context manager that one caller at a time can enter; the others wait.

    Concurrency: tasks of one event loop at a time. In a new event loop, callers do not wait for
    callers of the former loop, because that loop has ended.
    """

    def __init__(self, most: int = 0) -> None:
        """Let at most *most* callers wait for their turn; 0: any number of callers."""
        self._most = most
        self._loop: AbstractEventLoop | None = None
        self._lock = Lock()
        self._waiting = 0

    async def __aenter__(self) -> None:
        """
        Wait until no other caller has the turn, and take it.

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
