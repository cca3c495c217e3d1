"""The number of partitions: all services on one Redis agree on it before they write."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from harness import eventually
from redis.exceptions import OutOfMemoryError
from redis_parts import RedisServer, Wire, add_asker
from storing import put

from otel_jcmc.catalogue.reasons import StoreCannotStart, StoreUnavailable
from otel_jcmc.store import agreement
from otel_jcmc.store.agreement import AgreedLink
from otel_jcmc.store.cluster import open_link
from otel_jcmc.store.commands import Unfit
from otel_jcmc.store.embedded import EmbeddedStore
from otel_jcmc.store.keys import Keys
from otel_jcmc.store.live import Store
from otel_jcmc.store.participant import Write, member_digest

pytestmark = pytest.mark.anyio
REMEMBERED = "jcmc:{00}:partitions"
IN_4 = (
    "JCMC_PARTITIONS is 16, but the keys below jcmc in Redis are in 4 partitions:"
    " set JCMC_PARTITIONS=4; to change the number, stop every service,"
    " then delete the keys or set another JCMC_KEY_PREFIX"
)
SET: tuple[Any, ...] = ("SET", "jcmc:{03}:x", "1")


@asynccontextmanager
async def opened(
    server: EmbeddedStore | RedisServer, partitions: int, *, writes: bool = True
) -> AsyncIterator[AgreedLink]:
    link = AgreedLink(open_link(server.url), Keys("jcmc", partitions), writes=writes)
    try:
        yield link
    finally:
        await link.close()


async def unfit(link: AgreedLink) -> str:
    """Return the reason why *link* is refused."""
    with pytest.raises(StoreUnavailable) as refused:
        await link.run([SET])
    assert isinstance(refused.value.__cause__, Unfit)
    return str(refused.value.__cause__)


async def until(probe: Callable[[], bool]) -> None:
    """Wait until *probe* is true."""
    await asyncio.to_thread(eventually, probe)


async def push_all(url: str, partitions: int, conferences: int = 12) -> None:
    """Push once in each of so many conferences, as a service with *partitions* does."""
    store = Store(url, Keys("jcmc", partitions))
    for number in range(conferences):
        member = member_digest(f"room-{number}", "client", "ada")
        await put(store, Write(member, "", -1, 30_000, b"\x80\x80"))
    await store.close()


@pytest.mark.parametrize("partitions", [4, 16, 64])
async def test_who_comes_first_says_the_number(
    each_server: EmbeddedStore, each_client: redis.Redis, partitions: int
) -> None:
    async with opened(each_server, partitions) as ours, opened(each_server, partitions) as other:
        for each in (ours, other):
            assert await each.run([SET, ("GET", "jcmc:{03}:x")]) == [b"OK", b"1"]
    assert each_client.get(REMEMBERED) == str(partitions).encode()
    assert 86_300 < each_client.ttl(REMEMBERED) <= 86_400


@pytest.mark.parametrize("writes", [True, False])
async def test_another_number_is_refused_and_nothing_of_it_is_written(
    each_server: EmbeddedStore, each_client: redis.Redis, *, writes: bool
) -> None:
    each_client.set(REMEMBERED, 4)
    async with opened(each_server, 16, writes=writes) as ours:
        refused = await asyncio.gather(*(unfit(ours) for _ in range(50)))
    assert {*refused} == {IN_4}
    assert each_client.keys() == [REMEMBERED.encode()]


async def test_what_is_no_number_is_told_apart(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    each_client.set(REMEMBERED, "many")
    async with opened(each_server, 16) as ours:
        assert await unfit(ours) == (
            "JCMC_PARTITIONS is 16, but the keys below jcmc in Redis fit no number:"
            " stop every service and delete them, or set another JCMC_KEY_PREFIX"
        )


@pytest.mark.parametrize("theirs", [4, 16, 64])
@pytest.mark.parametrize("ours", [4, 16, 64])
async def test_who_is_there_tells_the_number_that_nobody_remembers(
    each_server: EmbeddedStore, each_client: redis.Redis, ours: int, theirs: int
) -> None:
    """As after a release that only knew four partitions."""
    await push_all(each_server.url, theirs)
    each_client.delete(REMEMBERED)
    before = each_client.dbsize()
    async with opened(each_server, ours) as link:
        if ours == theirs:
            assert await link.run([SET]) == [b"OK"]
        else:
            assert (
                f"is {ours}, but the keys below jcmc in Redis are in {theirs} part"
                in await unfit(link)
            )
            assert each_client.dbsize() == before


@pytest.mark.parametrize("of_4", [True, False])
async def test_history_tells_it_too(
    each_server: EmbeddedStore, each_client: redis.Redis, *, of_4: bool
) -> None:
    """The ids of sessions tell their partition; summaries only tell a least number."""
    if of_4:
        each_client.zadd("jcmc:{01}:sessions", {"5" + "0" * 47: 1})
    else:
        each_client.hset("jcmc:{07}:past", "x:2026-11-30", 1)
    async with opened(each_server, 16) as in_16, opened(each_server, 4) as in_4:
        wrong, right = (in_16, in_4) if of_4 else (in_4, in_16)
        assert f"are in {4 if of_4 else 16} partitions" in await unfit(wrong)
        assert await right.run([SET]) == [b"OK"]


async def test_what_is_in_its_place_in_both_is_in_nobodys_way(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    each_client.zadd("jcmc:{01}:live", {"1" + "0" * 31: 1, "no digest": 1})
    async with opened(each_server, 16) as ours:
        assert await ours.run([SET]) == [b"OK"]


async def test_what_fits_no_number_is_not_added_to(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    each_client.zadd("jcmc:{01}:live", {"5" + "0" * 31: 1})
    each_client.zadd("jcmc:{05}:live", {"5" + "1" * 31: 1})
    for partitions in (4, 16, 64):
        async with opened(each_server, partitions) as ours:
            assert "fit no number" in await unfit(ours)


async def test_a_redis_that_was_emptied_is_told_again_and_another_number_is_noticed(
    each_server: EmbeddedStore, each_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agreement, "AGAIN_SECONDS", 0.0)
    monkeypatch.setattr(agreement, "SOON_SECONDS", 0.0)
    async with opened(each_server, 16) as ours:
        await ours.run([SET])
        each_client.flushall()
        assert await ours.run([SET]) == [b"OK"]
        await until(lambda: each_client.get(REMEMBERED) == b"16")

        # The first pushes do not wait for the check, which comes after them.
        each_client.set(REMEMBERED, 4)
        assert await ours.run([SET]) == [b"OK"]
        await asyncio.sleep(0.05)
        each_client.delete("jcmc:{03}:x")
        assert await unfit(ours) == IN_4
        assert each_client.keys() == [REMEMBERED.encode()]

        each_client.flushall()
        assert await ours.run([SET]) == [b"OK"]
        assert each_client.get(REMEMBERED) == b"16"


async def test_the_number_is_not_asked_for_with_each_batch(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    async with opened(each_server, 16) as ours:
        await ours.run([SET])
        each_client.config_resetstat()
        for _ in range(20):
            await ours.run([SET])
        told: Any = each_client.info("commandstats")
    assert "cmdstat_get" not in told
    assert told["cmdstat_set"]["calls"] == 20


@pytest.mark.parametrize("writes", [True, False])
async def test_a_redis_without_memory_says_so_and_can_be_read(
    each_server: EmbeddedStore, each_client: redis.Redis, *, writes: bool
) -> None:
    each_client.set("jcmc:{03}:y", "there")
    each_client.config_set("maxmemory", 1)
    try:
        async with opened(each_server, 16, writes=writes) as ours:
            (reply,) = await ours.run([("GET", "jcmc:{03}:y")])
            assert isinstance(reply, OutOfMemoryError) if writes else reply == b"there"
            each_client.config_set("maxmemory", 0)
            assert await ours.run([SET]) == [b"OK"]
    finally:
        each_client.config_set("maxmemory", 0)


@pytest.mark.parametrize("refused", ["-get", "-set"])
async def test_a_user_who_may_not_ask_is_told_what_he_must_be_let(
    tmp_path: Path, refused: str
) -> None:
    with RedisServer(tmp_path) as server:
        with server.client() as client:
            add_asker(client, refused)
        keys = Keys("jcmc", 16)
        link = AgreedLink(open_link(server.url.replace("://", "://asker:any@")), keys, writes=False)
        with pytest.raises(StoreUnavailable) as told:
            await link.run([("PING",)])
        await link.close()
    assert str(told.value.__cause__) == (
        "REDIS_URL's user may not GET and SET the key that has the number of partitions,"
        " jcmc:{00}:partitions: its ACL must allow both"
    )


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path) as running:
        yield running


async def test_a_redis_that_comes_back_with_another_number_is_not_written_to(
    server: RedisServer,
) -> None:
    async with opened(server, 16) as ours:
        await ours.run([SET])
        server.kill()
        with pytest.raises(StoreUnavailable):
            await ours.run([SET])
        server.start()
        with server.client() as client:
            client.set(REMEMBERED, 4)
            assert await unfit(ours) == IN_4
            assert client.keys() == [REMEMBERED.encode()]


async def test_a_redis_that_is_slow_is_asked_all_the_same(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first three exchanges take longer than a push may wait, and are not repeated."""
    monkeypatch.setattr(agreement, "AGAIN_SECONDS", 0.0)
    with Wire(server.port) as wire:
        wire.delay = 0.1
        link = AgreedLink(open_link(wire.url), Keys("jcmc", 16))
        with pytest.raises(StoreUnavailable):
            await link.run([SET], 0.5)
        with server.client() as client:
            await until(lambda: client.get(REMEMBERED) == b"16")
        await asyncio.sleep(0.5)
        for _ in range(3):
            assert await link.run([SET], 1.0) == [b"OK"]
        await link.close()


async def test_who_comes_while_a_look_hangs_has_one_of_his_own(server: RedisServer) -> None:
    with Wire(server.port) as wire:
        wire.hangs = True
        link = AgreedLink(open_link(wire.url), Keys("jcmc", 16))
        hanging = asyncio.create_task(link.run([SET]))
        await asyncio.sleep(0.2)
        wire.hangs = False
        assert await link.run([SET], 5.0) == [b"OK"]
        with pytest.raises(StoreUnavailable):
            await hanging
        await link.close()


async def test_a_check_says_the_same_and_writes_nothing(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    async with opened(each_server, 16) as ours:
        await ours.check()
        assert each_client.dbsize() == 0
        each_client.set(REMEMBERED, 4)
        with pytest.raises(StoreCannotStart) as refused:
            await ours.check()
    assert str(refused.value) == IN_4
