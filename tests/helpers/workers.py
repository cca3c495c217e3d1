"""A service of several processes, for tests: their ids, their kills, and clients that go on."""

import asyncio
import itertools
import os
import re
import signal
import time
from typing import Final

import psutil
from crowd import Browser
from harness import Service, eventually

_UP: Final = re.compile(r"(worker \d+|the reader) is up, pid (\d+)$", re.MULTILINE)


def named(service: Service) -> dict[str, int]:
    """Return the process ids by name, from the last log line of each process."""
    return {name: int(pid) for name, pid in _UP.findall(service.log.read_text())}


def processes_of(service: Service) -> list[psutil.Process]:
    """Return the processes that *service* started, and their children."""
    return psutil.Process(service.pid).children(recursive=True)


class Pages:
    """
    Clients that push, and connect again when a connection ends.

    Attributes:
        acknowledged: participants whose push was answered 200.
        statuses: of all answers.
        refused: number of connections that were refused.
    """

    def __init__(self, url: str, prefix: str) -> None:
        self._url, self._prefix = url, prefix
        self._numbers = itertools.count()
        self.acknowledged: set[str] = set()
        self.statuses: set[int] = set()
        self.refused = 0

    async def run(self, seconds: float, pages: int = 8) -> None:
        """Push for this time."""
        until = time.monotonic() + seconds
        await asyncio.gather(*(self._page(until) for _ in range(pages)))

    async def _page(self, until: float) -> None:
        while time.monotonic() < until:
            try:
                browser = await Browser.opened(self._url)
            except ConnectionRefusedError:
                self.refused += 1
                continue
            except ConnectionError:
                continue
            await self._push(browser, until)
            browser.close()

    async def _push(self, browser: Browser, until: float) -> None:
        """Push on one connection, until it ends."""
        while time.monotonic() < until:
            name = f"{self._prefix}-{next(self._numbers)}"
            told = await browser.push(name, name)
            if told is None:
                return
            self.statuses.add(told.status)
            if told.status == 200:
                self.acknowledged.add(name)
            await asyncio.sleep(0.02)


def kill_and_await(service: Service, name: str) -> float:
    """Kill the process called *name*; return the seconds until its successor is ready."""
    pid = named(service)[name]
    began = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: named(service)[name] != pid, every=0.01)
    return time.monotonic() - began
