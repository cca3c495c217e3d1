"""A worker killed each second under load, with a line of figures: `make soak`."""

import asyncio
from pathlib import Path

import pytest
from crowd import shown
from harness import Service
from redis_parts import RedisServer
from workers import Pages, kill_and_await

SECONDS = 8
PAGES = 32
WORKERS = 3


def test_a_worker_is_killed_each_second(
    short_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody is refused, each is back, and every acknowledged push is in the scrape."""

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
