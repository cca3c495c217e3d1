"""Clients that read or send slowly, scrapes that are cut or come together, many strangers."""

import asyncio
import os
import random
import re
import signal
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from crowd import Browser, at_once, names_in, push_request, shown
from harness import Service, push_body
from refusal_lines import without_refusals

from otel_jcmc.store.embedded import EmbeddedStore

pytestmark = pytest.mark.xdist_group("faults-crowd")

SLOW = 200
STRANGERS = 3_000


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("s"), METRICS_EXPIRATION="60") as running:
        yield running


def memory_of(service: Service) -> int:
    """Return the resident memory of *service* in bytes."""
    return int(psutil.Process(service.pid).memory_info().rss)


async def push_strangers(service: Service, count: int) -> dict[int, int]:
    """Push for this many participants with ids of their own; return the number by status."""
    names = iter([uuid.UUID(int=random.getrandbits(128)).hex for _ in range(count)])
    statuses: dict[int, int] = {}

    async def push() -> None:
        browser = await Browser.opened(service.url)
        for name in names:
            told = await browser.push(name, f"room-{name[:2]}")
            assert told is not None
            statuses[told.status] = statuses.get(told.status, 0) + 1
        browser.close()

    await at_once([push] * 32)
    return statuses


def test_a_crowd_of_strangers_is_taken_and_shown(service: Service) -> None:
    before = memory_of(service)
    assert asyncio.run(push_strangers(service, STRANGERS)) == {200: STRANGERS}
    assert service.own("otel_jcmc_participants") == STRANGERS
    # 12 kB for each in a scrape, measured with ten times as many; no memory without a scrape.
    assert memory_of(service) - before < STRANGERS * 20_000


def test_a_scrape_that_is_cut_half_way_harms_nobody(service: Service) -> None:
    """The scrape has several megabytes, and the client reads little of it."""

    async def cut() -> None:
        browser = await Browser.opened(service.url, limit=2_000)
        await browser.send(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        await asyncio.sleep(0.3)
        browser.close()

    async def many() -> None:
        for _ in range(5):
            await at_once([cut] * 4)

    everyone = shown(service)
    log = service.log.read_text()
    before = memory_of(service)
    asyncio.run(many())
    assert shown(service) == everyone
    assert service.log.read_text() == log
    assert memory_of(service) - before < 60_000_000
    assert service.push(push_body("after-the-cut")).body == "OK"


def test_of_scrapes_at_once_those_beyond_the_limit_are_told_to_come_again(
    redis_server: EmbeddedStore, short_path: Path
) -> None:
    assert redis_server.pid is not None
    busy = 'otel_jcmc_reads_refused_total{door="scrape",reason="busy"}'
    with (
        Service(short_path / "a", REDIS_URL=redis_server.url, JCMC_LIMIT_SCRAPES="1") as service,
        ThreadPoolExecutor(3) as pool,
    ):
        assert service.own(busy) == 0
        # So that the first scrape takes its two seconds.
        os.kill(redis_server.pid, signal.SIGSTOP)
        try:
            answers = sorted(pool.map(service.get, ["/metrics"] * 3), key=lambda each: each.status)
        finally:
            os.kill(redis_server.pid, signal.SIGCONT)
        assert [answer.status for answer in answers] == [200, 503, 503]
        assert "JCMC_LIMIT_SCRAPES" in answers[1].body
        assert answers[1].headers["retry-after"] == "5"
        assert service.own(busy) == 2
        # The answered ones have given their places back.
        assert {service.get("/metrics").status for _ in range(5)} == {200}


def test_two_scrapes_at_once_are_whole_and_equal(service: Service) -> None:
    with ThreadPoolExecutor(2) as pool:
        for _ in range(3):
            one, other = pool.map(lambda _: service.get("/metrics").body, range(2))
            assert one.endswith("\n")
            series = [
                {line for line in text.splitlines() if line.startswith("jitsi_")}
                for text in (one, other)
            ]
            assert series[0] == series[1]
            assert len(names_in(one)) > STRANGERS - 10


def test_slow_senders_and_slow_readers_hold_up_nobody(service: Service) -> None:
    """
    Hundreds send heads and bodies byte by byte, or never read their answers.

    The soak tests do the same with thousands.
    """
    whole = push_request("slow")

    async def trickle(browser: Browser, start: int) -> None:
        for at in range(start, start + 20):
            await browser.send(whole[at : at + 1])
            await asyncio.sleep(0.1)

    async def slow() -> list[float]:
        senders = [await Browser.opened(service.url) for _ in range(SLOW)]
        readers = [await Browser.opened(service.url, limit=2_000) for _ in range(SLOW)]
        for number, browser in enumerate(senders):
            await browser.send(whole[: 10 if number % 2 else len(whole) - 40])
        trickling = [
            asyncio.create_task(trickle(browser, 10 if number % 2 else len(whole) - 40))
            for number, browser in enumerate(senders)
        ]
        for number, browser in enumerate(readers):
            # Pushes and scrapes whose answers are never read.
            sent = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" if number < 4 else whole * 5
            await browser.send(sent)
        fast = await Browser.opened(service.url)
        seconds = []
        for _ in range(60):
            began = time.monotonic()
            told = await fast.push("fast")
            assert told is not None
            assert told.status == 200
            seconds.append(time.monotonic() - began)
            await asyncio.sleep(0.02)
        await asyncio.gather(*trickling)
        for browser in (*senders, *readers, fast):
            browser.close()
        return seconds

    before, log = memory_of(service), without_refusals(service.said())
    seconds = sorted(asyncio.run(slow()))
    assert seconds[len(seconds) // 2] < 0.5
    assert memory_of(service) - before < 100_000_000
    assert shown(service) >= {"fast"}
    assert without_refusals(service.said()) == log
    assert not re.search("Traceback|ERROR", "\n".join(log))


def test_a_service_on_redis_bounds_what_a_crowd_takes(short_path: Path) -> None:
    """At the limit of participants, present ones go on and newcomers get the reason."""
    with Service(short_path, JCMC_LIMIT_PARTICIPANTS="400") as service:
        statuses = asyncio.run(push_strangers(service, 1_000))
        assert statuses.keys() == {200, 503}
        assert 350 < statuses[200] < 450
        assert service.own("otel_jcmc_participants") == statuses[200]
        suppressed = 'otel_jcmc_participants_suppressed_total{reason="participant_limit"}'
        assert service.own(suppressed) == statuses[503]
        (line,) = [line for line in service.said() if " limits: " in line]
        assert line.endswith("newcomers are refused: JCMC_LIMIT_PARTICIPANTS are live")
