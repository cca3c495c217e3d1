"""Two processes take the pushes of one session: their writings are read as one."""

import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from harness import Service, push_body
from recording import Process, partition, process, push, read_log, sids
from redis_parts import RedisServer, Wire

from otel_jcmc.sessions import merging
from otel_jcmc.sessions.card import Card, read_card
from otel_jcmc.sessions.entry import Sample
from otel_jcmc.sessions.items import FORCED, pack, unpack
from otel_jcmc.sessions.stretches import Stretch
from otel_jcmc.sessions.totals import average, worst
from otel_jcmc.store.embedded import EmbeddedStore
from otel_jcmc.store.participant import to_write
from otel_jcmc.wire.push import Report

GOOD: dict[str, Any] = {"f45": 0}
BAD_UP: dict[str, Any] = {"f45": 2, "f46": 7}
OUTAGE: dict[str, Any] = {"f45": 2, "f46": 1}
TEN: dict[str, Any] = {"f47": 10_000}


def told(client: redis.Redis) -> tuple[list[Sample], Card]:
    """Return the log and the card of the only session."""
    (sid,) = sids(client)
    card: Any = client.hget(f"jcmc:{partition(sid)}:cards", sid)
    return read_log(client, sid), read_card(card)


def happened(samples: list[Sample]) -> list[str]:
    """Return what happened, in order."""
    events = [event for sample in samples for event in sample.events]
    return [event.what for event in sorted(events)]


async def go_on(seconds: float, *running: Process) -> None:
    """Let time pass in all processes, a second at a time."""
    for _ in range(round(seconds)):
        for each in running:
            await each.wait(1)


@asynccontextmanager
async def two(server: Any) -> AsyncIterator[tuple[Process, Process]]:
    """Run two processes."""
    async with process(server) as here, process(server) as there:
        yield here, there


def call(number: int) -> Report:
    """Return the push with that number of a call that is bad now and then."""
    state = BAD_UP if number // 5 % 2 else GOOD
    return push(session="s", f1=number % 50, f12=number % 4, f22=1, f69="eu", **state, **TEN)


@pytest.mark.anyio
@pytest.mark.parametrize("late", [0, 3, 11, 17, 29])
async def test_they_take_no_more_room_than_one(redis_server: EmbeddedStore, late: int) -> None:
    """However far the intervals of the two are apart."""
    with redis.Redis.from_url(redis_server.url) as client:
        async with two(redis_server) as (here, there):
            there.ttl_ms = here.ttl_ms = 60_000
            for number in range(120):
                if number == 1:
                    await go_on(late, there)
                await (here, there)[number % 2].push(call(number))
                await go_on(10, here, there)
        samples, card = told(client)
    # One process alone has 40, and one at the end.
    assert len(samples) <= 48
    pushed = [each for sample in samples for each in sample.pushes]
    assert len(pushed) == 120
    assert card.totals.counts == [120, None, None]
    # Each push stands for the ten seconds that it claims.
    assert sorted(card.totals.times) == [(6000, 0, 0), (6000, 2, 7)]
    assert average(card.totals, 0) == 22.0
    assert (worst(card.totals, 0), worst(card.totals, 1)) == (0, 3)


@pytest.mark.anyio
async def test_what_happens_at_one_of_them_is_not_lost(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    async with two(each_server) as (here, there):
        for number in range(75):
            await (here, there)[number % 2].push(call(number))
            await go_on(10, here, there)
    samples, _ = told(each_client)
    events = happened(samples)
    # Fifteen times five pushes.
    assert events == ["verdict.bad.uplink", "verdict.good"] * 7


@pytest.mark.anyio
async def test_where_pages_do_not_say_what_they_cover_time_is_not_counted_twice(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    async with two(each_server) as (here, there):
        for number in range(60):
            told_here = {"f1": 100 if number % 2 else 0, **GOOD}
            await (here, there)[number % 2].push(push(session="s", **told_here))
            await go_on(10, here, there)
    _, card = told(each_client)
    (time,) = card.totals.times
    # 590 s, and the first push of each stands for the time until its second one.
    assert 5900 <= time[0] <= 6300
    assert average(card.totals, 0) == pytest.approx(50, abs=4)


@pytest.mark.anyio
async def test_an_outage_that_both_see_is_one(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    async with two(each_server) as (here, there):
        for number in range(40):
            state = OUTAGE if number % 20 in (7, 8, 9, 10, 11) else GOOD
            await (here, there)[number % 2].push(push(session="s", f1=90, **state, **TEN))
            await go_on(10, here, there)
    samples, card = told(each_client)
    assert card.totals.outages == 2
    assert sum(each.tenths for sample in samples for each in sample.stretches) == 4000
    assert Stretch(100, 2, 1) in {each for sample in samples for each in sample.stretches}


@pytest.mark.anyio
async def test_who_has_taken_over_goes_on_with_the_card(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    """The second process never heard what the first one knew, which is killed."""
    killed = Process(each_server.url)
    for _ in range(4):
        await killed.push(push(session="s", f1=40, f69="eu", f98="jvb-1", **BAD_UP, **TEN))
        await go_on(10, killed)
    async with process(each_server) as here:
        for _ in range(4):
            # The statistics have stopped.
            await here.push(push(session="s", f69="eu", **TEN))
            await go_on(10, here)
        await here.push(push(session="s", f1=80, f69="eu", **GOOD, **TEN))
        await go_on(31, here)
    await killed.store.close()
    await killed.logs.close()
    samples, card = told(each_client)
    assert (card.lines["r"], card.lines["b"]) == ("eu", "jvb-1")
    # What was not written yet is lost: one push of four.
    assert sorted(card.totals.times, key=str) == [(100, 0, 0), (300, 2, 7), (400, None, 0)]
    about = each_client.get(next(each_client.scan_iter("*:about:*")))
    assert b"jvb-1" in about  # type: ignore[operator]
    assert sum(len(sample.pushes) for sample in samples) == 8


@pytest.mark.anyio
async def test_each_push_of_a_page_that_sends_what_has_changed_stays_one(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    async with two(each_server) as (here, there):
        for number in range(10):
            report = push(session="s", f1=number, f2=2900, sent=push(f1=number).numbers, **GOOD)
            await (here, there)[number % 2].push(report)
            await go_on(10, here, there)
    samples, card = told(each_client)
    assert [sample.numbers[:2] for sample in samples] == [[number, None] for number in range(10)]
    assert worst(card.totals, 0) == 0


@pytest.mark.anyio
async def test_who_is_alone_again_writes_each_entry_at_once(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    """It continues from the writings of both, not from its own."""

    def calls() -> int:
        told: Any = each_client.info("commandstats")
        return int(told["cmdstat_evalsha"]["calls"])

    async with process(each_server) as here:
        async with process(each_server) as there:
            for at in (here, there):
                await at.push(call(0))
                await go_on(10, here, there)
        await go_on(30, here)
        took = []
        for _ in range(5):
            report = call(0)
            here.recorder.take(to_write(report, 60_000), report)
            before = calls()
            await here.wait(30)
            took.append(calls() - before)
    # The first process learns of the other's last entry.
    assert took == [2, 1, 1, 1, 1]


@pytest.mark.anyio
async def test_what_was_overtaken_too_often_is_written_as_an_entry_of_its_own(
    each_server: EmbeddedStore, each_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merging, "MOST_TRIES", 0)
    async with two(each_server) as (here, there):
        for number in range(4):
            await (here, there)[number % 2].push(call(number))
            await go_on(10, here, there)
        await go_on(31, here, there)
    samples, card = told(each_client)
    assert [len(sample.pushes) for sample in samples] == [2, 2]
    assert card.totals.counts == [4, None, None]


@pytest.mark.anyio
async def test_and_so_it_is_when_it_is_overtaken_once_more(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    """Nothing of the log is lost, and the counts of others stay in the card."""
    async with process(each_server) as here:
        here.ttl_ms = 60_000
        await here.push(call(0))
        await here.wait(31)
        await here.push(call(1))
        here.clock.now += 31
        await here.recorder.write_due()
        item = unpack(here.logs._waiting.pop())
        item.base, item.flags = b"zzzzzz", FORCED
        here.logs.add([pack(item)])
        await here.wait(1)
        samples, card = told(each_client)
        assert here.recorder.samples["written"] == 2
    assert [sample.numbers[0] for sample in samples] == [0, 1]
    assert card.totals.counts == [1, None, None]


@pytest.mark.anyio
async def test_that_something_was_not_taken_is_told_again_when_the_answer_was_lost(
    tmp_path: Path,
) -> None:
    with RedisServer(tmp_path) as server, Wire(server.port) as wire, server.client() as client:
        here, there = Process(server.url), Process(wire.url)
        await here.push(call(0))
        await here.wait(31)
        for number in (1, 2):
            report = call(number)
            there.recorder.take(to_write(report, 60_000), report)
            # Redis knows that another process has written, but its answer is lost.
            wire.delay = 2.0
            await there.wait(31)
            assert there.recorder.waiting == 1
            wire.delay = 0.0
            wire.hang_up()
            await there.wait(1)
            assert there.recorder.waiting == 0
            report = call(0)
            here.recorder.take(to_write(report, 60_000), report)
            await here.wait(31)
        for each in (here, there):
            await each.recorder.stop()
            await each.store.close()
        samples, card = told(client)
    assert sum(len(sample.pushes) for sample in samples) == 5
    assert card.totals.counts == [5, None, None]


def test_two_services_behind_a_balancer_tell_of_each_change(
    redis_server: EmbeddedStore, short_path: Path
) -> None:
    """Pushes alternate between the services: fourteen changes of state are fourteen events."""
    settings = {"REDIS_URL": redis_server.url, "JCMC_HISTORY_INTERVAL": "3"}
    settings["JCMC_LIMIT_PARTICIPANT_PUSHES_PER_SECOND"] = "0"
    with (
        Service(short_path / "a", **settings) as one,
        Service(short_path / "b", **settings) as other,
    ):
        for number in range(30):
            service = (one, other)[number % 2]
            body = push_body(session={"id": "session-1", "interval_ms": 1000})
            body["metrics"]["packetloss_upload"]["value"] = 20 if number // 2 % 2 else 0
            assert service.push(body).status == 200
            # Like clients: pushes within a tenth of a second have no order.
            time.sleep(0.4)
    with redis.Redis.from_url(redis_server.url) as client:
        samples, card = told(client)
    events = happened(samples)
    assert events == ["verdict.bad.uplink", "verdict.good"] * 7
    assert sum(len(sample.pushes) for sample in samples) == 30
    assert card.lines["u"] == "uplink"
    assert card.totals.vitals[1].worst == 2000


@pytest.mark.anyio
@pytest.mark.parametrize("seed", range(4))
async def test_nothing_is_lost_or_counted_twice_whatever_happens(tmp_path: Path, seed: int) -> None:
    """Random pushes, repeated batches, lost answers, and Redis away for a while."""
    chance = random.Random(seed)
    pushed = 0
    with RedisServer(tmp_path) as server, Wire(server.port) as wire, server.client() as client:
        here, there = Process(server.url), Process(wire.url)
        first = call(0)
        await here.push(first)
        pushed += 1
        for number in range(1, 150):
            # Replies get lost: the sender knows nothing of what it sent.
            wire.cut_after = chance.choice([None, None, None, 1])
            if wire.cut_after:
                wire.hang_up()
            at = chance.choice([here, there])
            report = call(number)
            at.recorder.take(to_write(report, 60_000), report)
            pushed += 1
            await go_on(chance.choice([1, 10, 10, 25]), here, there)
        wire.cut_after = None
        wire.hang_up()
        await go_on(61, here, there)
        for each in (here, there):
            await each.recorder.stop()
            await each.store.close()
        samples, card = told(client)
        assert wire.cuts > 5
    assert sum(len(sample.pushes) for sample in samples) == pushed
    assert card.totals.counts == [pushed, None, None]
    assert sum(sample.counts[0] or 0 for sample in samples) == pushed
    tenths = sum(each.tenths for sample in samples for each in sample.stretches)
    assert sum(time for time, _, _ in card.totals.times) == tenths
