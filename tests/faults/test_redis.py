"""A slow Redis, and connections to it that are cut in the middle of commands and replies."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from crowd import Browser
from exposition import assert_only_histograms
from harness import Service, eventually, push_body
from redis_parts import RedisServer, Wire

from otel_jcmc.store.link import Link

pytestmark = pytest.mark.xdist_group("faults-redis")

# The deadline of a push is 0.9 s; the rest is for a machine that runs other tests, too.
IN_TIME = 2.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("r")) as running:
        yield running


@pytest.fixture
def wire(server: RedisServer) -> Iterator[Wire]:
    with server.client() as client:
        client.flushall()
    with Wire(server.port) as between:
        yield between


def memory_of(service: Service) -> int:
    """Return the resident memory of *service* in bytes."""
    return int(psutil.Process(service.pid).memory_info().rss)


def test_a_second_for_each_answer_costs_503_in_time_and_no_memory(
    wire: Wire, short_path: Path
) -> None:
    statuses: set[int] = set()
    longest = 0.0

    async def push_on(service: Service, until: float) -> None:
        nonlocal longest
        browser = await Browser.opened(service.url)
        while time.monotonic() < until:
            began = time.monotonic()
            told = await browser.push("ada")
            assert told is not None
            longest = max(longest, time.monotonic() - began)
            statuses.add(told.status)
        browser.close()

    async def many(service: Service) -> None:
        until = time.monotonic() + 3
        await asyncio.gather(*(push_on(service, until) for _ in range(100)))

    with Service(short_path / "a", REDIS_URL=wire.url) as service:
        assert service.push(push_body("before")).body == "OK"
        wire.delay = 1.0
        assert service.push(push_body()).status == 503
        before = memory_of(service)
        asyncio.run(many(service))
        assert memory_of(service) - before < 20_000_000
        assert statuses == {503}
        assert longest < IN_TIME
        assert service.get("/-/ready").status == 503
        assert service.get("/-/healthy").status == 200
        # A read has two seconds, and its connection may have been open before.
        wire.delay = 3.0
        scraped = service.get("/metrics")
        assert scraped.status == 200
        assert "otel_jcmc_store_up 0.0" in scraped.body
        assert_only_histograms(scraped.body)
        wire.delay = 0.0
        eventually(lambda: service.push(push_body("after")).status == 200)
        assert service.own("otel_jcmc_store_up") == 1
        lines = [line.split(" ", 1)[1] for line in service.said()]
        assert lines[:2] == [
            "INFO store: Redis answers",
            "WARNING store: Redis does not answer: time-out",
        ]
        assert lines[-1] == "INFO store: Redis answers"
        # An answer that was still on its way may be missed once more.
        assert len(lines) <= 5


def values_of(service: Service) -> dict[str, float]:
    """Scrape, and return the upload of each participant."""
    found = service.series("jitsi_jcmc_bitrate_upload{")
    return {name.partition('participant_id="')[2].split('"')[0]: n for name, n in found.items()}


def body_of(number: int) -> dict[str, Any]:
    """Return the push of a participant whose upload is its number."""
    body = push_body(f"p{number}")
    body["metrics"]["bitrate_upload"]["value"] = number
    return body


async def greeting(wire: Wire) -> list[int]:
    """Return how many bytes go in each direction before the first command."""
    link = Link(wire.url)
    assert await link.run([("PING",)]) == [b"PONG"]
    await link.close()
    return [wire.passed[0] - len(b"*1\r\n$4\r\nPING\r\n"), wire.passed[1] - len(b"+PONG\r\n")]


@pytest.mark.parametrize("way", ["answers", "requests"])
def test_a_connection_that_is_cut_in_the_middle_mixes_up_nothing(
    wire: Wire, short_path: Path, way: str
) -> None:
    """
    Connections are cut after more and more bytes: after the greeting, between two replies or
    pushes, and inside one.

    Each push has its own number. An acknowledged push is stored with its number, even if the
    service sent it to Redis twice.
    """
    acknowledged: set[int] = set()
    refused: set[int] = set()

    async def push(service: Service, number: int) -> None:
        browser = await Browser.opened(service.url)
        body = body_of(number)
        told = await browser.push(f"p{number}", metrics=body["metrics"])
        assert told is not None
        assert told.status == 200 or (told.status == 503 and b"store_unavailable" in told.body)
        (acknowledged if told.status == 200 else refused).add(number)
        browser.close()

    async def some(service: Service, first: int) -> None:
        await asyncio.gather(*(push(service, first + n) for n in range(12)))

    everyone = {"METRICS_EXPIRATION": "60", "JCMC_LIMIT_CONFERENCE_PARTICIPANTS": "0"}
    with Service(short_path / "a", REDIS_URL=wire.url, **everyone) as service:
        # Redis must already have the script, whose text alone is longer than what passes below.
        assert service.push(push_body("first")).body == "OK"
        asked, answered = asyncio.run(greeting(wire))
        # Enough bytes for a batch of twelve pushes, as on a quiet machine, to pass in the end; such
        # a batch has 6 kB, and each try that fails is a cut.
        for number in range(120):
            if way == "answers":
                wire.cut_after = answered - 5 + number
            else:
                wire.cut_request_after = asked - 20 + 80 * number
            # Connections from before are not cut.
            wire.hang_up()
            asyncio.run(some(service, 12 * number))
        wire.cut_after = wire.cut_request_after = None
        wire.hang_up()
        assert service.push(body_of(10_000)).body == "OK"
        found = values_of(service)
    del found["first"]
    assert wire.cuts > 50
    assert len(acknowledged) > 100
    assert len(refused) > 100
    assert {f"p{number}" for number in acknowledged} <= found.keys()
    assert all(name == f"p{value:.0f}" for name, value in found.items())
