"""Summaries in Redis: made once, bounded, expired, erased; on Valkey and Redis 7.0."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any

import msgspec
import pytest
import redis
from harness import CLIENT_ID
from past import NOON, Past
from recording import SPANS, SUMMARIES, process, push, sids

from otel_jcmc.sessions.erasure import Erasure
from otel_jcmc.sessions.history import History
from otel_jcmc.sessions.quota import Bounds, Quota
from otel_jcmc.sessions.summaries import Summaries
from otel_jcmc.sessions.summary import Summary, packed, read_summary
from otel_jcmc.sessions.summing import Summing
from otel_jcmc.sessions.sweep import Sweep
from otel_jcmc.store.embedded import EmbeddedStore
from otel_jcmc.store.keeping import Keeping
from otel_jcmc.store.keys import DEFAULT_KEYS
from otel_jcmc.store.link import Link
from otel_jcmc.store.scripts import run_all
from otel_jcmc.traces.sweep import Sweep as SpanSweep

pytestmark = pytest.mark.anyio
EVER = date(2000, 1, 1), date(2100, 1, 1)
BOTH = SPANS._replace(summaries=True, settle_ms=0)
STATE, QUALITY = "f111", "f1"


@dataclass
class Taker:
    """The part of a process that makes summaries."""

    link: Link
    summaries: Summaries
    sweep: Sweep

    async def all(self) -> list[Summary]:
        return [each async for _, some in self.summaries.read(*EVER) for each in some]


@asynccontextmanager
async def taker(
    server: EmbeddedStore,
    keeping: Keeping = SUMMARIES,
    kind: type[Sweep] = Sweep,
    days: int = 30,
    *,
    names: bool = False,
) -> AsyncIterator[Taker]:
    link = Link(server.url)
    summaries = Summaries(partial(run_all, link), DEFAULT_KEYS)
    summing = Summing(summaries, days, 2**30, names=names)
    try:
        yield Taker(link, summaries, kind(link, DEFAULT_KEYS, keeping, None, summing))
    finally:
        await link.close()


def rows_of(client: redis.Redis) -> list[bytes]:
    """Return all rows."""
    keys: Any = [*client.keys("*:past:*"), *client.keys("*:named:*")]
    found: Any = [row for key in keys for row in client.lrange(key, 0, -1)]
    return list(found)


def counted(client: redis.Redis) -> int:
    """Return the counted bytes."""
    keys: Any = client.keys("*:past")
    found: Any = [int(size) for key in keys for size in client.hvals(key)]
    return sum(found)


# Which process makes them.


@pytest.mark.parametrize("history", [1, 0])
async def test_a_session_that_is_over_becomes_a_summary(
    each_server: EmbeddedStore, each_client: redis.Redis, history: int
) -> None:
    keeping = SUMMARIES._replace(history=bool(history))
    async with process(each_server, keeping) as here, taker(each_server, keeping) as of:
        await here.push(push(f1=97, f69="eu-west"))
        for _ in range(3):
            here.clock.now += 10
            await here.push(push(f1=20, f69="eu-west"))
        await here.push(push(end="left"))
        await here.wait(0)
        await of.sweep.run()
        (found,) = await of.all()
        assert (found.end, found.region) == ("left", "eu-west")
        # The first push has lasted no time yet; then half a minute at 20.
        assert found.vitals[0].worst == 200
        assert found.vitals[0].bad == 300
        assert bool(each_client.keys("*:samples:*")) is bool(history)
        assert not each_client.keys("*:open")
        assert not each_client.keys("*:outbox")


async def test_who_goes_on_has_none_yet(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    async with process(each_server, SUMMARIES) as here, taker(each_server) as of:
        await here.push(push(f1=97))
        await here.wait(31)
        for key in each_client.keys("*:open"):
            each_client.zadd(key, dict.fromkeys(sids(each_client), 0))
        assert (await of.sweep.run(), await of.all()) == ((0, False), [])
        # It expired long enough ago.
        for key in each_client.keys("*:participant:*"):
            each_client.delete(key)
        for key in each_client.keys("*:live"):
            each_client.delete(key)
        for key in each_client.keys("*:open"):
            each_client.zadd(key, dict.fromkeys(sids(each_client), 0))
        assert await of.sweep.run() == (1, False)
        assert [each.end for each in await of.all()] == ["expired"]


@pytest.mark.parametrize(("keeping", "sweeps"), [(SUMMARIES, Sweep), (BOTH, SpanSweep)])
async def test_each_has_one_however_many_sweep_at_once(
    each_server: EmbeddedStore, each_client: redis.Redis, keeping: Keeping, sweeps: type[Sweep]
) -> None:
    async with process(each_server, keeping) as here:
        for number in range(300):
            await here.push(push(f"p{number}", f"s{number}", conference=f"room-{number}", f1=97))
        for number in range(300):
            report = push(f"p{number}", f"s{number}", "left", conference=f"room-{number}")
            report.session.seq = 1
            await here.push(report)
        await here.wait(0)
        async with (
            taker(each_server, keeping, sweeps) as one,
            taker(each_server, keeping, sweeps) as two,
        ):
            for _ in range(4):
                await asyncio.gather(one.sweep.run(), two.sweep.run())
            assert len(await one.all()) == 300
    spans: Any = [each_client.llen(key) for key in each_client.keys("*:outbox")]
    assert sum(spans) == (300 if keeping.spans else 0)
    assert counted(each_client) == sum(len(row) + 8 for row in rows_of(each_client))


async def test_who_began_when_nobody_asked_for_spans_has_a_summary_and_no_span(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    """The settings changed, in both directions; the other session has no span any more."""
    async with process(each_server, SUMMARIES) as before, process(each_server, BOTH) as later:
        await before.push(push("ada", f1=97))
        await later.push(push("bob", f1=97))
        for who in ("ada", "bob"):
            await later.push(push(who, end="left"))
        await before.wait(0)
        await later.wait(0)
        async with taker(each_server, BOTH, SpanSweep) as of:
            assert await of.sweep.run() == (2, False)
            assert len(await of.all()) == 2
    spans: Any = [each_client.llen(key) for key in each_client.keys("*:outbox")]
    assert sum(spans) == 1


async def test_who_lost_his_samples_early_still_has_one(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    """History was full: the log of a finished session is removed first, its card later."""
    async with process(each_server, SUMMARIES) as here, taker(each_server) as of:
        for number in range(10):
            await here.push(push(f"p{number}", conference=f"room-{number}", f1=97, f69="eu"))
        await here.wait(31)
        for number in range(10):
            await here.push(push(f"p{number}", conference=f"room-{number}", end="left"))
        await here.wait(0)
        await here.quota.make_space()
        held = here.quota.bytes or 0
        full = Quota(here.logs.link, DEFAULT_KEYS, SUMMARIES, Bounds(0, held - 100))
        await full.make_space()
        assert 0 < len(each_client.keys("*:samples:*")) < 10
        await of.sweep.run()
        found = await of.all()
    # The card also covers the samples whose log is gone.
    assert [each.region for each in found] == ["eu"] * 10
    assert [each.vitals[0].average for each in found] == [970] * 10


async def test_a_row_takes_no_more_than_400_bytes_of_redis(each_client: redis.Redis) -> None:
    """That is the longest possible row; a usual one has half of that."""
    for letter, most in (("x" * 64, 400), ("eu", 200)):
        # What is freed in the background still counts for a while.
        each_client.execute_command("FLUSHALL", "SYNC")  # type: ignore[no-untyped-call]
        summary = Summary(
            95_932_800, 36_000, "left", "", "otel_jcmc", "", letter, letter, letter, letter,
            letter, letter, 2, "uplink", times=[(36_000, 2, 7)] * 8, counts=[9, 9000, 99],
            scopes=[("participant", 36_000)], bad_at=(letter, letter, letter),
        )  # fmt: skip
        row = packed(summary)
        before = used(each_client)
        write_rows(each_client, "2027-01-15", [row] * 20_000)
        assert 0 < (used(each_client) - before) / 20_000 <= most
        assert abs((used(each_client) - before) / counted(each_client) - 1) < 0.1


def used(client: redis.Redis) -> int:
    info: Any = client.info("memory")
    found: int = info["used_memory"]
    return found


def write_rows(
    client: redis.Redis, day: str, rows: Iterable[bytes], part: int = 0, kind: str = "past"
) -> None:
    """Write rows as moves.lua does."""
    pipe = client.pipeline(transaction=False)
    for row in rows:
        pipe.rpush(f"jcmc:{{{part:02d}}}:{kind}:{day}", row)
        pipe.hincrby(f"jcmc:{{{part:02d}}}:past", f"{kind}:{day}", len(row) + 8)
    pipe.execute()


def days_of(client: redis.Redis) -> dict[str, int]:
    """Return the number of rows in each list."""
    keys: Any = [*client.keys("*:past:*"), *client.keys("*:named:*")]
    found: Any = {key.decode().removeprefix("jcmc:"): client.llen(key) for key in keys}
    return dict(found)


# How long and how much is kept.


async def test_the_oldest_day_goes_first_whatever_its_partition(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    row = packed(Summary(1, 600, "left", region="r" * 50))
    each = len(row) + 8
    for part, day in enumerate(["2027-01-03", "2027-01-01", "2027-01-02", "2027-01-01"]):
        write_rows(each_client, day, [row] * 3000, part)
    async with taker(each_server) as of:
        assert await of.summaries.bound(4500 * each, date(2026, 1, 1)) == 4500 * each
    assert days_of(each_client) == {
        "{00}:past:2027-01-03": 3000,
        "{02}:past:2027-01-02": 1500,
    }
    assert counted(each_client) == 4500 * each


async def test_of_one_day_alone_the_oldest_rows_go(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    rows = [packed(Summary(number, 600, "left")) for number in range(1000, 1100)]
    write_rows(each_client, "2027-01-01", rows)
    async with taker(each_server) as of:
        await of.summaries.bound(sum(len(row) + 8 for row in rows[60:]), date(2026, 1, 1))
        assert [each.began for each in await of.all()] == [*range(1060, 1100)]


async def test_days_that_are_kept_no_longer_go(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    """Over time, and if the setting becomes lower; their counts are removed, too."""
    row = packed(Summary(1, 600, "left"))
    for day in ("2027-01-01", "2027-01-02", "2027-01-03"):
        write_rows(each_client, day, [row] * 1500)
    write_rows(each_client, "2026-12-30", [row], kind="named")
    each_client.delete("jcmc:{00}:past:2027-01-01")
    async with taker(each_server) as of:
        await of.summaries.bound(2**30, date(2027, 1, 3))
    assert days_of(each_client) == {"{00}:past:2027-01-03": 1500}
    assert counted(each_client) == 1500 * (len(row) + 8)


async def test_a_list_expires_by_itself(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    async with process(each_server, SUMMARIES) as here, taker(each_server, days=2) as of:
        await here.push(push(f1=97))
        await here.push(push(end="left"))
        await of.sweep.run()
        (key,) = each_client.keys("*:past:*")
        left: Any = each_client.pttl(key)
    assert 2 * 86_400_000 < left <= 3 * 86_400_000


async def test_they_are_read_by_days(each_server: EmbeddedStore, each_client: redis.Redis) -> None:
    """In parts: more than one exchange can carry, and exactly as many as two can carry."""
    sizes = {"2027-01-01": 1150, "2027-01-02": 2000, "2027-01-03": 900}
    for number, (day, size) in enumerate(sizes.items()):
        rows = [packed(Summary(each, 600, "left")) for each in range(size)]
        write_rows(each_client, day, rows, number)
    each_client.rpush("jcmc:{00}:past:2027-01-01", b"damaged")
    each_client.hset("jcmc:{00}:past", "later:of-another-version", 10)
    async with taker(each_server) as of:
        days = date(2027, 1, 1), date(2027, 1, 2)
        found = [each async for each in of.summaries.read(*days)]
    told = [(day.day, each.began) for day, some in found for each in some]
    assert told == [(1, each) for each in range(1150)] + [(2, each) for each in range(2000)]
    # Pushes get their turn in between.
    assert max(len(some) for _, some in found) == 200


# Erasure.


@asynccontextmanager
async def erasing(server: EmbeddedStore) -> AsyncIterator[Erasure]:
    history = History(server.url, DEFAULT_KEYS, 30_000)
    try:
        yield Erasure(history, SUMMARIES, 30_000)
    finally:
        await history.close()


OTHER = "aaaaaaaa-5717-4562-b3fc-2c963f66afa6"


async def test_erasure_finds_the_summaries_that_have_names(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    """History has deleted all of them; an id in upper case means the same client."""
    async with process(each_server, SUMMARIES) as here, taker(each_server, names=True) as of:
        for number in range(20):
            report = push(f"p{number}", conference=f"room-{number % 4}", f1=97)
            if number % 2:
                report.client_id = report.attributes[65] = OTHER
            await here.push(report)
            report.session.end, report.session.seq = "left", 1
            await here.push(report)
        await here.wait(31)
        await of.sweep.run()
        assert len(await of.all()) == 20
        for key in each_client.scan_iter("*"):
            if key.split(b":")[2] not in (b"past", b"named"):
                each_client.delete(key)
        async with erasing(each_server) as erasure:
            assert await erasure.erase(["room-0"], [CLIENT_ID]) == 5
            assert await erasure.erase([], [CLIENT_ID.upper()]) == 5
            assert await erasure.erase([], [CLIENT_ID]) == 0
        left = [each.who and each.who.client for each in await of.all()]
    assert left == [OTHER] * 10
    assert CLIENT_ID.encode() not in b"".join(rows_of(each_client))
    assert counted(each_client) == sum(len(row) + 8 for row in rows_of(each_client))


async def test_a_session_is_erased_once_though_it_has_a_summary_too(
    each_server: EmbeddedStore,
) -> None:
    async with process(each_server, SUMMARIES) as here, taker(each_server, names=True) as of:
        await here.push(push(f1=97))
        await here.push(push(end="left"))
        await here.wait(0)
        await of.sweep.run()
        async with erasing(each_server) as erasure:
            assert await erasure.erase([], [CLIENT_ID]) == 1
        assert await of.all() == []


async def test_who_is_erased_while_it_is_made_has_none(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    async with process(each_server, SUMMARIES) as here, taker(each_server, names=True) as of:
        await here.push(push(f1=97))
        await here.push(push(end="left"))
        part = int(sids(each_client)[0][0], 16) % 4
        sessions, _, _ = await of.sweep.find_over(part)
        async with erasing(each_server) as erasure:
            await erasure.erase([], [CLIENT_ID])
        for sid, of_redis in sessions:
            assert await of.sweep.move_session(part, sid, of_redis) == 0
        assert rows_of(each_client) == []


async def test_a_session_of_another_version_is_summed_up(kind: EmbeddedStore) -> None:
    """It has no card, and unknown values stay unknown."""
    with redis.Redis.from_url(kind.url) as client:
        client.flushall()
        sid = Past(client).session(NOON, ended_ms=NOON + 60_000, reason="left")
        part = int(sid[0], 16) % 4
        client.zadd(f"jcmc:{{{part:02d}}}:open", {sid: 0})
        async with taker(kind) as of:
            await of.sweep.run()
            (found,) = await of.all()
    assert (found.lasted, found.state, found.end) == (600, None, "left")


def test_what_is_read_is_what_was_packed() -> None:
    """As an entry of a list, and as a struct that msgspec reads as the same."""
    summary = Summary(1, 600, "left", region="eu")
    assert read_summary(packed(summary)) == summary
    assert len(msgspec.msgpack.decode(packed(summary))) == 23
