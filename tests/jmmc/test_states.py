"""The state of JMMC clients' sessions: Redis merges it, in the clients' own order."""

import asyncio
import random
import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest
import redis.asyncio as redis

from otel_jcmc.catalogue.reasons import StoreUnavailable
from otel_jcmc.jmmc.states import KEEP_MS, State, States
from otel_jcmc.store.embedded import EmbeddedStore
from otel_jcmc.store.keys import DEFAULT_KEYS, Keys

pytestmark = pytest.mark.anyio

SEED = random.SystemRandom().randrange(1 << 32)
TEXTS = ("udp", "0", "null", "é" * 300, 'q"u\\o\nte', "\N{GRINNING FACE}", " ")
ID = "0f23456789abcdef01234567"


@pytest.fixture
async def states(redis_server: EmbeddedStore) -> AsyncIterator[States]:
    """Return the sessions of an empty Redis."""
    made = States(redis_server.url, DEFAULT_KEYS)
    yield made
    await made.close()


@pytest.fixture
async def other(redis_server: EmbeddedStore) -> AsyncIterator[Any]:
    """Return another client of the same Redis."""
    async with redis.Redis.from_url(redis_server.url) as client:
        yield client


async def test_what_a_push_leaves_out_keeps_its_last_value(states: States) -> None:
    assert await states.open(ID, {1: 97.5, 69: "eu-west"}) == State(1, {1: 97.5, 69: "eu-west"})
    one, other = 1 << 1, 1 << 2
    assert await states.merge(ID, {2: 2900}) == State(2, {1: 97.5, 69: "eu-west", 2: 2900}, one)
    assert await states.merge(ID, {1: 0}) == State(3, {1: 0, 69: "eu-west", 2: 2900}, other)
    assert await states.merge(ID, {}) == State(4, {1: 0, 69: "eu-west", 2: 2900}, one)
    assert await states.merge(ID, {}) == State(5, {1: 0, 69: "eu-west", 2: 2900}, 0)


async def test_what_is_not_known_any_more_is_forgotten(states: States) -> None:
    await states.open(ID, {3: 5100, 5: 31})
    assert await states.merge(ID, {3: None}) == State(2, {5: 31}, 1 << 3 | 1 << 5)


async def test_numbers_and_texts_come_back_as_they_were(states: States) -> None:
    changes = {1: 97.123456789, 2: 0, 3: 1e-7, 69: "7", 75: "a b\n\"'\N{GRINNING FACE}", 82: "udp"}
    state = await states.open(ID, changes)
    assert state.known == changes
    assert [type(each) for each in state.known.values()] == [float, int, float, str, str, str]


async def test_a_session_that_was_never_opened_is_not_known(states: States) -> None:
    assert await states.merge(ID, {1: 97}) is None
    await states.open(ID, {})
    assert await states.merge(ID[::-1], {1: 97}) is None


async def test_pushes_that_come_at_once_lose_nothing(
    states: States, redis_server: EmbeddedStore
) -> None:
    """As if from two processes: each has a connection of its own."""
    second = States(redis_server.url, DEFAULT_KEYS)
    await states.open(ID, {})
    merged = await asyncio.gather(
        *(each.merge(ID, {id_: id_}) for id_ in range(1, 31) for each in (states, second))
    )
    await second.close()
    seqs = [state.seq for state in merged if state]
    assert sorted(seqs) == list(range(2, 62))
    last = max((state for state in merged if state), key=lambda state: state.seq)
    assert last.known == {id_: id_ for id_ in range(1, 31)}


async def test_any_changes_by_any_replica_leave_what_a_dictionary_would(
    states: States, redis_server: EmbeddedStore
) -> None:
    second = States(redis_server.url, DEFAULT_KEYS)
    chance = random.Random(SEED)
    model: dict[str, dict[int, Any]] = {secrets.token_hex(12): {} for _ in range(3)}
    seqs = dict.fromkeys(model, 1)
    before = dict.fromkeys(model, 0)
    for session_id in model:
        await states.open(session_id, {})
    for _ in range(300):
        session_id, replica = chance.choice(list(model)), chance.choice((states, second))
        changes: dict[int, Any] = {
            chance.randrange(1, 31): chance.choice((None, 0, 1, 97.5, 1e-9, 10**7))
            for _ in range(chance.randrange(4))
        } | {chance.randrange(64, 90): chance.choice(TEXTS) for _ in range(chance.randrange(3))}
        model[session_id] |= changes
        seqs[session_id] += 1
        wanted = {id_: each for id_, each in model[session_id].items() if each is not None}
        told = State(seqs[session_id], wanted, before[session_id])
        assert await replica.merge(session_id, changes) == told
        before[session_id] = sum(2**id_ for id_ in changes if id_ < 64)
    await second.close()


async def test_a_session_is_kept_for_hours_after_its_last_push(states: States, other: Any) -> None:
    assert KEEP_MS == 6 * 3600 * 1000
    await states.open(ID, {1: 97})
    (key,) = await other.keys(f"*{ID}")
    assert key == f"jcmc:{{03}}:jmmc:{ID}".encode()
    for touched in (key, b"jcmc:{03}:jmmc"):
        assert KEEP_MS - 5000 < await other.pttl(touched) <= KEEP_MS
    await other.pexpire(key, 5000)
    await states.merge(ID, {})
    assert await other.pttl(key) > KEEP_MS - 5000
    await other.delete(key)
    assert await states.merge(ID, {1: 97}) is None


async def test_the_oldest_go_when_there_are_too_many(
    redis_server: EmbeddedStore, other: Any
) -> None:
    """Two in each of four partitions; these are all in one."""
    states = States(redis_server.url, DEFAULT_KEYS, most=8)
    ids = [f"{number:02x}" * 12 for number in (0, 4, 8)]
    await states.open(ids[0], {1: 0})
    await states.open(ids[1], {1: 1})
    await asyncio.sleep(0.002)  # Redis tells them apart by the ms
    await states.merge(ids[0], {})
    await asyncio.sleep(0.002)
    await states.open(ids[2], {1: 2})
    assert await states.merge(ids[1], {}) is None
    assert await states.merge(ids[0], {}) == State(3, {1: 0}, 0)
    assert await states.merge(ids[2], {}) == State(2, {1: 2}, 2)
    assert await other.zcard("jcmc:{00}:jmmc") == 2
    await states.close()


async def test_what_can_not_be_read_is_not_known(states: States, other: Any) -> None:
    for damage in ({"1": "no number"}, {"x": "1"}, {"69": b"\xff"}):
        await states.open(ID, {2: 2})
        await other.hset(f"jcmc:{{03}}:jmmc:{ID}", mapping=damage)
        assert await states.merge(ID, {2: 3}) is None
        await other.flushdb()


async def test_of_a_key_that_is_none_of_ours_nothing_comes(states: States, other: Any) -> None:
    await other.set(f"jcmc:{{03}}:jmmc:{ID}", "a text")
    with pytest.raises(StoreUnavailable):
        await states.merge(ID, {1: 97})
    assert await states.open(ID[::-1], {1: 97}) == State(1, {1: 97})


async def test_scripts_that_redis_has_forgotten_are_brought_along(
    states: States, other: Any
) -> None:
    await states.open(ID, {1: 97})
    await other.script_flush()
    assert await states.merge(ID, {2: 5}) == State(2, {1: 97, 2: 5}, 2)


async def test_with_redis_away_it_says_so_and_goes_on_when_it_is_back(
    states: States, redis_server: EmbeddedStore
) -> None:
    await states.open(ID, {1: 97})
    redis_server.stop()
    with pytest.raises(StoreUnavailable):
        await states.merge(ID, {1: 98})
    redis_server.start()
    assert await states.merge(ID, {1: 98}) is None  # it came back empty
    assert await states.open(ID, {1: 98}) == State(1, {1: 98})


async def test_out_of_memory_is_told_as_that(states: States, other: Any) -> None:
    await states.open(ID, {1: 97})
    await other.config_set("maxmemory", "1")
    with pytest.raises(StoreUnavailable) as full:
        await states.merge(ID, {1: 98})
    assert full.value.reason == "store_full"


async def test_nothing_is_known_or_written_where_the_partitions_are_others(
    redis_server: EmbeddedStore, states: States, other: Any
) -> None:
    await states.open(ID, {1: 97.5})
    before = await other.dbsize()
    sixteen = States(redis_server.url, Keys("jcmc", 16))
    for asked in (sixteen.open(ID, {1: 50}), sixteen.merge(ID, {1: 50})):
        with pytest.raises(StoreUnavailable):
            await asked
    assert await other.dbsize() == before
    assert await states.merge(ID, {}) == State(2, {1: 97.5}, 2)
    await sixteen.close()
