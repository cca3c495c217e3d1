"""How the service ends: killed with pushes in flight, and stopped under load."""

import asyncio
import itertools
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from crowd import Browser, Told, push_request, shown
from harness import Service, push_body
from redis_parts import RedisServer

pytestmark = pytest.mark.xdist_group("faults-end")

CONNECTIONS = 64
UNDER_WAY = 1_500
ENDED_SECONDS = 10


@pytest.fixture
def server(short_path: Path) -> Iterator[RedisServer]:
    with RedisServer(short_path / "r") as running:
        yield running


class Load:
    """
    Browsers that push one participant after the other, each as soon as the last push is answered.

    Attributes:
        acknowledged: participants whose push was answered 200.
        statuses: of all answers.
        unanswered: pushes whose connection ended without an answer.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._numbers = itertools.count()
        self.acknowledged: set[str] = set()
        self.statuses: set[int] = set()
        self.unanswered: list[str] = []
        self.is_under_way = asyncio.Event()

    async def run(self) -> None:
        """Push until every connection has ended."""
        await asyncio.gather(*(self._push() for _ in range(CONNECTIONS)))

    async def _push(self) -> None:
        browser = await Browser.opened(self._url)
        told: Told | None = Told(0, False, b"")
        while told and not told.closes:
            number = next(self._numbers)
            name = f"p{number}"
            told = await browser.push(name, f"room-{number // 100}")
            if told is None:
                self.unanswered.append(name)
            else:
                self.statuses.add(told.status)
                if told.status == 200:
                    self.acknowledged.add(name)
            if len(self.acknowledged) >= UNDER_WAY:
                self.is_under_way.set()
        browser.close()


def test_every_acknowledged_push_is_there_after_the_service_was_killed(
    server: RedisServer, short_path: Path
) -> None:
    service = Service(short_path / "a", REDIS_URL=server.url, METRICS_EXPIRATION="60")

    async def kill_under_load(load: Load) -> None:
        loading = asyncio.create_task(load.run())
        await load.is_under_way.wait()
        service.stop(signal.SIGKILL)
        await loading

    with service:
        load = Load(service.url)
        asyncio.run(kill_under_load(load))
        service.start()
        found = shown(service)
    assert load.statuses == {200}
    assert len(load.unanswered) == CONNECTIONS
    assert load.acknowledged <= found
    # No other participants either, except those whose push was on its way.
    assert found <= load.acknowledged | set(load.unanswered)


class Ending:
    """Other requests that are under way when the service is told to stop."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def part(self, size: int) -> Browser:
        """Send the first *size* bytes of a push; negative: all except the last ones."""
        browser = await Browser.opened(self._url)
        await browser.send(push_request("part")[:size])
        return browser

    async def scrape(self) -> Browser:
        """Request all participants, and read slowly."""
        browser = await Browser.opened(self._url, limit=4096)
        await browser.send(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        return browser


async def stop_under_load(service: Service, load: Load) -> None:
    """Stop *service*, and check that every request is answered."""
    whole = push_request("part")
    loading = asyncio.create_task(load.run())
    await load.is_under_way.wait()
    other = Ending(service.url)
    in_heads = [await other.part(size) for size in (1, 20, 100)]
    in_bodies = [await other.part(size) for size in (-700, -1)]
    late = await other.part(-300)
    never_reads = [await other.scrape() for _ in range(3)]
    scrape = await other.scrape()
    idle = await Browser.opened(service.url)
    assert (await idle.push("idle")) == Told(200, False, b"OK")
    await asyncio.sleep(0.1)

    began = time.monotonic()
    assert service.process is not None
    service.process.send_signal(signal.SIGTERM)
    # Read on from now: on a busy machine, reading might otherwise take the whole grace.
    scraped = asyncio.create_task(scrape.told())
    await asyncio.sleep(0.15)
    # A push on an idle connection, before the client can know of the stop.
    told = await idle.push("idle")
    assert told is not None
    assert told.status == 200
    await late.send(whole[-300:])
    assert await late.told() == Told(200, True, b"OK")
    for browser in (*in_heads, *in_bodies):
        told = await browser.told()
        assert told is not None
        assert (told.status, told.closes) == (503, True)
        assert b'"reason":"stopping"' in told.body
    told = await scraped
    assert told is not None
    assert (told.status, told.closes) == (200, True)
    await loading
    assert time.monotonic() - began < ENDED_SECONDS - 3
    assert await asyncio.to_thread(service.process.wait, ENDED_SECONDS) == 0
    assert time.monotonic() - began < ENDED_SECONDS
    for browser in (*in_heads, *in_bodies, late, scrape, idle, *never_reads):
        browser.close()


def test_told_to_stop_under_load_it_answers_what_it_has_begun_and_loses_nothing(
    server: RedisServer, short_path: Path
) -> None:
    """Also with an OTLP receiver that hangs, and a client that never reads."""
    hanging = socket.create_server(("127.0.0.1", 0))
    service = Service(
        short_path / "a",
        REDIS_URL=server.url,
        METRICS_EXPIRATION="60",
        OTEL_METRICS_EXPORTER="prometheus,otlp",
        OTEL_METRIC_EXPORT_INTERVAL="500",
        OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{hanging.getsockname()[1]}",
    )
    with hanging, service:
        load = Load(service.url)
        asyncio.run(stop_under_load(service, load))
        assert load.unanswered == []
        assert load.statuses == {200}
        log = service.log.read_text()
        assert "Traceback" not in log
        assert " ERROR " not in log
        assert service.stop() == 0
        service.start()
        assert shown(service) == load.acknowledged | {"idle", "part"}
        assert service.stop() == 0


def test_pushes_that_did_not_wait_for_answers_have_them_at_the_end(
    server: RedisServer, short_path: Path
) -> None:
    """Redis is slow, so they are in flight when the service is told to stop."""
    with Service(short_path / "a", REDIS_URL=server.url) as service:
        assert service.push(push_body("first")).body == "OK"

        async def pipeline() -> list[Told | None]:
            browser = await Browser.opened(service.url)
            with server.client() as client:
                client.client_pause(300)
            await browser.send(b"".join(push_request(f"p{number}") for number in range(3)))
            await asyncio.sleep(0.1)
            assert service.process is not None
            service.process.send_signal(signal.SIGTERM)
            told = [await browser.told() for _ in range(4)]
            browser.close()
            return told

        *told, end = asyncio.run(pipeline())
        assert [each and (each.status, each.closes) for each in told] == [
            (200, False),
            (200, False),
            (200, True),
        ]
        assert end is None
        assert service.stop() == 0
