"""One of several replicas has the lease, never two at the same time; on a real server."""

import asyncio
import os
import random
import signal
import time
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest
import redis
from harness import eventually

from otel_jcmc.store import lease
from otel_jcmc.store.embedded import EmbeddedStore
from otel_jcmc.store.lease import Lease

KEY = "jcmc:otlp:lease"


@pytest.fixture
async def pair(redis_server: EmbeddedStore) -> AsyncIterator[tuple[Lease, Lease]]:
    """Return the leases of two replicas."""
    one, two = (Lease(redis_server.url, KEY, name) for name in ("one", "two"))
    yield one, two
    await one.release()
    await two.release()


@pytest.mark.anyio
async def test_one_of_two_holds_it(pair: tuple[Lease, Lease]) -> None:
    one, two = pair
    assert await one.hold()
    for _ in range(3):
        assert not await two.hold()
        assert await one.hold()


@pytest.mark.anyio
async def test_it_lasts_seven_seconds_from_each_renewal(
    pair: tuple[Lease, Lease], redis_server: EmbeddedStore
) -> None:
    with redis.Redis.from_url(redis_server.url) as client:
        await pair[0].hold()
        client.pexpire(KEY, 500)
        await pair[0].hold()
        left = client.pttl(KEY)
    assert isinstance(left, int)
    assert 6_000 < left <= 7_000
    assert lease.RENEW_SECONDS < 7 / 2
    # Another replica gets it at most ten seconds after a death.
    assert 7 + lease.RENEW_SECONDS < 10


@pytest.mark.anyio
async def test_who_releases_it_need_not_be_waited_for(pair: tuple[Lease, Lease]) -> None:
    one, two = pair
    assert await one.hold()
    await one.release()
    assert await two.hold()
    assert not await one.hold()


@pytest.mark.anyio
async def test_who_has_lost_it_does_not_release_the_others(pair: tuple[Lease, Lease]) -> None:
    one, two = pair
    assert await two.hold()
    await one.release()
    assert not await one.hold()
    assert await two.hold()


@pytest.mark.anyio
async def test_after_a_death_it_is_free_within_its_time(
    pair: tuple[Lease, Lease], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "LEASE_MS", 400)
    one, two = pair
    assert await one.hold()
    began = time.monotonic()
    while not await two.hold():
        assert time.monotonic() - began < 2
        await asyncio.sleep(0.01)
    assert time.monotonic() - began > 0.3


@pytest.mark.anyio
async def test_two_never_hold_it_at_the_same_time(
    redis_server: EmbeddedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From before the request on, the replica that gets it has it alone for the lease's time."""
    monkeypatch.setattr(lease, "LEASE_MS", 120)
    chance = random.Random(7)
    held: list[tuple[float, float, int]] = []
    end = time.monotonic() + 1.5

    async def replica(number: int) -> None:
        ours = Lease(redis_server.url, KEY, f"replica-{number}")
        while time.monotonic() < end:
            asked = time.monotonic()
            if await ours.hold():
                held.append((asked, asked + 0.120, number))
            # Often in time, sometimes long after the lease has ended.
            await asyncio.sleep(chance.choice((0.01, 0.03, 0.2)))
        await ours.release()

    await asyncio.gather(*(replica(number) for number in range(4)))
    held.sort()
    assert len({number for _, _, number in held}) > 1
    for (_, until, holder), (since, _, other) in pairwise(held):
        assert holder == other or since + 0.005 >= until


@pytest.mark.anyio
async def test_without_redis_it_is_nobodys(
    pair: tuple[Lease, Lease], redis_server: EmbeddedStore
) -> None:
    one, two = pair
    assert await one.hold()
    assert redis_server.pid is not None
    os.kill(redis_server.pid, signal.SIGSTOP)
    began = time.monotonic()
    assert not await one.hold()
    assert time.monotonic() - began < 1.2
    os.kill(redis_server.pid, signal.SIGCONT)
    assert await one.hold()
    os.kill(redis_server.pid, signal.SIGKILL)
    assert not await one.hold()
    await one.release()
    eventually(lambda: not redis_server.is_running)
    redis_server.restart()
    assert await two.hold()
    assert not await one.hold()
