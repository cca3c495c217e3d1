"""
Starts and ends the service, alone or mounted in another application (its host).

A host does not run the lifespan of an application that it mounts. So a mounted service starts at
its first request, and ends with the event loop. If the host uses our `lifespan`, the service starts
and ends with the host. If a start fails, the host goes on: requests to us get 503 until a start
succeeds.

Source: Starlette's documentation of `Mount` and of lifespans.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from contextvars import Context
from time import monotonic
from typing import Any, Final, Protocol, Self

from otel_jcmc.catalogue.trouble import Trouble

log = logging.getLogger(__name__)

# A request waits for the start at most this long. A start takes 0.25 s, and clients give up after
# 10 s.
WAIT_SECONDS: Final = 5.0
# After a failed start, requests are refused for this long, without another attempt to start.
AGAIN_SECONDS: Final = 5.0


class Life:
    """
    Starts and ends one service, which can be up in only one event loop at a time.

    Concurrency: any event loop may call `start`; only the loop in which the service is up uses it.
    """

    def __init__(self, service: Callable[[], AbstractAsyncContextManager[None]]) -> None:
        """Prepare; the service is up while a context from *service* is open. Start nothing yet."""
        self._service = service
        self._up_in: asyncio.AbstractEventLoop | None = None
        self._holding: asyncio.Task[None] | None = None
        self._tried = asyncio.Event()
        self._again_at = 0.0
        self._trouble = Trouble(log, "%s", "otel_jcmc is up", logging.ERROR)

    @property
    def is_up(self) -> bool:
        """Whether the service is up in this event loop."""
        return self._up_in is asyncio.get_running_loop()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """
        Run the service while the context is open.

        If no host mounts our application, this is its lifespan.

        Raises:
            StoreCannotStart, ExporterCannotStart: the start failed.
        """
        async with self._service():
            self._up_in = asyncio.get_running_loop()
            try:
                yield
            finally:
                self._up_in = None

    async def start(self) -> float:
        """
        Start the service if it is not up. Return 0.0 if it is up, otherwise the seconds to wait.

        After these seconds the caller may try again. Requests that come during a start all wait for
        this start. The start goes on even if the request that began it is gone, or if the start
        takes longer than WAIT_SECONDS.
        """
        if self.is_up:
            return 0.0
        if not self._is_held():
            wait = self._again_at - monotonic()
            if wait > 0:
                return wait
            self._tried = asyncio.Event()
            # An empty context: the request's context has values that belong only to this request,
            # such as the host's trace of it.
            self._holding = asyncio.get_running_loop().create_task(
                self._hold(self._tried), name="otel_jcmc", context=Context()
            )
        elif self._holding_loop() is not asyncio.get_running_loop():
            self._trouble.update(
                "otel_jcmc is up in another event loop of this process: a process has one otel_jcmc"
            )
            return AGAIN_SECONDS
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await self._tried.wait()
        except TimeoutError:
            return AGAIN_SECONDS
        return 0.0 if self.is_up else max(1.0, self._again_at - monotonic())

    async def stop(self) -> None:
        """End the service if it is up in this loop, and return when all pending writes are done."""
        holding = self._holding
        if self._is_held() and self._holding_loop() is asyncio.get_running_loop():
            assert holding is not None
            holding.cancel()
            await asyncio.wait([holding])

    def _is_held(self) -> bool:
        """Say whether the service is starting or up."""
        return (
            self._holding is not None
            and not self._holding.done()
            # When a loop is closed, the service in it has ended.
            and not self._holding.get_loop().is_closed()
        )

    def _holding_loop(self) -> asyncio.AbstractEventLoop | None:
        """Return the event loop in which the service was started; None: it was never started."""
        return self._holding.get_loop() if self._holding is not None else None

    async def _hold(self, tried: asyncio.Event) -> None:
        """
        Run the service until this task is cancelled by `stop` or by the end of the event loop.

        This one task opens and closes the context, because the task that opens a context should
        close it.
        """
        try:
            async with self.running():
                self._trouble.update("")
                tried.set()
                await asyncio.Event().wait()
        except Exception as error:  # noqa: BLE001  # it is logged, and the host goes on
            self._again_at = monotonic() + AGAIN_SECONDS
            self._trouble.update(f"otel_jcmc does not start: {_words(error)}")
        finally:
            tried.set()


def _words(error: Exception) -> str:
    """Return the text of *error* if it is written for operators, otherwise only its class name."""
    name = type(error).__name__
    return str(error) if name.endswith("CannotStart") else name


class HasLife(Protocol):
    """An application, such as `create_app` returns, with the object that starts and ends it."""

    @property
    def life(self) -> Life:
        """The object that starts and ends the service."""


class Lifespan:
    """The lifespan of mounted applications, as a context manager or as FastAPI's `lifespan`."""

    def __init__(self, *mounted: HasLife) -> None:
        """Prepare to start and stop the applications *mounted*."""
        self._mounted = mounted
        self._stack = AsyncExitStack()

    def __call__(self, _host: Any) -> Self:
        """Return this object: FastAPI and Starlette call their `lifespan` with the application."""
        return self

    async def __aenter__(self) -> None:
        """Start each application; if a start fails, log it: the application then answers 503."""
        for each in self._mounted:
            self._stack.push_async_callback(each.life.stop)
            await each.life.start()

    async def __aexit__(self, *_: object) -> None:
        """Stop each application, the last one first."""
        await self._stack.aclose()


def lifespan(*mounted: HasLife) -> Lifespan:
    """
    Return the lifespan for a host that has *mounted* the results of `create_app`.

    Use it as the host's own lifespan, `FastAPI(lifespan=otel_jcmc.lifespan(metrics))`, or within
    the host's lifespan: `async with otel_jcmc.lifespan(metrics):`.
    """
    return Lifespan(*mounted)
