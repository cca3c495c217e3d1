"""A worker is killed each second under load, with a line of figures: `make soak`."""

import asyncio
import random
import time
from functools import partial
from pathlib import Path

import pytest
from crowd import Browser, shown
from harness import Service, eventually, push_body
from redis_parts import RedisServer
from workers import Pages, kill_and_await

SECONDS = 8
PAGES = 32
WORKERS = 3


def test_a_worker_is_killed_each_second(
    short_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No push is refused, each worker comes back, and the scrape has every acknowledged push."""

    async def kill_each_second(pages: Pages) -> list[float]:
        loading = asyncio.create_task(pages.run(SECONDS + 1, PAGES))
        back = []
        for number in range(SECONDS):
            await asyncio.sleep(1)
            name = f"worker {number % WORKERS + 1}"
            back.append(await asyncio.to_thread(kill_and_await, service, name))
        await loading
        return back

    told = {"JCMC_WORKERS": str(WORKERS), "METRICS_EXPIRATION": "120"}
    with (
        RedisServer(short_path / "r") as server,
        Service(short_path / "a", REDIS_URL=server.url, **told) as service,
    ):
        pages = Pages(service.url, "p")
        back = asyncio.run(kill_each_second(pages))
        assert pages.statuses == {200}
        assert pages.refused == 0
        assert pages.acknowledged <= shown(service)
        assert "unexpected error" not in service.log.read_text()
    slowest = max(back)
    assert slowest < 1
    with capsys.disabled():
        print(f"\n  {len(pages.acknowledged)} pushes, back within {1000 * slowest:.0f} ms")


PEOPLE, LINKS, INTERVAL_SECONDS, PUSHED_SECONDS = 100, 24, 2, 60


async def push_over_any_connection(url: str) -> int:
    """Push for participants over a few connections in turn, as a proxy with a pool does."""
    links = [(await Browser.opened(url), asyncio.Lock()) for _ in range(LINKS)]
    chance = random.Random(5)
    until = time.monotonic() + PUSHED_SECONDS

    async def push_on(number: int) -> int:
        await asyncio.sleep(INTERVAL_SECONDS * chance.random())
        name, pushes = f"p{number}", 0
        while time.monotonic() < until:
            pushes += 1
            body = push_body(name)["metrics"]
            body["bitrate_upload"]["value"] = 1000 + chance.randrange(500)
            body["connectionquality"]["value"] = chance.randrange(90, 100)
            session = {"id": f"session-{number}", "seq": pushes, "interval_ms": 2000}
            link, is_free = links[chance.randrange(LINKS)]
            async with is_free:
                told = await link.push(name, f"room-{number // 5}", metrics=body, session=session)
            assert told is not None
            assert told.status == 200
            await asyncio.sleep(INTERVAL_SECONDS)
        return pushes

    pushes = await asyncio.gather(*(push_on(number) for number in range(PEOPLE)))
    for link, _ in links:
        link.close()
    return sum(pushes)


def has_everybody(service: Service) -> bool:
    """Say whether *service* has as many sessions as there are participants."""
    return service.own("otel_jcmc_history_sessions") == PEOPLE


def test_history_takes_as_much_room_as_by_one_process(
    short_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whichever workers hear of a session, together they write one sample for each interval."""
    told = {"JCMC_HISTORY_INTERVAL": "10"}

    async def push_to_both(urls: list[str]) -> list[int]:
        return await asyncio.gather(*map(push_over_any_connection, urls))

    with (
        RedisServer(short_path / "r") as first,
        RedisServer(short_path / "q") as second,
        Service(short_path / "a", REDIS_URL=first.url, **told) as one,
        Service(
            short_path / "b", REDIS_URL=second.url, JCMC_WORKERS=str(WORKERS), **told
        ) as several,
    ):
        pushes = asyncio.run(push_to_both([one.url, several.url]))
        taken = []
        for service in (one, several):
            # The last interval is written when it is over.
            time.sleep(12)
            eventually(partial(has_everybody, service))
            taken.append(service.own("otel_jcmc_history_bytes") or 0.0)
    assert min(pushes) > PEOPLE * PUSHED_SECONDS / INTERVAL_SECONDS / 2
    assert 0 < taken[1] <= 1.2 * taken[0]
    with capsys.disabled():
        print(f"\n  history of {WORKERS} workers takes {taken[1] / taken[0]:.2f} of one's bytes")
