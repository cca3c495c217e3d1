"""What is recorded of sessions, on real servers: Valkey, and Redis 7.0."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import redis
from harness import CLIENT_ID
from people import apart
from redis_parts import redis_binary

from otel_jcmc import embedded, samples
from otel_jcmc.embedded import EmbeddedStore
from otel_jcmc.participants import to_write
from otel_jcmc.push import Report
from otel_jcmc.push_session import Session
from otel_jcmc.recorder import Recorder
from otel_jcmc.samples import Sample
from otel_jcmc.scripts import Keeping
from otel_jcmc.session_logs import SessionLogs
from otel_jcmc.store import Store, Stored
from otel_jcmc.vitals import Thresholds

CONFERENCE, CLIENT, PARTICIPANT = 64, 65, 66
HISTORY = Keeping(sessions=True)
SPANS = Keeping(sessions=True, spans=True)
BOUNDS = Thresholds(30, 5, 400)


@pytest.fixture(scope="module", params=["valkey", "redis"])
def kind(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EmbeddedStore]:
    """Return a server of each kind, for all tests."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "redis":
            patch.setattr(embedded, "find_server", redis_binary)
        running = EmbeddedStore(tmp_path_factory.mktemp("s") / "r")
        running.start()
    yield running
    running.stop()


@pytest.fixture
def server(kind: EmbeddedStore) -> EmbeddedStore:
    """Return a server that holds nothing, no script either."""
    with redis.Redis.from_url(kind.url) as other:
        other.flushall()
        other.script_flush()
    return kind


@pytest.fixture
def client(server: EmbeddedStore) -> Iterator[redis.Redis]:
    """Return another client of `server`."""
    with redis.Redis.from_url(server.url) as other:
        yield other


class Clock:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Process:
    """What of one process of the service stores and records pushes, at a clock of its own."""

    def __init__(
        self, url: str, keeping: Keeping = HISTORY, interval: float = 30, most: int = 6000
    ) -> None:
        self.clock = Clock()
        self.store = Store(url, keeping=keeping)
        self.logs = SessionLogs(url, "jcmc", keeping, most, self.clock)
        bounds = BOUNDS if keeping.spans else None
        self.recorder = Recorder(self.logs, interval, bounds, self.clock)

    async def push(self, report: Report) -> Stored:
        write = to_write(report, 30_000)
        stored = await self.store.put(write)
        if stored is Stored.STORED:
            self.recorder.note(write, report)
        return stored

    async def wait(self, seconds: float) -> None:
        """Let time pass, and the recorder do what is due."""
        self.clock.now += seconds
        await self.recorder.look()
        await self.logs.send()


@asynccontextmanager
async def process(server: EmbeddedStore, *args: Any, **options: Any) -> AsyncIterator[Process]:
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
    return samples.in_order(entries)


def partition(sid: str) -> str:
    return f"{{{int(sid[0], 16) % 4:02d}}}"


def sids(client: redis.Redis) -> list[str]:
    """Return all sessions there are."""
    found: list[str] = []
    for number in range(4):
        listed: Any = client.zrange(f"jcmc:{{{number:02d}}}:sessions", 0, -1)
        found += [each.decode() for each in listed]
    return found


@pytest.mark.anyio
async def test_after_the_interval_a_session_has_an_entry_of_its_last_push(
    server: EmbeddedStore, client: redis.Redis
) -> None:
    async with process(server) as here:
        for quality in (97.5, 60, 80.25):
            await here.push(push(session="session-1", f1=quality, f2=2900, f69="eu-west"))
            await here.wait(10)
        (sid,) = sids(client)
        (only,) = read_log(client, sid)
    assert only.numbers[:3] == [80.2, 2900, None]
    assert (only.worst, only.best) == ([60, None, None], [97.5, None, None])
    assert only.attributes is not None
    assert only.attributes[69] == "eu-west"


@pytest.mark.anyio
async def test_a_leave_writes_at_once_what_its_session_had(
    server: EmbeddedStore, client: redis.Redis
) -> None:
    async with process(server) as here:
        await here.push(push(session="session-1", f1=50))
        await here.push(push(session="session-1", end="left"))
        await here.wait(1)
        (sid,) = sids(client)
        assert [each.numbers[0] for each in read_log(client, sid)] == [50]
