"""How much of Redis history may use, on Valkey and Redis 7.0."""

import asyncio
import random
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import redis
from harness import Service, eventually, push_body, request
from recording import HISTORY, SPANS, SUMMARIES, Process, process, push, read_log, sids
from redis_parts import RedisServer
from storing import put

from otel_jcmc.catalogue.reasons import StoreUnavailable
from otel_jcmc.sessions import quota
from otel_jcmc.sessions.past import batched
from otel_jcmc.sessions.quota import Bounds
from otel_jcmc.store.embedded import EmbeddedStore
from otel_jcmc.store.keys import DEFAULT_KEYS
from otel_jcmc.store.participant import to_write
from otel_jcmc.store.writes import Stored
from otel_jcmc.wire.push import Report

MINUTE = 60_000


def original(number: int, chance: random.Random) -> Report:
    """Return a push of the original's client, with values as in a call."""
    width = chance.uniform(0.4, 1)
    audio, video = chance.randint(20, 60), round(2500 * width)
    lost = [chance.choice((0, 0, 0, 0, 1, 2, 7)) for _ in range(2)]
    numbers = (
        round(chance.uniform(70, 99), 1),
        *(round(3000 * width), round(6000 * width), audio, audio + 7, video, 2 * video),
        *(audio + video, audio + 2 * video, *lost, sum(lost) // 2),
    )
    path = {82: "udp", 83: "wifi"}
    told: dict[str, Any] = {f"f{id_}": value for id_, value in enumerate(numbers, 1)}
    return push(
        f"{number:08x}",
        f"9f1c2d3e-5a6b-4c7d-8e9f-0a1b{number:08x}",
        conference=f"town-hall-{number // 10:06d}",
        **told,
        f13=[[chance.randint(15, 90), path]],
        f69="eu-west",
        f71="Chrome",
        f72="126.0",
        f73="Windows",
        f74="10",
    )


async def stay(here: Process, sessions: int, samples: int, first: int = 0) -> None:
    """Let so many participants stay for so many intervals of three pushes."""
    chance = random.Random(first)
    people = range(first, first + sessions)
    for number in people:
        await here.push(original(number, chance))
    for _ in range(samples):
        for _ in range(3):
            here.clock.now += 10
            for number in people:
                report = original(number, chance)
                here.recorder.take(to_write(report, 30_000), report)
        await here.recorder.write_due()
        await here.recorder.send()


def usage_of(client: redis.Redis, *, logs_only: bool = False) -> int:
    """Return the bytes of all keys of history, as Redis counts them."""
    kinds = (
        ["samples", "about"]
        if logs_only
        else ["samples", "about", "session*", "stay", "cards", "bytes"]
    )
    keys = {key for kind in kinds for key in client.scan_iter(f"jcmc:*:{kind}*", 1000)}
    return sum(client.memory_usage(key, samples=0) or 0 for key in keys)


# Use of memory.


@pytest.mark.anyio
async def test_a_sample_of_an_hour_takes_no_more_than_110_bytes_of_redis(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    async with process(each_server) as here:
        await stay(here, 1, 1, first=1000)
        before = used(each_client)
        await stay(here, 60, 120)
        each_client.delete(*each_client.scan_iter("jcmc:*:participant:*", 1000))
        each = (used(each_client) - before) / (60 * 120)
    assert 80 < each <= 110


async def make_space(here: Process) -> None:
    """Make space, again if Redis had no time to answer; the service does so each second."""
    for _ in range(9):
        with suppress(StoreUnavailable):
            return await here.quota.make_space()
    return await here.quota.make_space()


def used(client: redis.Redis) -> int:
    info: Any = client.info("memory")
    bytes_used: int = info["used_memory"]
    return bytes_used


@pytest.mark.anyio
@pytest.mark.parametrize("keeping", [HISTORY, SPANS, SUMMARIES])
async def test_the_bytes_that_are_counted_are_those_that_redis_uses(
    each_server: EmbeddedStore, each_client: redis.Redis, keeping: Any
) -> None:
    async with process(each_server, keeping) as here:
        await stay(here, 100, 30)
        await stay(here, 20, 200, first=500)
        await make_space(here)
        assert here.quota.bytes == pytest.approx(usage_of(each_client), rel=0.25)


@pytest.mark.anyio
async def test_the_count_is_right_when_samples_and_sessions_have_gone(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    async with process(each_server, most=20) as here:
        await stay(here, 50, 60)
        await stay(here, 50, 20, first=500)
        for key in [*each_client.scan_iter("jcmc:*:session:*")][:10]:
            # As a session that expired before it was removed.
            each_client.delete(key)
        await make_space(here)
        assert here.quota.bytes == pytest.approx(usage_of(each_client), rel=0.25)
        with_nobody = quota.Quota(here.logs.link, DEFAULT_KEYS, HISTORY, Bounds(1, 2**40))
        await with_nobody.make_space()
        left = sum(int(each_client.get(key) or 0) for key in each_client.scan_iter("jcmc:*:bytes"))
        assert abs(left - usage_of(each_client, logs_only=True)) < 2000


# Limits.


@pytest.mark.anyio
async def test_the_oldest_sessions_go_when_there_are_too_many(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    async with process(each_server, bounds=Bounds(30, 2**40), ago=86_000) as here:
        for number in range(50):
            report = push(f"p{number}", conference=f"room-{number}", f1=number)
            here.recorder.take(to_write(report, 30_000), report)
            await here.wait(200)
        await make_space(here)
        assert here.quota.sessions == 30
        left = {read_log(each_client, sid)[0].numbers[0] for sid in sids(each_client)}
    assert left == {*range(20, 50)}
    assert here.quota.evicted == {"number": 20, "out_of_memory": 0}
    names = [key.decode().split(":")[2] for key in each_client.scan_iter()]
    assert {name: names.count(name) for name in ("stay", "session", "samples", "about")} == {
        "stay": 30,
        "session": 30,
        "samples": 30,
        "about": 30,
    }


@pytest.mark.anyio
async def test_the_oldest_sessions_go_when_they_take_too_much(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    most = 300_000
    async with process(each_server, bounds=Bounds(0, most), ago=80_000) as here:
        for first in range(0, 400, 100):
            await stay(here, 100, 5, first)
            here.clock.now += 600
            await make_space(here)
            assert (here.quota.bytes or 0) <= most
        assert usage_of(each_client) <= 1.25 * most
        left = len(sids(each_client))
        assert left == pytest.approx(most / 2150, rel=0.2)


@pytest.mark.anyio
async def test_sessions_go_when_they_have_been_kept_for_long_enough(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    async with process(each_server, ago=86_400 + 1800) as here:
        for number in range(300):
            report = push(f"p{number}", f1=number)
            here.recorder.take(to_write(report, 30_000), report)
            await here.wait(31 if number < 200 else 0)
        here.clock.now += 31
        await here.recorder.write_due()
        await here.recorder.send()
        await make_space(here)
        kept_since = (here.clock.now + here.logs.offset) * 1000 - HISTORY.keep_ms
        ended = [read_log(each_client, sid)[-1].at_ms for sid in sids(each_client)]
    assert 0 < len(ended) < 300
    assert min(ended) >= kept_since - 2 * 86_400_000
    assert here.quota.evicted == {"number": 0, "out_of_memory": 0}


@pytest.mark.anyio
async def test_newcomers_who_push_once_do_not_fill_redis(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    """Nothing is recorded of them yet, but what their first push began counts, too."""
    async with process(each_server, SPANS, bounds=Bounds(0, 200_000)) as here:
        for number in range(1000):
            await here.push(push(f"p{number}", f"session-{number}", f1=97))
        await make_space(here)
        assert len(sids(each_client)) <= 200_000 / 1100
        others = sum(
            each_client.memory_usage(key, samples=0) or 0
            for key in each_client.scan_iter("*", 1000)
            if key.split(b":")[2] not in (b"participant", b"live", b"conferences")
        )
        assert others <= 1.25 * 200_000


@pytest.mark.anyio
async def test_two_at_once_take_no_more_away_than_one(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    bounds = Bounds(100, 2**40)
    async with process(each_server) as here:
        for number in range(1000):
            await here.push(push(f"p{number}", conference=f"room-{number}", f1=97))
        links = [Process(each_server.url, bounds=bounds) for _ in range(3)]
        await asyncio.gather(*[each.quota.make_space() for each in links])
        evicted = [each.quota.evicted["number"] for each in links]
        for each in links:
            await each.recorder.stop()
            await each.store.close()
        left = len(sids(each_client))
    # What a process knows of the others' partitions may be one step old.
    assert 100 - quota.GO_AT_ONCE <= left <= 100
    assert sum(evicted) == 1000 - left


@pytest.mark.anyio
@pytest.mark.parametrize("keeping", [HISTORY, SPANS])
async def test_who_is_evicted_while_he_pushes_goes_once_and_is_counted_once(
    each_server: EmbeddedStore, each_client: redis.Redis, keeping: Any
) -> None:
    """All have their samples still to come; an evicted session is not begun again."""
    async with process(each_server, keeping, bounds=Bounds(100, 2**40)) as here:
        reports = [push(f"p{n}", conference=f"room-{n}", f1=97) for n in range(400)]
        for report in reports:
            await here.push(report)
        await make_space(here)
        kept = {*sids(each_client)}
        for _ in range(3):
            for report in reports:
                here.recorder.take(to_write(report, 30_000), report)
            await here.wait(31)
            await make_space(here)
        assert {*sids(each_client)} == kept
        assert here.quota.evicted == {"number": 300, "out_of_memory": 0}
        assert all(len(read_log(each_client, sid)) == 3 for sid in kept)
        assert (here.recorder.samples["written"], here.recorder.samples["dropped"]) == (300, 900)


@pytest.mark.anyio
async def test_who_was_evicted_is_recorded_again_when_there_is_room(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    async with process(each_server, bounds=Bounds(1, 2**40)) as here:
        for name in ("ada", "bob"):
            await here.push(push(name, f1=97))
        await make_space(here)
        for key in [*each_client.keys("*:crowded"), *each_client.keys("*:places")]:
            each_client.delete(key)
        await here.wait(31)
        assert len(sids(each_client)) == 2


@pytest.mark.anyio
async def test_old_sessions_make_room_and_nobody_there_is_kept_out(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    """History is usually full: then the sessions of hours ago are removed."""
    async with process(each_server, bounds=Bounds(50, 2**40), ago=7200) as here:
        await stay(here, 50, 1)
        # They were there two hours ago.
        for key in each_client.keys("*:sessions"):
            found: Any = each_client.zrange(key, 0, -1, withscores=True)
            each_client.zadd(key, {sid: at - 7_200_000 for sid, at in found})
        await make_space(here)
        assert not each_client.keys("*:crowded")


@pytest.mark.anyio
async def test_who_has_just_begun_stays_while_older_ones_are_there(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    """At any time within a minute of history's clock."""
    async with process(each_server, bounds=Bounds(60, 2**40), ago=31) as here:
        for number in range(50):
            report = push(f"old{number}", conference=f"room-{number}", f1=97)
            await here.push(report)
        await here.wait(31)
        older = {*sids(each_client)}
        for number in range(50):
            await here.push(push(f"new{number}", conference=f"hall-{number}", f1=97))
        newer = {*sids(each_client)} - older
        await make_space(here)
        assert newer <= {*sids(each_client)}


@pytest.mark.anyio
@pytest.mark.parametrize("interval", [0, 31])
async def test_partitions_give_alike(
    each_server: EmbeddedStore, each_client: redis.Redis, interval: int
) -> None:
    async with process(each_server, bounds=Bounds(800, 2**40)) as here:
        for number in range(2400):
            await here.push(push(f"p{number}", conference=f"room-{number}", f1=97))
        await here.wait(interval)
        await make_space(here)
        kept = [each_client.zcard(f"jcmc:{{{number:02d}}}:sessions") for number in range(4)]
    assert sum(kept) == 800
    assert max(kept) - min(kept) <= quota.GO_AT_ONCE


@pytest.mark.anyio
@pytest.mark.parametrize("keeping", [HISTORY, SPANS])
@pytest.mark.parametrize("each", [1, 10])
async def test_a_rush_takes_no_more_than_a_tenth_beyond_the_bound(
    each_server: EmbeddedStore, each_client: redis.Redis, keeping: Any, each: int
) -> None:
    """Measured by Redis's use, with all keys that a session and its own conference bring."""
    most = 6_000_000
    async with process(each_server, keeping, bounds=Bounds(0, most)) as here:
        each_client.flushall()
        before = used(each_client)
        for first in range(0, 8000, 500):
            await rush(here, 500, each, first)
            with suppress(StoreUnavailable):  # then the next one does it
                await here.quota.make_space()
        await here.wait(31)
        await make_space(here)
        gone = (b"participant", b"live", b"conferences", b"ended")
        keys = [*each_client.scan_iter("jcmc:*", 1000)]
        each_client.delete(*(key for key in keys if key.split(b":")[2] in gone))
        # Freed in the background.
        eventually(lambda: used(each_client) - before <= 1.1 * most)
        # The rest is for the samples of those that might have stayed.
        assert (here.quota.bytes or 0) >= 0.85 * most


@pytest.mark.anyio
@pytest.mark.parametrize("keeping", [HISTORY, SPANS])
async def test_nobody_is_evicted_before_the_first_sample_in_a_rush(
    each_server: EmbeddedStore, each_client: redis.Redis, keeping: Any
) -> None:
    """More come between two checks than can be removed; sessions beyond that are not begun."""
    most = 3_000_000
    async with process(each_server, keeping, bounds=Bounds(0, most)) as here:
        await make_space(here)
        for first in range(0, 6000, 600):
            await rush(here, 600, 1, first)
            await make_space(here)
            assert (here.quota.bytes or 0) <= most
        begun = len(sids(each_client))
        assert 700 < begun < 2000
        await here.wait(31)
        await make_space(here)
        assert here.quota.evicted == {"number": 0, "out_of_memory": 0}
        assert len(sids(each_client)) >= begun
        assert (here.quota.bytes or 0) <= most


@pytest.mark.anyio
async def test_who_has_no_sample_yet_goes_after_those_who_have(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    """If an interval is longer than the part of the day in history's index."""
    keeping = HISTORY._replace(settle_ms=180_000)
    async with process(each_server, keeping, ago=-90, bounds=Bounds(3, 2**40)) as here:
        # Her first sample is still to come.
        await put(here.store, to_write(push("ada", f1=97), 30_000))
        (ada,) = sids(each_client)
        for number in range(5):
            await here.push(push(f"p{number}", conference=f"room-{number}", f1=97))
        await here.wait(31)
        assert len(each_client.keys("*:samples:*")) == 5
        await make_space(here)
        assert ada in sids(each_client)
        assert len(sids(each_client)) == 3


@pytest.mark.anyio
async def test_who_found_no_place_begins_with_a_sample_when_there_is_one(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    async with process(each_server, bounds=Bounds(30, 2**40)) as here:
        for number in range(30):
            await here.push(push(f"p{number}", conference=f"room-{number}", f1=97))
        await make_space(here)
        await here.push(push("late", f1=97))
        await here.wait(31)
        assert len(sids(each_client)) == 30
        roomy = quota.Quota(here.logs.link, DEFAULT_KEYS, HISTORY, Bounds(100, 2**40))
        await roomy.make_space()
        late = push("late", f1=95)
        here.recorder.take(to_write(late, 30_000), late)
        await here.wait(31)
        assert len(sids(each_client)) == 31


@pytest.mark.anyio
async def test_a_join_that_failed_needs_a_place_too(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    async with process(each_server, bounds=Bounds(1, 2**40)) as here:
        await here.push(push("ada", f1=97))
        await make_space(here)
        assert each_client.get("jcmc:{00}:places") == b"0"
        report = push("bob", "session-2", "failed")
        report.session.cause, report.session.join_ms = "ice_failed", 5000
        assert await here.push(report) is Stored.STORED
        assert len(sids(each_client)) == 1


@pytest.mark.anyio
async def test_there_are_places_though_history_is_full_of_what_was_long_ago(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    """A hundredth; more while places run out, but not those that may still be there."""
    async with process(each_server, bounds=Bounds(1000, 2**40), ago=7200) as here:
        await stay(here, 1000, 1)
        await make_space(here)
        assert here.quota.sessions == 990
        free = []
        for _ in range(4):
            for key in each_client.keys("*:places"):
                each_client.set(key, 0)
            await make_space(here)
            free.append(1000 - (here.quota.sessions or 0))
        assert free == [10, 20, 40, 80]
        assert each_client.get("jcmc:{00}:places") == b"20"
        await make_space(here)
        assert here.quota._free == 0.05


@pytest.mark.anyio
async def test_age_decides_over_all_partitions(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    """One partition has all old sessions, another one most of the rest."""
    async with process(each_server) as here:
        for number in range(400):
            await here.push(push(f"p{number}", conference=f"room-{number}", f1=97))
        now = int(time.time() * 1000)
        ages = [10, 2, 3, 4]
        for key in each_client.keys("*:sessions"):
            found: Any = each_client.zrange(key, 0, -1)
            part = int(key[7:8])
            each_client.zadd(
                key, {sid: now - 3_600_000 * ages[part] + n for n, sid in enumerate(found)}
            )
        oldest: Any = each_client.zcard("jcmc:{00}:sessions")
        next_one: Any = each_client.zcard("jcmc:{03}:sessions")
        most = Bounds(400 - oldest - next_one // 2, 2**40)
        await quota.Quota(here.logs.link, DEFAULT_KEYS, HISTORY, most).make_space()
        kept = [each_client.zcard(f"jcmc:{{{number:02d}}}:sessions") for number in range(4)]
    assert kept[0] == 0
    assert 0 < kept[3] <= next_one // 2 + 1
    assert kept[1] + kept[2] == 400 - oldest - next_one


async def rush(here: Process, sessions: int, each: int, first: int = 0) -> None:
    """Let so many come at once, *each* of them to one conference, and push once."""
    reports = [original(first + number, random.Random(number)) for number in range(sessions)]
    for number, report in enumerate(reports, first):
        report.conference = report.attributes[64] = f"hall-{number // each:06d}"
    for some in batched(reports, 100):
        await asyncio.gather(*(until_stored(here, report) for report in some))


async def until_stored(here: Process, report: Report) -> None:
    """Push, again if a busy machine gave no answer in time, as a browser does."""
    for _ in range(20):
        with suppress(StoreUnavailable):
            await here.push(report)
            return
    raise AssertionError("Redis does not answer")


@pytest.mark.anyio
async def test_a_conference_goes_with_the_last_that_is_known_of_it(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    """Otherwise conferences without spans would fill history's memory."""
    async with process(each_server, SPANS, bounds=Bounds(50, 2**40)) as here:
        await rush(here, 400, each=1)
        await make_space(here)
        assert len(each_client.keys("*:room:*")) == 50
        rooms = [each_client.hlen(key) for key in each_client.keys("*:rooms")]
        assert sum(rooms) == 50
        assert not each_client.keys("*:emptied")


@pytest.mark.anyio
async def test_with_redis_away_nothing_is_known() -> None:
    here = Process("redis://127.0.0.1:1")
    with pytest.raises(StoreUnavailable):
        await make_space(here)
    assert (here.quota.sessions, here.quota.bytes) == (None, None)


# Out of memory.


def fill(client: redis.Redis) -> None:
    """Fill all memory with other data."""
    for size in (100_000, 1000, 1):
        with suppress(redis.exceptions.OutOfMemoryError):
            while True:
                client.rpush("others", b"x" * size)


@pytest.fixture(params=["valkey", "redis"])
def small_server(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """Return a server of each kind with little memory, which refuses more."""
    from otel_jcmc.store.embedded import find_server

    binary = find_server() if request.param == "valkey" else None
    options = ("--maxmemory", "8mb", "--maxmemory-policy", "noeviction")
    with RedisServer(tmp_path, *options, binary=binary) as server:
        yield server


@pytest.mark.anyio
async def test_history_makes_room_for_pushes_when_redis_is_out_of_memory(
    small_server: RedisServer,
) -> None:
    with small_server.client() as client:
        here = Process(small_server.url, ago=80_000)
        await stay(here, 150, 50)
        await make_space(here)
        had, had_bytes = len(sids(client)), here.quota.bytes or 0
        for _ in range(100):
            if here.quota.evicted["out_of_memory"]:
                break
            # Redis itself now and then frees some memory.
            fill(client)
            await make_space(here)
        assert here.quota.is_full is False
        assert 0 < len(sids(client)) < had
        # When there is memory again, it is not used at once.
        client.delete("others")
        eventually(lambda: used(client) < 6_000_000)
        await stay(here, 100, 5, first=5000)
        await make_space(here)
        assert (here.quota.bytes or 0) <= 0.91 * had_bytes
        await here.recorder.stop()
        await here.store.close()


@pytest.mark.anyio
async def test_a_push_that_is_refused_for_memory_leaves_nothing_half_written(
    small_server: RedisServer,
) -> None:
    with small_server.client() as client:
        here = Process(small_server.url, SPANS)
        await here.push(push("ada", "session-1", f1=97))
        fill(client)
        before = {key: client.dump(key) for key in client.scan_iter("jcmc:*")}
        for report in (
            push("bob", "session-2", f1=97),
            push("ada", "session-3", f1=97),
            push("ada", "session-1", f1=97),
        ):
            # Again, because Redis frees the buffers of connections after a while.
            fill(client)
            with pytest.raises(StoreUnavailable):
                await here.push(report)
        after = {key: client.dump(key) for key in client.scan_iter("jcmc:*")}
        assert before == after
        await here.recorder.stop()
        await here.store.close()


@pytest.mark.anyio
async def test_entries_that_are_refused_for_memory_are_counted_and_written_later(
    small_server: RedisServer,
) -> None:
    with small_server.client() as client:
        here = Process(small_server.url)
        await here.push(push("ada", f1=97))
        fill(client)
        await here.wait(31)
        assert here.recorder.samples["out_of_memory"] == 1
        assert here.recorder.waiting == 1
        client.delete("others")
        while here.recorder.waiting:
            # Freed in the background.
            await asyncio.sleep(0.01)
            await here.wait(1)
        assert here.recorder.samples["written"] == 1
        assert here.recorder.samples["dropped"] == 0
        await here.recorder.stop()
        await here.store.close()


async def yesterday(url: str) -> None:
    """Record half a megabyte of earlier sessions."""
    here = Process(url, ago=80_000)
    await stay(here, 150, 50)
    await here.recorder.stop()
    await here.store.close()


def test_a_service_gets_its_pushes_stored_again(
    small_server: RedisServer, short_path: Path
) -> None:
    """Without an operator: the oldest sessions are removed within a second or two."""
    with (
        Service(short_path / "a", REDIS_URL=small_server.url, JCMC_HISTORY_INTERVAL="5") as service,
        small_server.client() as client,
    ):
        url = f"{service.url}/metrics/push"

        def push_it(participant: str) -> int:
            return request(url, push_body(participant)).status

        for number in range(20):
            assert push_it(f"p{number}") == 200
        asyncio.run(yesterday(small_server.url))

        def metrics() -> str:
            return request(f"{service.url}/metrics").body

        def is_making_room() -> bool:
            # Redis itself now and then frees some memory.
            fill(client)
            return 'evicted_total{reason="out_of_memory"} 0' not in metrics()

        eventually(is_making_room)
        eventually(lambda: push_it("late") == 200)
        told = metrics()
        # The gauges are not touched.
        assert told.count("connectionquality{") == 20 + 150 + 1
