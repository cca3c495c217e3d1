"""The participants in Redis, on real servers: Valkey, and Redis 7.0 where available."""

import asyncio
import random
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis
from harness import CLIENT_ID, Service, eventually, push_body
from people import apart, people_in, stored_value, take, told_by, with_head
from storing import put, put_many

from otel_jcmc.catalogue.rows import Naming
from otel_jcmc.metrics.gauges import declare
from otel_jcmc.metrics.provider import GaugeProvider
from otel_jcmc.metrics.snapshot import People, bound
from otel_jcmc.store import reads
from otel_jcmc.store import writes as writes_road
from otel_jcmc.store.cluster import open_link
from otel_jcmc.store.commands import Command
from otel_jcmc.store.embedded import EmbeddedStore
from otel_jcmc.store.keys import Keys
from otel_jcmc.store.live import Store
from otel_jcmc.store.participant import Participant, Write, from_value, to_write
from otel_jcmc.store.writes import Stored
from otel_jcmc.wire.push import Report
from otel_jcmc.wire.session import Session

REDIS_7 = Path(__file__).parents[2] / ".cache" / "redis" / "redis-server"

QUALITY, UPLOAD, RTT = 1, 2, 13
CONFERENCE, CLIENT, PARTICIPANT = 64, 65, 66


@pytest.fixture
def server(kind: EmbeddedStore) -> EmbeddedStore:
    """Return an empty server, without scripts."""
    with redis.Redis.from_url(kind.url) as other:
        other.flushall()
        other.script_flush()
    return kind


@pytest.fixture
def client(server: EmbeddedStore) -> Iterator[redis.Redis]:
    """Return another client of `server`."""
    with redis.Redis.from_url(server.url) as other:
        yield other


@asynccontextmanager
async def opened(server: EmbeddedStore, **options: Any) -> AsyncIterator[Store]:
    """Return a store on *server*, as one process has it."""
    opened_store = Store(server.url, **options)
    try:
        yield opened_store
    finally:
        await opened_store.close()


def push(
    participant: str = "ada",
    conference: str = "standup",
    session: str = "",
    seq: int = -1,
    interval_ms: int = 0,
    end: str = "",
    expiration_ms: int = 30_000,
    **fields: Any,
) -> Write:
    """Return one push; *fields* are `f1=97` for the row with id 1."""
    who = {CONFERENCE: conference, CLIENT: CLIENT_ID, PARTICIPANT: participant}
    values = {int(name[1:]): value for name, value in fields.items()}
    report = Report(
        conference,
        CLIENT_ID,
        participant,
        Session(session, seq, interval_ms, end),
        *apart(who | values),
    )
    return to_write(report, expiration_ms)


def key_of(write: Write, prefix: str = "jcmc") -> str:
    return f"{prefix}:{{{int(write.member[0], 16) % 4:02d}}}:participant:{write.member}"


def index_of(write: Write, name: str = "live") -> str:
    return f"jcmc:{{{int(write.member[0], 16) % 4:02d}}}:{name}"


async def live(of: Store) -> dict[str, Participant]:
    """Return the live participants, by id."""
    found = people_in(await take(of))
    by_id = {each.stay.attributes[PARTICIPANT]: each for each in found}
    assert len(by_id) == len(found)
    return by_id


def calls(client: redis.Redis) -> dict[str, int]:
    """Return how often the server ran each command since `config resetstat`."""
    stats: Any = client.info("commandstats")
    counts = {name.removeprefix("cmdstat_"): entry["calls"] for name, entry in stats.items()}
    return {
        name: n for name, n in counts.items() if not name.startswith(("config", "info", "client"))
    }


# Live participants.


@pytest.mark.anyio
async def test_a_push_is_read_back_whole(server: EmbeddedStore) -> None:
    async with opened(server) as ours:
        paths = [[41, {82: "udp"}], [7.5, {}]]
        write = push("ada", "Grüße ☕", "session-1", 3, f1=97.5, f2=0, f13=paths, f69="eu-west")
        assert await put(ours, write) is Stored.STORED
        (ada,) = (await live(ours)).values()
    assert ada.stay.conference == "Grüße ☕"
    assert ada.stay.session == ada.stay.session_id == "session-1"
    told = told_by(ada)
    assert (told[CLIENT], told[PARTICIPANT]) == (CLIENT_ID, "ada")
    assert {id_: told[id_] for id_ in (1, 2, 13, 69)} == {
        1: 97.5,
        2: 0,
        13: paths,
        69: "eu-west",
    }


@pytest.mark.anyio
async def test_who_has_expired_is_gone_from_the_next_read(server: EmbeddedStore) -> None:
    async with opened(server) as ours:
        await put(ours, push("ada", expiration_ms=150))
        await put(ours, push("bob"))
        assert set(await live(ours)) == {"ada", "bob"}
        await asyncio.sleep(0.2)
        assert set(await live(ours)) == {"bob"}


@pytest.mark.anyio
async def test_who_left_is_gone_from_the_next_read(server: EmbeddedStore) -> None:
    async with opened(server) as ours:
        await put(ours, push("ada", session="session-1"))
        await put(ours, push("bob", session="session-2"))
        assert await put(ours, push("ada", session="session-1", end="left")) is Stored.STORED
        assert set(await live(ours)) == {"bob"}


@pytest.mark.anyio
async def test_a_leave_without_a_session_id_removes_who_pushed_without_one(
    server: EmbeddedStore,  # it is well
) -> None:
    async with opened(server) as ours:
        await put(ours, push("ada"))
        await put(ours, push("bob", session="session-2"))
        await put(ours, push("ada", end="left"))
        await put(ours, push("bob", end="left"))
        assert set(await live(ours)) == {"bob"}


@pytest.mark.anyio
async def test_a_push_replaces_the_former_one_whole(server: EmbeddedStore) -> None:
    async with opened(server) as ours:
        await put(ours, push(f1=97, f2=2900, f69="eu-west"))
        await put(ours, push(f1=0, f69="us-east"))
        (ada,) = (await live(ours)).values()
    told = told_by(ada)
    assert (told[1], told[69]) == (0, "us-east")
    assert 2 not in told


@pytest.mark.anyio
async def test_one_participant_in_two_conferences_is_two(server: EmbeddedStore) -> None:
    async with opened(server) as ours:
        await put(ours, push("ada", "one"))
        await put(ours, push("ada", "two"))
        taken = await take(ours)
    assert sorted(stay.conference for stay in taken.stays) == ["one", "two"]
    assert taken.conferences == 2


@pytest.mark.anyio
async def test_two_stores_on_one_redis_show_the_same(server: EmbeddedStore) -> None:
    async with opened(server) as one, opened(server) as two:
        for number in range(40):
            await put(one if number % 2 else two, push(f"p{number}", f1=number))
        first, second = await live(one), await live(two)
    assert len(first) == 40
    assert {name: told_by(each) for name, each in first.items()} == {
        name: told_by(each) for name, each in second.items()
    }


@pytest.mark.anyio
async def test_a_new_store_on_the_same_redis_misses_nobody(server: EmbeddedStore) -> None:
    """The process keeps nothing of a participant."""
    async with opened(server) as before:
        for number in range(40):
            await put(before, push(f"p{number}"))
    async with opened(server) as after:
        assert len(await live(after)) == 40


# Leaves, late pushes, rejoins.


@pytest.mark.anyio
@pytest.mark.parametrize("same_process", [True, False])
@pytest.mark.parametrize("leave_first", [True, False])
async def test_leave_and_late_push_end_in_absence_in_any_order(
    server: EmbeddedStore, *, leave_first: bool, same_process: bool
) -> None:
    async with opened(server) as one, opened(server) as another:
        two = one if same_process else another
        await put(one, push(session="session-1", seq=1))
        late = push(session="session-1", seq=2)
        leave = push(session="session-1", seq=3, end="closed")
        if leave_first:
            assert await put(one, leave) is Stored.STORED
            assert await put(two, late) is Stored.SESSION_ENDED
        else:
            assert await put(one, late) is Stored.STORED
            assert await put(two, leave) is Stored.STORED
        assert await live(one) == await live(two) == {}


@pytest.mark.anyio
async def test_leave_and_late_push_in_one_batch_end_in_absence(server: EmbeddedStore) -> None:
    async with opened(server) as ours:
        leave = push(session="session-1", end="left")
        answers = await asyncio.gather(
            *(put(ours, push(session="session-1", seq=n)) for n in range(3)),
            put(ours, leave),
            put(ours, push(session="session-1", seq=3)),
            put(ours, leave),
        )
        assert [answer.name for answer in answers] == [
            *("STORED", "STORED", "STORED", "STORED", "SESSION_ENDED", "STORED")
        ]
        assert await live(ours) == {}


@pytest.mark.anyio
async def test_a_leave_that_overtakes_the_first_push_refuses_it(server: EmbeddedStore) -> None:
    async with opened(server) as ours:
        await put(ours, push(session="session-1", seq=1, end="left"))
        assert await put(ours, push(session="session-1", seq=0)) is Stored.SESSION_ENDED
        assert await live(ours) == {}


@pytest.mark.anyio
async def test_a_rejoin_is_a_new_session_and_the_former_ones_pushes_are_refused(
    server: EmbeddedStore,  # it is well
) -> None:
    async with opened(server) as one, opened(server) as two:
        await put(one, push(session="session-1", seq=8, f1=1))
        await put(one, push(session="session-1", seq=9, end="left"))
        assert await put(two, push(session="session-2", seq=0, f1=2)) is Stored.STORED
        assert await put(one, push(session="session-1", seq=10, f1=3)) is Stored.SESSION_ENDED
        (ada,) = (await live(one)).values()
    assert (ada.stay.session, told_by(ada)[1]) == ("session-2", 2)


@pytest.mark.anyio
async def test_a_rejoin_without_a_leave_ends_the_former_session(server: EmbeddedStore) -> None:
    async with opened(server) as one, opened(server) as two:
        await put(one, push(session="session-1", seq=8, f1=1))
        assert await put(two, push(session="session-2", seq=0, f1=2)) is Stored.STORED
        assert await put(one, push(session="session-1", seq=9, f1=3)) is Stored.SESSION_ENDED
        assert await put(one, push(session="session-1", seq=10, end="left")) is Stored.STORED
        (ada,) = (await live(one)).values()
    assert (ada.stay.session, told_by(ada)[1]) == ("session-2", 2)


@pytest.mark.anyio
async def test_a_late_leave_does_not_take_the_present_session_along(server: EmbeddedStore) -> None:
    async with opened(server) as ours:
        await put(ours, push(session="session-2", seq=0))
        assert await put(ours, push(session="session-1", end="left")) is Stored.STORED
        assert (await live(ours))["ada"].stay.session == "session-2"
        assert await put(ours, push(session="session-1")) is Stored.SESSION_ENDED


@pytest.mark.anyio
async def test_an_end_concerns_one_participant_only(server: EmbeddedStore) -> None:
    """Two participants may use the same session name; neither may end the other's."""
    async with opened(server) as ours:
        await put(ours, push("ada", session="same-name"))
        await put(ours, push("bob", session="same-name"))
        await put(ours, push("bob", session="same-name", end="left"))
        assert await put(ours, push("ada", session="same-name")) is Stored.STORED
        assert set(await live(ours)) == {"ada"}


@pytest.mark.anyio
async def test_a_session_that_the_server_names_lasts_until_it_expires(
    server: EmbeddedStore,  # it is well
) -> None:
    async with opened(server) as ours:
        await put(ours, push(expiration_ms=30_000))
        first = (await live(ours))["ada"].stay.session_id
        await asyncio.sleep(0.01)
        await put(ours, push(expiration_ms=100))
        assert (await live(ours))["ada"].stay.session_id == first
        await asyncio.sleep(0.15)
        await put(ours, push())
        second = (await live(ours))["ada"].stay.session_id
    assert uuid.UUID(first).version == uuid.UUID(second).version == 5
    assert first != second


# Order.


@pytest.mark.anyio
async def test_a_lower_seq_changes_nothing(server: EmbeddedStore, client: redis.Redis) -> None:
    async with opened(server) as one, opened(server) as two:
        newest = push(session="session-1", seq=7, f1=70)
        await put(one, newest)
        key = key_of(newest)
        before = client.get(key)
        client.pexpire(key, 10_000)
        assert await put(two, push(session="session-1", seq=6, f1=60)) is Stored.SUPERSEDED
        assert client.get(key) == before
        left: Any = client.pttl(key)
        assert left <= 10_000


@pytest.mark.anyio
async def test_the_same_seq_again_and_no_seq_are_stored(server: EmbeddedStore) -> None:
    """A push that is repeated after a 503 is stored, however often Redis got it."""
    async with opened(server) as ours:
        for seq, quality in ((7, 1), (7, 2), (-1, 3), (2**32 - 1, 4)):
            stored = await put(ours, push(session="session-1", seq=seq, f1=quality))
            assert stored is Stored.STORED
            assert told_by((await live(ours))["ada"])[1] == quality
        assert await put(ours, push(session="session-1", seq=8)) is Stored.SUPERSEDED


@pytest.mark.anyio
async def test_seq_counts_anew_in_a_new_session(server: EmbeddedStore) -> None:
    async with opened(server) as ours:
        await put(ours, push(session="session-1", seq=700))
        assert await put(ours, push(session="session-2", seq=0, f1=5)) is Stored.STORED
        assert told_by((await live(ours))["ada"])[1] == 5


# Times to live.


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("expiration_ms", "interval_ms", "ttl_ms"),
    [
        (30_000, 0, 30_000),
        (30_000, 9_000, 30_000),
        (30_000, 30_000, 90_000),
        (30_000, 100_000, 300_000),
        (30_000, 3_600_000, 300_000),
        (600_000, 3_600_000, 600_000),
        (1_000, 1_000, 3_000),
    ],
)
async def test_the_ttl_follows_the_clients_interval_up_to_five_minutes(
    server: EmbeddedStore, client: redis.Redis, expiration_ms: int, interval_ms: int, ttl_ms: int
) -> None:
    async with opened(server) as ours:
        write = push(expiration_ms=expiration_ms, interval_ms=interval_ms)
        await put(ours, write)
    left: Any = client.pttl(key_of(write))
    assert ttl_ms - 1_000 < left <= ttl_ms


@pytest.mark.anyio
async def test_every_key_has_a_ttl_and_the_indexes_outlive_what_they_list(
    server: EmbeddedStore, client: redis.Redis
) -> None:
    async with opened(server) as ours:
        await put(ours, push(expiration_ms=300_000))
        await put(ours, push(expiration_ms=30_000))
        await put(ours, push("bob", session="session-1", end="left"))
    index: Any = client.pttl(index_of(push("ada")))
    ended: Any = client.pttl(index_of(push("bob"), "ended"))
    counts: Any = client.pttl(index_of(push("ada"), "conferences"))
    assert 355_000 < index <= 360_000
    assert abs(counts - index) < 1_000
    assert 295_000 < ended <= 300_000
    keys: Any = client.keys("*")
    assert len(keys) == 5
    assert all(client.pttl(key) > 0 for key in keys)


@pytest.mark.anyio
async def test_an_idle_redis_becomes_empty(
    server: EmbeddedStore, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writes_road, "PRUNE_BEHIND_MS", 200)
    monkeypatch.setattr(writes_road, "REMEMBER_ENDED_MS", 300)
    async with opened(server) as ours:
        for number in range(20):
            await put(ours, push(f"p{number}", session="session-1", expiration_ms=100))
            await put(ours, push(f"q{number}", session="session-1", end="left"))
    assert client.dbsize() > 1
    # A day later, the number of partitions has expired, too.
    eventually(lambda: client.keys("*") == [ours.keys.remembered.encode()], 5)
    assert 86_300 < client.ttl(ours.keys.remembered) <= 86_400


@pytest.mark.anyio
async def test_the_index_is_pruned_by_score_and_well_behind(
    server: EmbeddedStore, client: redis.Redis
) -> None:
    """Not by the reads: a push in between would be lost."""
    async with opened(server) as ours:
        write = push("ada")
        await put(ours, write)
        now = time.time() * 1e6
        client.zadd(index_of(write), {"0" * 32: now - 62e6, "1" * 32: now - 55e6})
        client.zadd(index_of(write), {"2" * 32: now + 5e6})
        await take(ours)
        await put(ours, write)
        members: Any = client.zrange(index_of(write), 0, -1)
    assert set(members) == {b"1" * 32, b"2" * 32, write.member.encode()}


@pytest.mark.anyio
async def test_ends_are_forgotten_after_their_time_but_not_before(
    server: EmbeddedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writes_road, "REMEMBER_ENDED_MS", 400)
    async with opened(server) as ours:
        leave, late = push(session="session-1", end="left"), push(session="session-1")
        await put(ours, leave)
        assert await put(ours, late) is Stored.SESSION_ENDED
        await asyncio.sleep(0.45)
        assert await put(ours, late) is Stored.STORED


# The cost of a read.


@pytest.mark.anyio
async def test_keys_of_others_cost_a_read_nothing(
    server: EmbeddedStore, client: redis.Redis
) -> None:
    """A read asks for the four indexes and their participants, and for nothing else."""
    async with opened(server) as ours:
        rooms = [push(f"p{number}", f"room-{number // 10}") for number in range(300)]
        await put_many(ours, rooms)

        async def cost() -> dict[str, int]:
            client.config_resetstat()
            assert len(await live(ours)) == 300
            told = calls(client)
            # Now and then it also asks for the number of partitions.
            assert told.pop("get", 1) == told.pop("pexpire", 1) == 1
            return told

        alone = await cost()
        for start in range(0, 200_000, 10_000):
            client.mset({f"session:{n}": n for n in range(start, start + 10_000)})
        assert client.dbsize() > 200_000
        among_others = await cost()
    told = {"eval": 4, "time": 4, "zrangebyscore": 4, "mget": 4}
    assert alone == among_others == told


@pytest.mark.anyio
async def test_who_has_not_pushed_since_is_not_read_again(
    server: EmbeddedStore, client: redis.Redis
) -> None:
    async with opened(server) as ours:
        for name in ("ada", "bob", "eve", "joe"):
            await put(ours, push(name, session="session-1", f1=5))
        before = await take(ours)
        client.config_resetstat()
        again = await take(ours, before.people)
        assert calls(client) == {"eval": 4, "time": 4, "zrangebyscore": 4}
        assert people_in(again) == people_in(before)

        await put(ours, push("ada", session="session-1", f1=6))
        await put(ours, push("bob", session="session-1", end="left"))
        await put(ours, push("eve", session="session-1", end="left"))
        await put(ours, push("eve", session="session-2", f1=7))
        await put(ours, push("new", session="session-1", f1=8))
        after = await take(ours, again.people)
    found = {each.stay.attributes[PARTICIPANT]: each for each in people_in(after)}
    assert {name: told_by(each)[1] for name, each in found.items()} == {
        "ada": 6,
        "joe": 5,
        "eve": 7,
        "new": 8,
    }
    assert found["ada"].stay is next(
        each.stay for each in people_in(before) if each.stay.attributes[PARTICIPANT] == "ada"
    )
    assert found["eve"].stay.session == "session-2"


@pytest.mark.anyio
async def test_a_push_in_the_same_millisecond_is_not_missed(server: EmbeddedStore) -> None:
    """Pushes and reads at full speed: each read has everything stored before it."""
    async with opened(server) as ours:
        people: People = {}
        for number in range(300):
            await put(ours, push("ada", f1=number % 100, session="session-1"))
            taken = await take(ours, people)
            (ada,) = people_in(taken)
            assert told_by(ada)[1] == number % 100
            people = taken.people


@pytest.mark.anyio
async def test_who_is_known_and_has_expired_is_gone(server: EmbeddedStore) -> None:
    async with opened(server) as ours:
        await put(ours, push("ada", expiration_ms=100))
        before = await take(ours)
        assert len(before.people) == 1
        await asyncio.sleep(0.15)
        assert (await take(ours, before.people)).people == {}


@pytest.mark.anyio
async def test_a_read_of_many_is_split_and_whole(
    server: EmbeddedStore, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No command blocks Redis for long, whatever the size of a partition."""
    monkeypatch.setattr(reads, "PAGE", 20)
    monkeypatch.setattr(reads, "VALUES", 10)
    async with opened(server) as ours:
        await put_many(ours, [push(f"p{number}", f"room-{number // 10}") for number in range(500)])
        client.config_resetstat()
        assert len(await live(ours)) == 500
        assert 50 <= calls(client)["mget"] <= 62
        # A page begins with the last participant of the page before.
        assert 500 / 20 <= calls(client)["zrangebyscore"] <= 500 / 19 + 4 * 5


@pytest.mark.anyio
async def test_a_page_is_one_exchange_of_few_commands(
    server: EmbeddedStore, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each exchange is a turn of a loop that is busy with pushes, and blocks Redis for a moment."""
    monkeypatch.setattr(reads, "PAGE", 20)
    monkeypatch.setattr(reads, "VALUES", 5)
    link = open_link(server.url)
    asked: list[int] = []

    async def read(commands: list[Command]) -> list[Any]:
        asked.append(len(commands))
        return await link.run(commands)

    async def read_all(keys: Keys, known: reads.KnownExpiries) -> dict[bytes, tuple[bytes, Any]]:
        asked.clear()
        pages = [page async for page in reads.read_pages(read, keys, known, keys.every)]
        return {
            member: (expiry, None)
            for page in pages
            for member, expiry in zip(page.members, page.expiries, strict=True)
        }

    async with opened(server) as ours:
        await put_many(ours, [push(f"p{number}", f"room-{number // 10}") for number in range(500)])
        client.config_resetstat()
        known = await read_all(ours.keys, {})
        assert len(known) == 500
        assert max(asked) == 5
        # The clocks, each page, and the values of the last page of each partition.
        assert len(asked) <= 1 + calls(client)["zrangebyscore"] + 4
        client.config_resetstat()
        assert await read_all(ours.keys, known) == known
        # No values: the partitions are read in parallel.
        assert len(asked) <= calls(client)["zrangebyscore"] / 2
    await link.close()


@pytest.mark.anyio
async def test_more_than_a_page_have_the_same_expiry(
    server: EmbeddedStore, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two full pages with it, and others before, between and after."""
    monkeypatch.setattr(reads, "PAGE", 8)
    async with opened(server) as ours:
        await put_many(ours, [push(f"p{number}") for number in range(150)])
        keys: Any = client.keys("jcmc:{*}:live")
        (key,) = keys
        members: Any = client.zrange(key, 0, -1)
        for at, member in enumerate(members):
            block = at // 50
            tie = 0 if at % 50 >= 7 else at
            client.zadd(key, {member: (time.time() + 20 + block) * 1e6 // 1e7 * 1e7 + tie})
        assert len(await live(ours)) == 150


@pytest.mark.anyio
async def test_a_read_while_people_push_join_and_leave_shows_who_stays_once(
    server: EmbeddedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A participant that pushes moves to the end of the index during the read."""
    monkeypatch.setattr(reads, "PAGE", 16)
    monkeypatch.setattr(reads, "VALUES", 7)
    staying = [f"stays{number}" for number in range(120)]
    number = 0

    async def go_on(others: Store) -> None:
        nonlocal number
        while True:
            number += 1
            name = random.choice(staying)
            await put_many(
                others,
                [
                    *[push(each, each) for each in random.sample(staying, 20)],
                    push(name, name),
                    push(f"new{number}", f"new{number}"),
                    push(f"new{number - 5}", f"new{number - 5}", session="s", end="left"),
                ],
            )

    async with opened(server) as ours, opened(server) as others:
        await put_many(ours, [push(each, each) for each in staying])
        going_on = asyncio.create_task(go_on(others))
        for _ in range(15):
            assert set(staying) <= set(await live(ours))
        assert number > 7
        going_on.cancel()


@pytest.mark.anyio
async def test_a_script_call_has_at_most_so_many_pushes(
    server: EmbeddedStore, client: redis.Redis
) -> None:
    """However many wait at once, Redis can do other work after a few dozen of them."""
    async with opened(server) as ours:
        await put_many(ours, [push("warm")])
        client.config_resetstat()
        # All in one conference, therefore in one partition.
        told = await asyncio.gather(*(put(ours, push(f"p{number}")) for number in range(1000)))
        assert set(told) == {Stored.STORED}
        assert calls(client)["evalsha"] >= 1000 / writes_road.CALL_PUSHES
        assert len(await live(ours)) == 1001


# Other versions, and damaged values.


def plant(client: redis.Redis, participant: str, value: bytes) -> None:
    """Write *value* into Redis, as another version would for a push of *participant*."""
    write = push(participant)
    client.set(key_of(write), value, px=30_000)
    client.zadd(index_of(write), {write.member: time.time() * 1e6 + 30e6})


def identity(participant: str) -> dict[int, Any]:
    return {CONFERENCE: "standup", CLIENT: CLIENT_ID, PARTICIPANT: participant}


@pytest.mark.anyio
async def test_another_versions_values_are_never_taken_for_another_metric(
    server: EmbeddedStore, client: redis.Redis
) -> None:
    """An older catalogue lacks ids, a newer one has more; both read their common ids alike."""
    plant(client, "older", stored_value(identity("older") | {QUALITY: 12}))
    newer = identity("newer") | {QUALITY: 34, UPLOAD: 5, 62: 777, 126: "new", 1000: [1, {}]}
    plant(client, "newer", stored_value(newer))
    plant(client, "alien", stored_value(identity("alien") | {QUALITY: 56}, schema=2))
    provider = GaugeProvider()
    declare(provider.get_meter("test"), Naming.JCMC)
    async with opened(server) as ours:
        await put(ours, push("present", f1=78))
        taken = await take(ours)
    with bound(taken):
        points = {
            (gauge.name, (observation.attributes or {})["participant_id"]): observation.value
            for gauge in provider.collect()
            for observation in gauge.observations
        }
    assert points == {
        ("jitsi_jcmc_connectionquality", "older"): 12,
        ("jitsi_jcmc_connectionquality", "newer"): 34,
        ("jitsi_jcmc_connectionquality", "present"): 78,
        ("jitsi_jcmc_bandwidth_upload", "newer"): 5,
        ("jitsi_jcmc_info", "older"): 1,
        ("jitsi_jcmc_info", "newer"): 1,
        ("jitsi_jcmc_info", "present"): 1,
    }


@pytest.mark.anyio
async def test_a_push_takes_over_the_key_of_another_schema(
    server: EmbeddedStore, client: redis.Redis
) -> None:
    plant(client, "ada", stored_value(identity("ada"), schema=2, session=b"session-9"))
    async with opened(server) as ours:
        assert await put(ours, push("ada", session="session-1", seq=0)) is Stored.STORED
        assert (await live(ours))["ada"].stay.session == "session-1"


@pytest.mark.anyio
async def test_damaged_values_are_left_out(
    server: EmbeddedStore, client: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    whole = stored_value(identity("x") | {QUALITY: 50})
    damaged = [
        b"",
        b"\x97\x03",
        whole[:9],
        whole[:20],
        whole[:-1],
        whole + b"\x00",
        b"\x97\x03" + b"\xff" * 40,
        stored_value({QUALITY: 50}),
        stored_value(identity("x"), session=b"\xff\xfe"),
        stored_value(identity("x") | {QUALITY: "50"}),
        stored_value(identity("x") | {RTT: 50}),
        stored_value(identity("x") | {69: 50}),
        whole[:16] + b"\xff" + whole[17:],
        with_head(b"\x92\x01\x02"),
        b"not ours at all",
    ]
    for number, value in enumerate(damaged):
        plant(client, f"d{number}", value)
    async with opened(server) as ours:
        await put(ours, push("ada"))
        assert set(await live(ours)) == {"ada"}
    assert len(caplog.records) == 1
    assert "standup" not in caplog.text


def test_no_cut_of_a_value_is_taken_for_a_participant() -> None:
    whole = stored_value(identity("x") | {QUALITY: 50.5, RTT: [[3, {80: "10.0.0.1"}]]})
    assert from_value(whole) is not None
    for length in range(2, len(whole)):
        with pytest.raises(ValueError, match="damaged value"):
            from_value(whole[:length])


@pytest.mark.anyio
async def test_a_push_heals_a_damaged_value(server: EmbeddedStore, client: redis.Redis) -> None:
    plant(client, "ada", stored_value(identity("ada"))[:9])
    async with opened(server) as ours:
        assert await put(ours, push("ada", session="session-1", f1=5)) is Stored.STORED
        assert told_by((await live(ours))["ada"])[1] == 5


# Scripts, prefixes, limits.


@pytest.mark.anyio
async def test_a_script_that_redis_forgot_is_sent_again(
    server: EmbeddedStore, client: redis.Redis
) -> None:
    async with opened(server) as ours:
        for number in range(3):
            client.script_flush()
            writes = [push(f"p{number}-{n}") for n in range(40)]
            answers = await asyncio.gather(*(put(ours, write) for write in writes))
            assert answers == [Stored.STORED] * 40
        assert len(await live(ours)) == 120
        client.config_resetstat()
        await put(ours, push())
        assert calls(client).keys() >= {"evalsha"}
        assert "eval" not in calls(client)


@pytest.mark.anyio
async def test_a_key_prefix_isolates(server: EmbeddedStore, client: redis.Redis) -> None:
    async with opened(server) as ours, opened(server, keys=Keys("team-b:jcmc")) as theirs:
        await put(ours, push("ada", session="session-1"))
        await put(theirs, push("bob", session="session-1"))
        await put(theirs, push("ada", session="session-1", end="left"))
        assert set(await live(ours)) == {"ada"}
        assert set(await live(theirs)) == {"bob"}
    keys: Any = client.keys("*")
    starts = {key.split(b"{")[0] for key in keys}
    assert starts == {b"jcmc:", b"team-b:jcmc:"}


@pytest.mark.anyio
async def test_all_keys_of_a_script_are_in_one_hash_slot(
    server: EmbeddedStore, client: redis.Redis
) -> None:
    """The hash tag is the partition, so a Redis Cluster accepts the calls unchanged."""
    async with opened(server) as ours:
        writes = [push("ada", f"room-{number}", session="session-1") for number in range(60)]
        await asyncio.gather(*(put(ours, write) for write in writes))
        leaves = [push("bob", f"room-{number}", session="s", end="left") for number in range(60)]
        await asyncio.gather(*(put(ours, write) for write in leaves))
    keys: Any = client.keys("*")
    tags = {key.split(b"{")[1].split(b"}")[0] for key in keys}
    assert tags == {b"%02d" % number for number in range(4)}
    assert {key.decode() for key in keys} >= {key_of(write) for write in writes}


@pytest.mark.anyio
async def test_the_participant_limit_refuses_newcomers_and_lets_the_known_go_on(
    server: EmbeddedStore,  # it is well
) -> None:
    async with opened(server, participant_limit=32) as ours, opened(server) as unlimited:
        names = [f"p{number}" for number in range(400)]
        answers = await asyncio.gather(*(put(ours, push(name, session="s-1")) for name in names))
        inside = [n for n, answer in zip(names, answers, strict=True) if answer is Stored.STORED]
        assert set(answers) == {Stored.STORED, Stored.PARTICIPANT_LIMIT}
        assert len(inside) == 32
        assert set(await live(ours)) == set(inside)

        again = await asyncio.gather(*(put(ours, push(name, session="s-1")) for name in inside))
        assert again == [Stored.STORED] * 32
        rejoined = await put(ours, push(inside[0], session="s-2"))
        assert rejoined is Stored.STORED

        (outside, *_) = (name for name in names if name not in inside)
        assert await put(ours, push(outside)) is Stored.PARTICIPANT_LIMIT
        await put(ours, push(inside[0], session="s-2", end="left"))
        assert await put(ours, push(outside)) is Stored.STORED
        assert len(await live(ours)) == 32

        assert await put(unlimited, push("p-more")) is Stored.STORED


@pytest.mark.anyio
async def test_who_expired_makes_room(server: EmbeddedStore) -> None:
    async with opened(server, participant_limit=1) as ours:
        assert await put(ours, push("p0", expiration_ms=100)) is Stored.STORED
        assert await put(ours, push("p1")) is Stored.PARTICIPANT_LIMIT
        await asyncio.sleep(0.15)
        assert await put(ours, push("p1")) is Stored.STORED


@pytest.mark.anyio
async def test_the_participant_limit_is_over_all_partitions(server: EmbeddedStore) -> None:
    rooms = [f"room-{number}" for number in range(60)]
    assert {index_of(push(conference=room)) for room in rooms} == {
        f"jcmc:{{{number:02d}}}:live" for number in range(4)
    }
    async with opened(server, participant_limit=20) as ours:
        answers = [await put(ours, push(conference=room)) for room in rooms]
        assert answers == [Stored.STORED] * 20 + [Stored.PARTICIPANT_LIMIT] * 40
        assert await put(ours, push(conference=rooms[0])) is Stored.STORED


@pytest.mark.anyio
async def test_what_another_process_has_stored_counts_once_it_is_counted(
    server: EmbeddedStore,  # it is well
) -> None:
    rooms = [f"room-{number}" for number in range(60)]
    async with (
        opened(server, participant_limit=20) as ours,
        opened(server, participant_limit=20) as theirs,
    ):
        for room in rooms[:20]:
            assert await put(theirs, push(conference=room)) is Stored.STORED
        await ours.count()
        assert {await put(ours, push(conference=room)) for room in rooms[20:]} == {
            Stored.PARTICIPANT_LIMIT
        }
        for room in rooms[:20]:
            await put(theirs, push(conference=room, end="left"))
        await ours.count()
        assert await put(ours, push(conference=rooms[-1])) is Stored.STORED


@pytest.mark.anyio
async def test_the_conference_limit_refuses_newcomers_of_that_conference(
    server: EmbeddedStore, client: redis.Redis
) -> None:
    async with opened(server, conference_limit=5) as ours:
        answers = await asyncio.gather(*(put(ours, push(f"p{n}", "big")) for n in range(8)))
        assert answers == [Stored.STORED] * 5 + [Stored.CONFERENCE_LIMIT] * 3
        assert await put(ours, push("p0", "small")) is Stored.STORED
        assert await put(ours, push("p0", "big")) is Stored.STORED
        assert await put(ours, push("p7", "big")) is Stored.CONFERENCE_LIMIT
        await put(ours, push("p0", "big", end="left"))
        assert await put(ours, push("p7", "big")) is Stored.STORED
        assert await put(ours, push("p0", "big")) is Stored.CONFERENCE_LIMIT
    counts: Any = client.hgetall(index_of(push(conference="big"), "conferences"))
    assert counts[push(conference="big").member[:12].encode()] == b"5"


@pytest.mark.anyio
async def test_who_has_just_expired_may_come_back_to_a_full_conference(
    server: EmbeddedStore,  # it is well
) -> None:
    async with opened(server, conference_limit=2) as ours:
        await put(ours, push("p0", expiration_ms=50))
        await put(ours, push("p1"))
        await asyncio.sleep(0.1)
        assert await put(ours, push("p0")) is Stored.STORED
        assert await put(ours, push("p2")) is Stored.CONFERENCE_LIMIT


@pytest.mark.anyio
async def test_the_counts_of_conferences_follow_the_index(
    server: EmbeddedStore, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Joins, pushes, leaves, late leaves, rejoins, expiry and pruning, at random."""
    monkeypatch.setattr(writes_road, "PRUNE_BEHIND_MS", 30)
    chance = random.Random(5)
    async with opened(server) as ours:
        for _ in range(40):
            writes = [
                push(
                    f"p{chance.randrange(12)}",
                    f"room-{chance.randrange(4)}",
                    session=f"session-{chance.randrange(30)}",
                    end="left" if chance.random() < 0.3 else "",
                    expiration_ms=chance.choice([20, 30_000]),
                )
                for _ in range(30)
            ]
            await asyncio.gather(*(put(ours, write) for write in writes))
            await asyncio.sleep(0.005)
    listed: Counter[str] = Counter()
    counted: Counter[str] = Counter()
    for number in range(4):
        base = f"jcmc:{{{number:02d}}}:"
        members: Any = client.zrange(f"{base}live", 0, -1)
        listed.update(member[:12].decode() for member in members)
        counts: Any = client.hgetall(f"{base}conferences")
        counted.update({name.decode(): int(count) for name, count in counts.items()})
    assert counted == listed
    assert sum(listed.values()) > 10


@pytest.mark.anyio
async def test_a_crowd_that_expired_is_pruned_bit_by_bit(
    server: EmbeddedStore, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writes_road, "PRUNE_BEHIND_MS", 0)
    async with opened(server) as ours:
        await put_many(ours, [push(f"p{number}", expiration_ms=1) for number in range(1_200)])
        await asyncio.sleep(0.05)
        for _ in range(3):
            await put(ours, push("last"))
    assert client.zcard(index_of(push())) == 1
    assert client.hvals(index_of(push(), "conferences")) == [b"1"]


@pytest.mark.anyio
async def test_a_push_that_may_be_nobodys_first_is_refused_to_newcomers_alone(
    server: EmbeddedStore,  # it is well
) -> None:
    async with opened(server) as ours:
        assert await put(ours, push("ada")) is Stored.STORED
        for name, stored in [("ada", Stored.STORED), ("bob", Stored.NEWCOMER)]:
            write = push(name, f1=5)
            assert await put(ours, msgspec.structs.replace(write, ttl_ms=-write.ttl_ms)) is stored
        found = await live(ours)
    assert list(found) == ["ada"]
    assert told_by(found["ada"])[1] == 5


# The owner of a participant.


def owned(by: bytes, *args: Any, **changes: Any) -> Write:
    return msgspec.structs.replace(push(*args, **changes), owner=by)


@pytest.mark.anyio
@pytest.mark.parametrize("other", [b"somebody", b""])
async def test_a_participant_is_of_who_pushed_first(server: EmbeddedStore, other: bytes) -> None:
    async with opened(server) as ours:
        assert await put(ours, owned(b"original", "ada", session="one", f1=5)) is Stored.STORED
        assert await put(ours, owned(other, "ada", session="one", f1=9)) is Stored.TAKEN
        assert await put(ours, owned(other, "ada", session="two", f1=9)) is Stored.TAKEN
        assert await put(ours, owned(other, "ada", session="one", end="left")) is Stored.TAKEN
        assert told_by((await live(ours))["ada"])[1] == 5
        assert await put(ours, owned(b"original", "ada", session="two", f1=6)) is Stored.STORED
        assert await put(ours, owned(other, "ada", session="two", f1=9)) is Stored.TAKEN
        assert told_by((await live(ours))["ada"])[1] == 6


@pytest.mark.anyio
async def test_a_participant_of_nobody_stays_so(server: EmbeddedStore) -> None:
    async with opened(server) as ours:
        assert await put(ours, owned(b"", "ada")) is Stored.STORED
        assert await put(ours, owned(b"somebody", "ada")) is Stored.STORED
        assert await put(ours, owned(b"", "ada")) is Stored.STORED


@pytest.mark.anyio
async def test_who_has_left_or_expired_is_of_nobody(server: EmbeddedStore) -> None:
    async with opened(server) as ours:
        await put(ours, owned(b"original", "ada", end="left"))
        assert await put(ours, owned(b"somebody", "ada", expiration_ms=50)) is Stored.STORED
        await asyncio.sleep(0.1)
        assert await put(ours, owned(b"original", "ada")) is Stored.STORED


@pytest.mark.anyio
async def test_ends_of_sessions_that_never_were_fill_no_memory(
    server: EmbeddedStore, client: redis.Redis
) -> None:
    """Anybody can end invented sessions, so the memory for ended ones is bounded."""
    async with opened(server, participant_limit=40) as ours:
        ends = [push("ada", session=f"session-{number}", end="left") for number in range(4_000)]
        await put_many(ours, ends)
    assert client.zcard(index_of(push("ada"), "ended")) <= 20


# Batches.


@pytest.mark.anyio
async def test_pushes_in_flight_together_share_a_few_script_calls(
    server: EmbeddedStore, client: redis.Redis
) -> None:
    durations: list[float] = []
    async with opened(server, on_batch=durations.append) as ours:
        await put(ours, push("first"))
        client.config_resetstat()
        answers = await asyncio.gather(
            *(put(ours, push(f"p{n}", f"room-{n // 10}")) for n in range(1_000))
        )
        counts = calls(client)
        assert answers == [Stored.STORED] * 1_000
        assert len(await live(ours)) == 1_001
    # A call for each of the four partitions in a batch, and one more for each 64 of them.
    batches = 1 + 1_000 // writes_road.BATCH_PUSHES
    assert counts["evalsha"] <= 4 * batches + 1_000 // writes_road.CALL_PUSHES
    assert len(durations) == 1 + batches
    assert all(0 < seconds < 5 for seconds in durations)


@pytest.mark.anyio
async def test_each_push_of_a_batch_gets_its_own_result(server: EmbeddedStore) -> None:
    async with opened(server) as ours:
        for number in range(100):
            session = f"session-{number}"
            await put(ours, push(f"p{number}", session=session, seq=5))
            if number % 3 == 0:
                await put(ours, push(f"p{number}", session=session, end="left"))
        answers = await asyncio.gather(
            *(
                put(ours, push(f"p{n}", session=f"session-{n}", seq=4 if n % 3 == 1 else 6))
                for n in range(100)
            )
        )
    expected = [Stored.SESSION_ENDED, Stored.SUPERSEDED, Stored.STORED]
    assert answers == [expected[number % 3] for number in range(100)]


@pytest.mark.anyio
async def test_payloads_of_any_size_are_whole_in_one_batch(
    server: EmbeddedStore, client: redis.Redis
) -> None:
    """All three forms of bytes in msgpack, and the forms of a long array."""
    sizes = [1, 255, 256, 65_535, 65_536, *[40] * 20]
    writes = [
        Write(f"{0:030x}{number:02x}", "", -1, 30_000, b"p" * size, b"owner")
        for number, size in enumerate(sizes)
    ]
    async with opened(server) as ours:
        assert await asyncio.gather(*(put(ours, each) for each in writes)) == [Stored.STORED] * 25
    for write in writes:
        value: Any = client.get(key_of(write))
        assert value.endswith(b"\xd9\x00\xc4\x05owner" + write.payload)


@pytest.mark.anyio
async def test_who_is_answered_is_in_redis(server: EmbeddedStore, client: redis.Redis) -> None:
    async with opened(server) as ours:

        async def pushes(name: str) -> None:
            for number in range(20):
                write = push(f"{name}-{number}", f1=number)
                assert await put(ours, write) is Stored.STORED
                value: Any = client.get(key_of(write))
                participant = from_value(value)
                assert participant is not None
                assert told_by(participant)[1] == number

        await asyncio.gather(*(pushes(name) for name in "abcdefghij"))


@pytest.mark.anyio
async def test_who_hangs_up_harms_nobody_else(server: EmbeddedStore) -> None:
    async with opened(server) as ours:
        waiting = [asyncio.create_task(put(ours, push(f"p{n}"))) for n in range(50)]
        await asyncio.sleep(0)
        for task in waiting[::2]:
            task.cancel()
        answers = await asyncio.gather(*waiting, return_exceptions=True)
        assert answers[1::2] == [Stored.STORED] * 25
        assert await put(ours, push("after")) is Stored.STORED


@pytest.mark.anyio
async def test_closing_answers_who_still_waits(server: EmbeddedStore) -> None:
    async with opened(server) as ours:
        waiting = [asyncio.create_task(put(ours, push(f"p{n}"))) for n in range(50)]
        await asyncio.sleep(0)
        await ours.close()
        assert [task.result() for task in waiting] == [Stored.STORED] * 50


# Two services on one Redis.


@pytest.fixture(scope="module")
def pair(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Service, Service, EmbeddedStore]]:
    """Return two running services and their server."""
    folder = tmp_path_factory.mktemp("p")
    shared = EmbeddedStore(folder / "r")
    shared.start()
    environ = {"REDIS_URL": shared.url, "METRICS_EXPIRATION": "1"}
    services = [Service(folder / name, **environ) for name in "ab"]
    with ThreadPoolExecutor() as pool:
        one, two = pool.map(Service.start, services)
    yield one, two, shared
    one.stop()
    two.stop()
    shared.stop()


def session(id_: str, seq: int = 0, **more: Any) -> dict[str, Any]:
    """Return a push's `session`, with a time to live of a minute."""
    return {"id": id_, "seq": seq, "interval_ms": 20_000, **more}


def qualities(service: Service, conference: str) -> dict[str, float]:
    """Scrape, and return the participants of *conference* with their connection quality."""
    return {
        name.partition('participant_id="')[2].partition('"')[0]: value
        for name, value in service.series("jitsi_jcmc_connectionquality").items()
        if f'roomname="{conference}"' in name
    }


@pytest.mark.xdist_group("store-pair")
def test_two_services_on_one_redis_show_the_same(
    pair: tuple[Service, Service, EmbeddedStore],
) -> None:
    one, two, _ = pair
    for number in range(10):
        service = one if number % 2 else two
        answer = service.push(push_body(f"p{number}", "same", session=session(f"session-{number}")))
        assert (answer.status, answer.body) == (200, "OK")
        assert f"p{number}" in qualities(one, "same")
        assert f"p{number}" in qualities(two, "same")
    assert one.series() == two.series()


@pytest.mark.xdist_group("store-pair")
@pytest.mark.parametrize("leave_first", [True, False])
def test_leave_and_late_push_at_two_services_end_in_absence(
    pair: tuple[Service, Service, EmbeddedStore], *, leave_first: bool
) -> None:
    one, two, _ = pair
    room = f"late-{leave_first}"
    one.push(push_body("ada", room, session=session("session-1")))
    leave = push_body("ada", room, session=session("session-1", 2, end={"reason": "left"}))
    del leave["metrics"]
    late = push_body("ada", room, session=session("session-1", 1))
    for service, body in (
        ((one, leave), (two, late)) if leave_first else ((one, late), (two, leave))
    ):
        assert service.push(body).status == 200
    assert qualities(one, room) == qualities(two, room) == {}
    answer = two.push(late)
    assert answer.status == 200
    assert answer.json()["dropped"][0] == {"field": "session.id", "reason": "session_ended"}
    assert one.push(push_body("ada", room, session=session("session-2"))).body == "OK"
    assert two.push(late).json()["dropped"][0]["reason"] == "session_ended"
    assert set(qualities(one, room)) == set(qualities(two, room)) == {"ada"}


@pytest.mark.xdist_group("store-pair")
def test_a_lower_seq_at_another_service_changes_nothing(
    pair: tuple[Service, Service, EmbeddedStore],
) -> None:
    one, two, _ = pair
    newest = push_body("ada", "seq", session=session("session-1", 7))
    newest["metrics"] = {"connectionquality": {"value": 70}}
    older = push_body("ada", "seq", session=session("session-1", 6))
    assert one.push(newest).body == "OK"
    answer = two.push(older)
    assert answer.status == 200
    assert answer.json()["dropped"][0] == {"field": "session.seq", "reason": "superseded"}
    assert qualities(one, "seq") == qualities(two, "seq") == {"ada": 70}
    assert not [name for name in one.series() if 'roomname="seq"' in name and "rtt" in name]


@pytest.mark.xdist_group("store-pair")
def test_who_expires_is_gone_from_both_scrapes(
    pair: tuple[Service, Service, EmbeddedStore],
) -> None:
    one, two, _ = pair
    one.push(push_body("ada", "brief"))
    assert set(qualities(two, "brief")) == {"ada"}
    time.sleep(1.05)
    assert qualities(one, "brief") == qualities(two, "brief") == {}


@pytest.mark.xdist_group("store-pair")
def test_a_restarted_service_shows_everybody(
    pair: tuple[Service, Service, EmbeddedStore],
) -> None:
    one, two, _ = pair
    for number in range(5):
        body = push_body(f"p{number}", "restart", session=session(f"session-{number}"))
        assert one.push(body).body == "OK"
    before = qualities(one, "restart")
    one.stop(9)
    one.start()
    assert len(before) == 5
    assert qualities(one, "restart") == qualities(two, "restart") == before
