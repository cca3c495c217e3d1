"""Several replicas divide their work: each share has one of them, and all have equally many."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack

import pytest
import redis

from otel_jcmc.store import lease
from otel_jcmc.store.embedded import EmbeddedStore
from otel_jcmc.store.lease import Leases

pytestmark = pytest.mark.anyio


class Replicas:
    """Replicas that divide *count* shares; a context manager."""

    def __init__(self, server: EmbeddedStore, count: int, *names: str) -> None:
        self._stack = AsyncExitStack()
        self.all = [Leases(server.url, "jcmc:{x}:", name, count) for name in names]

    async def __aenter__(self) -> list[Leases]:
        for each in self.all:
            self._stack.push_async_callback(each.release)
        return self.all

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()


async def rounds(replicas: Sequence[Leases], times: int = 2) -> list[tuple[int, ...]]:
    """Let each of *replicas* ask in turn, so many times; return the shares of each."""
    for _ in range(times):
        for each in replicas:
            await each.hold()
            held = [share for other in replicas for share in other.held]
            assert len(held) == len({*held}), "two have the same"
    return [each.held for each in replicas]


@pytest.mark.parametrize(
    ("names", "count", "found"),
    [
        ("a", 4, [(0, 1, 2, 3)]),
        ("ab", 4, [(0, 2), (1, 3)]),
        ("ba", 4, [(1, 3), (0, 2)]),
        ("abc", 4, [(0, 3), (1,), (2,)]),
        ("abcd", 3, [(0,), (1,), (2,), ()]),
        ("ab", 1, [(0,), ()]),
    ],
)
async def test_all_shares_are_spread_evenly(
    each_server: EmbeddedStore, names: str, count: int, found: list[tuple[int, ...]]
) -> None:
    async with Replicas(each_server, count, *names) as replicas:
        # In the first round, the later replicas are not known yet.
        assert await rounds(replicas, 3) == found


async def test_who_comes_is_given_a_part_and_who_goes_leaves_his(
    each_server: EmbeddedStore,
) -> None:
    async with Replicas(each_server, 4, "a", "b", "c") as (one, two, three):
        assert await rounds([one]) == [(0, 1, 2, 3)]
        # A share has no owner until the present one has given it up.
        assert await two.hold() == ()
        assert await one.hold() == (0, 2)
        assert await two.hold() == (1, 3)
        await rounds([one, two, three], 3)
        await two.release()
        assert await rounds([one, three]) == [(0, 2), (1, 3)]


async def test_who_has_died_is_followed_within_his_time(
    each_server: EmbeddedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "LEASE_MS", 400)
    async with Replicas(each_server, 4, "a", "b") as (one, two):
        assert await rounds([one, two], 3) == [(0, 2), (1, 3)]
        died = time.monotonic()
        while await two.hold() != (0, 1, 2, 3):
            assert time.monotonic() - died < 5
            await asyncio.sleep(0.01)
        # Nor before the other replica itself knew that it had lost them.
        assert time.monotonic() - died > 0.3
        assert one.held == ()


async def test_no_share_is_two_replicas_in_the_millisecond_in_which_it_changes_hands(
    each_server: EmbeddedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis counts whole milliseconds: the present one is not over yet."""
    monkeypatch.setattr(lease, "LEASE_MS", 3)
    async with Replicas(each_server, 1, "a", "b") as both:
        for _ in range(200):
            await both[0].hold()
            while not await both[1].hold():
                pass
            assert both[0].held == ()
            both.reverse()


async def test_nothing_is_ours_with_redis_away_or_where_it_refuses(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    async with Replicas(each_server, 2, "a") as (one,):
        assert await one.hold() == (0, 1)
        each_client.set("jcmc:{x}:2:shares", "something else")
        assert await one.hold() == ()
        assert one.held == ()


async def test_replicas_with_another_number_of_shares_have_all_of_it_too(
    each_server: EmbeddedStore,
) -> None:
    """While the number changes, some work is done twice, but none is left out."""
    async with (
        Replicas(each_server, 4, "a") as (four,),
        Replicas(each_server, 2, "b") as (two,),
    ):
        for _ in range(2):
            assert await four.hold() == (0, 1, 2, 3)
            assert await two.hold() == (0, 1)


async def test_all_of_it_is_gone_when_nobody_asks(
    each_server: EmbeddedStore, each_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "LEASE_MS", 100)
    async with Replicas(each_server, 4, "a") as (one,):
        await one.hold()
        assert each_client.dbsize() == 2
        await asyncio.sleep(0.2)
        assert each_client.dbsize() == 0
