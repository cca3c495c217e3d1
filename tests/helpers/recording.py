"""
The recording of one process, for tests: a store, a recorder with a clock of its own, and pushes.

`Process` stores a push as the service does, and passes it to its recorder. Time passes only when a
test says so. `read_log` returns the entries of a session's log.
"""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol

import redis
from harness import CLIENT_ID
from people import apart
from storing import put

from otel_jcmc.sessions import entry
from otel_jcmc.sessions.entry import Sample
from otel_jcmc.sessions.log import SessionLogs
from otel_jcmc.sessions.quota import Bounds, Quota
from otel_jcmc.sessions.recorder import Recorder
from otel_jcmc.sessions.vitals import Thresholds
from otel_jcmc.store.keeping import Keeping
from otel_jcmc.store.keys import DEFAULT_KEYS
from otel_jcmc.store.live import Store
from otel_jcmc.store.participant import to_write
from otel_jcmc.store.writes import Stored
from otel_jcmc.wire.push import Report
from otel_jcmc.wire.session import Session

CONFERENCE, CLIENT, PARTICIPANT = 64, 65, 66
HISTORY = Keeping(sessions=True)
SPANS = Keeping(sessions=True, spans=True)
# Tests do not wait for late pushes.
SUMMARIES = Keeping(sessions=True, summaries=True, settle_ms=0)
BOUNDS = Thresholds(30, 5, 400)
ANY = Bounds(0, 2**40)


class HasUrl(Protocol):
    """A Redis server of any kind."""

    @property
    def url(self) -> str: ...


class Clock:
    """A clock that moves only when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Process:
    """The part of a process that stores and records pushes, with a clock of its own."""

    def __init__(
        self,
        url: str,
        keeping: Keeping = HISTORY,
        interval: float = 30,
        most: int = 6000,
        bounds: Bounds = ANY,
        ago: float = 0,
    ) -> None:
        """Begin so many seconds *ago*, by the clock that entries are written with."""
        self.clock = Clock()
        offset = time.time() - self.clock.now - ago
        self.store = Store(url, keeping=keeping)
        self.logs = SessionLogs(url, DEFAULT_KEYS, keeping, most, self.clock, offset)
        self.quota = Quota(self.logs.link, DEFAULT_KEYS, keeping, bounds)
        self.recorder = Recorder(self.logs, self.quota, interval, BOUNDS, self.clock)
        self.ttl_ms = 30_000

    async def push(self, report: Report) -> Stored:
        write = to_write(report, self.ttl_ms)
        stored = await put(self.store, write)
        if stored is Stored.STORED:
            self.recorder.take(write, report)
        return stored

    async def wait(self, seconds: float) -> None:
        """Let time pass, and let the recorder do its due work."""
        self.clock.now += seconds
        await self.recorder.write_due()
        await self.recorder.send()


@asynccontextmanager
async def process(server: HasUrl, *args: Any, **options: Any) -> AsyncIterator[Process]:
    """Run one process on *server*, and end it as a service ends."""
    running = Process(server.url, *args, **options)
    try:
        yield running
    finally:
        await running.recorder.stop()
        await running.store.close()


def push(
    participant: str = "ada",
    session: str = "",
    end: str = "",
    sent: list[Any] | None = None,
    conference: str = "standup",
    **fields: Any,
) -> Report:
    """Return one push; *fields* are `f1=97` for the row with id 1."""
    who = {CONFERENCE: conference, CLIENT: CLIENT_ID, PARTICIPANT: participant}
    values = {int(name[1:]): value for name, value in fields.items()}
    attributes, numbers = apart(who | values)
    return Report(
        conference,
        CLIENT_ID,
        participant,
        Session(session, end=end),
        attributes,
        numbers,
        sent=sent,
    )


def read_log(client: redis.Redis, sid: str) -> list[Sample]:
    entries: Any = client.lrange(f"jcmc:{partition(sid)}:samples:{sid}", 0, -1)
    return entry.in_order(entries)


def partition(sid: str) -> str:
    return f"{{{int(sid[0], 16) % 4:02d}}}"


def sids(client: redis.Redis) -> list[str]:
    """Return all sessions there are."""
    found: list[str] = []
    for number in range(4):
        listed: Any = client.zrange(f"jcmc:{{{number:02d}}}:sessions", 0, -1)
        found += [each.decode() for each in listed]
    return found
