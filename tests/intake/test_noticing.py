"""Each event of a participant is noticed once, however many processes take the pushes."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
import redis
from harness import CLIENT_ID
from past import member_of
from recording import SPANS, Clock, Process, push

from otel_jcmc.catalogue.reasons import StoreUnavailable
from otel_jcmc.intake import noticing
from otel_jcmc.intake.noticing import Noticing
from otel_jcmc.sessions.events import WaitingEvent, read_waiting
from otel_jcmc.store.embedded import EmbeddedStore
from otel_jcmc.store.keys import DEFAULT_KEYS
from otel_jcmc.store.link import Link
from otel_jcmc.store.participant import to_write
from otel_jcmc.wire.push import Report

pytestmark = pytest.mark.anyio

BEGAN, ENDED = "jitsi.session.outage.began", "jitsi.session.outage.ended"
FAILED, RATED = "jitsi.session.join.failed", "jitsi.session.feedback.given"
# Rows of the catalogue: 31 outage_down, 32 outage_up, 34 rating, 45 state, 46 cause (1: outage).


def out(participant: str = "ada", ms: int = 12_000, **more: Any) -> Report:
    return push(participant, f"session-of-{participant}", f31=ms, f45=2, f46=1, **more)


def well(participant: str = "ada", **more: Any) -> Report:
    return push(participant, f"session-of-{participant}", f1=97, f45=0, **more)


class Processes:
    """Some processes of the service, on one Redis, with one clock."""

    def __init__(self, url: str, count: int, most: int = 1000) -> None:
        self.clock = Clock()
        self.dropped = 0
        self._began = time.monotonic()
        self.each = [
            Noticing(Link(url), DEFAULT_KEYS, most, f"service-{at}", self._drop, self.clock)
            for at in range(count)
        ]
        self.client = redis.Redis.from_url(url)

    def _drop(self, count: int) -> None:
        self.dropped += count

    def take(self, at: int, report: Report, *, has_failed: bool = False) -> None:
        """Give the process *at* a push, a second after the last one."""
        self.clock.now += 1
        self.each[at].take(to_write(report, 30_000), report, has_failed)

    async def tick(self, *which: int) -> None:
        """
        Let *which* (default: all) hand over and learn, a while after all pushes.

        They hand over the age of each push, so for Redis, too, pushes are a second apart.
        """
        noticed_at, self.clock.now = self.clock.now, 1300 + time.monotonic() - self._began
        for at in which or range(len(self.each)):
            await self.each[at].send()
            await self.each[at].hear()
        self.clock.now = noticed_at

    def waiting(self) -> list[WaitingEvent]:
        lists: list[Any] = [self.client.lrange(key, 0, -1) for key in DEFAULT_KEYS.each("events")]
        return [read_waiting(item) for items in lists for item in items]

    def names(self) -> list[str]:
        return [each.event for each in self.waiting()]


@asynccontextmanager
async def processes(server: EmbeddedStore, count: int = 1, **more: Any) -> AsyncIterator[Processes]:
    made = Processes(server.url, count, **more)
    try:
        yield made
    finally:
        for each in made.each:
            await each.stop()
        made.client.close()


async def test_an_outage_begins_once_and_ends_once(each_server: EmbeddedStore) -> None:
    async with processes(each_server) as some:
        for report in (well(), out(ms=12_000), out(ms=15_000), well(), well()):
            some.take(0, report)
            await some.tick()
        began, ended = some.waiting()
    assert (began.event, ended.event) == (BEGAN, ENDED)
    assert (began.lasted_ms, ended.lasted_ms) == (12_000, 15_000)
    assert began.noticed_ms - began.began_ms == 12_000
    assert abs(ended.noticed_ms - began.noticed_ms - 2000) < 500
    assert ended.began_ms == began.began_ms
    assert began.uid != ended.uid
    assert began.payload.instance == "service-0"


async def test_all_of_it_within_a_second_is_told_too(each_server: EmbeddedStore) -> None:
    """Each at its own time, although they are handed over together."""
    async with processes(each_server) as some:
        for report in (out(), well()):
            some.take(0, report)
        await some.tick()
        began, ended = some.waiting()
    assert (began.event, ended.event) == (BEGAN, ENDED)
    assert ended.noticed_ms - began.noticed_ms == 1000


# Which process gets each push of ada's: the first two are in an outage, then all is well.
TURNS = [(0, 0, 0, 0), (0, 1, 0, 1), (0, 0, 1, 1), (1, 0, 0, 1), (0, 1, 2, 2), (0, 1, 1, 0)]


@pytest.mark.parametrize("turns", TURNS)
async def test_processes_that_take_pushes_in_turns_tell_an_outage_once(
    each_server: EmbeddedStore, turns: Sequence[int]
) -> None:
    async with processes(each_server, 3) as some:
        for at, report in zip(turns, (out(), out(ms=14_000), well(), well()), strict=True):
            some.take(at, report)
            await some.tick()
        # A second outage is another one.
        for at, report in zip(turns, (out(), out(), well(), well()), strict=True):
            some.take(at, report)
            await some.tick()
        found = some.waiting()
    assert [each.event for each in found] == [BEGAN, ENDED, BEGAN, ENDED]
    assert len({each.uid for each in found}) == 4
    assert found[1].lasted_ms == 14_000


async def test_who_hands_over_late_begins_no_outage_that_is_over(
    each_server: EmbeddedStore,
) -> None:
    async with processes(each_server, 2) as some:
        some.take(0, out())
        await some.tick(0)
        some.take(1, out())
        some.take(0, well())
        await some.tick(0)
        await some.tick(1)
        assert some.names() == [BEGAN, ENDED]
        # The end of a lasting one is told, too, although a late process had told it.
        some.take(1, well())
        some.take(0, out())
        await some.tick(0)
        await some.tick(1)
        assert some.names() == [BEGAN, ENDED, BEGAN]
        some.take(1, well())
        await some.tick(1)
        assert some.names() == [BEGAN, ENDED, BEGAN, ENDED]


async def test_a_push_that_is_heard_of_late_ends_no_outage_and_a_later_one_does(
    each_server: EmbeddedStore,
) -> None:
    """Even if this process has asked for all outages since, and that one is not new."""
    async with processes(each_server, 2) as some:
        some.take(0, out())
        await some.tick()
        some.take(1, well())
        some.take(0, out())
        await some.tick()
        assert some.names() == [BEGAN]
        some.take(1, well())
        await some.tick()
        assert some.names() == [BEGAN, ENDED]


async def test_who_leaves_in_an_outage_has_not_come_out_of_it(each_server: EmbeddedStore) -> None:
    async with processes(each_server) as some:
        some.take(0, out())
        some.take(0, push("ada", "session-of-ada", end="closed"))
        await some.tick()
        some.take(0, push("ada", "another", f1=97, f45=0))
        await some.tick()
        assert some.names() == [BEGAN]


async def test_two_participants_are_out_each_by_itself(each_server: EmbeddedStore) -> None:
    async with processes(each_server) as some:
        for report in (out(), out("bob"), well("bob")):
            some.take(0, report)
        await some.tick()
        found = {(each.event, each.payload.attributes[66]) for each in some.waiting()}
    assert found == {(BEGAN, "ada"), (BEGAN, "bob"), (ENDED, "bob")}


async def test_a_rating_is_told_once_though_each_push_has_it(each_server: EmbeddedStore) -> None:
    async with processes(each_server, 2) as some:
        for at in (0, 0, 1, 1, 0):
            some.take(at, well(f34=4))
        await some.tick()
        some.take(1, well(f34=2))
        await some.tick()
        again = push("ada", "another", f1=97, f45=0, f34=2)
        some.take(0, again)
        await some.tick()
        told = [each.payload.told["jitsi.session.feedback.rating"] for each in some.waiting()]
    assert told == [4, 2, 2]


async def test_a_join_that_failed_is_told_once_by_whoever_heard(
    each_server: EmbeddedStore,
) -> None:
    async with processes(each_server, 2) as some:
        report = push("eve", "session-of-eve", end="failed")
        for at in (0, 1):
            some.take(at, report, has_failed=True)
            await some.tick()
        assert some.names() == [FAILED]


async def test_one_participant_has_so_many_in_a_minute(each_server: EmbeddedStore) -> None:
    async with processes(each_server, 2) as some:
        for number in range(30):
            some.take(number % 2, well(f34=1 + number / 100))
        some.take(0, well("bob", f34=5))
        await some.tick()
        assert some.names() == [RATED] * 11
        assert some.dropped == 20
        (key,) = some.client.keys("*:events:minute")
        assert 0 < some.client.pttl(key) <= 60_000


async def test_what_waits_in_redis_is_bounded_and_the_oldest_go(
    each_server: EmbeddedStore,
) -> None:
    async with processes(each_server, most=20) as some:
        for number in range(8):
            some.take(0, well(f"p{number}", f34=3))
            await some.tick()
        # A conference is in one partition, which has a quarter of the limit.
        kept = [each.payload.attributes[66] for each in some.waiting()]
    assert kept == ["p3", "p4", "p5", "p6", "p7"]
    assert some.dropped == 3


async def test_what_waits_in_the_process_is_bounded(
    each_server: EmbeddedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(noticing, "MOST_WAITING", 3)
    async with processes(each_server) as some:
        for number in range(5):
            some.take(0, well(f"p{number}", f34=3))
        assert some.dropped == 2
        await some.tick()
        assert len(some.names()) == 3


async def test_with_redis_away_everything_waits_and_is_told_later_once(
    redis_server: EmbeddedStore,
) -> None:
    async with processes(redis_server) as some:
        redis_server.stop()
        some.take(0, out())
        some.take(0, well("bob", f34=3))
        for _ in range(3):
            with pytest.raises(StoreUnavailable):
                await some.each[0].send()
        redis_server.start()
        await some.tick()
        found = {each.event: each for each in some.waiting()}
    assert found.keys() == {BEGAN, RATED}
    # The time when it was noticed, not when it was told.
    assert found[RATED].noticed_ms - found[BEGAN].noticed_ms == 1000
    assert some.dropped == 0


async def test_what_redis_refuses_for_long_goes(each_server: EmbeddedStore) -> None:
    async with processes(each_server) as some:
        some.client.set(f"{DEFAULT_KEYS.base_of(member_of('standup', CLIENT_ID, 'ada'))}events", 1)
        some.take(0, well(f34=3))
        for _ in range(10):
            with pytest.raises(StoreUnavailable):
                await some.each[0].send()
        assert some.dropped == 1
        await some.each[0].send()


async def test_what_was_noticed_of_somebody_before_an_erasure_is_not_told(
    each_server: EmbeddedStore,
) -> None:
    async with processes(each_server) as some:
        member = member_of("standup", CLIENT_ID, "ada")
        some.take(0, out())
        now_s, _ = some.client.time()
        erased = f"{DEFAULT_KEYS.base_of(member)}erased"
        some.client.zadd(erased, {member: now_s * 1000 + 32_000})
        some.take(0, out("bob"))
        await some.tick()
        assert [each.payload.attributes[66] for each in some.waiting()] == ["bob"]


async def test_an_event_has_its_sessions_leg(each_server: EmbeddedStore) -> None:
    """The leg in Redis when the event begins to wait: after a return it is another one."""
    running = Process(each_server.url, SPANS)
    async with processes(each_server) as some:
        await running.push(well())
        some.take(0, out())
        await some.tick()
        (event,) = some.waiting()
        assert event.sid.startswith(event.member)
        of_redis: Any = some.client.hgetall(f"{DEFAULT_KEYS.base_of(event.sid)}session:{event.sid}")
    assert (event.leg, event.instance) == (1, int(of_redis[b"instance"]))
    assert event.instance > 0
    await running.recorder.stop()
    await running.store.close()


async def test_what_is_stored_names_neither_client_nor_display_name(
    each_server: EmbeddedStore,
) -> None:
    async with processes(each_server) as some:
        some.take(0, out(f70="Ada Lovelace", f80="10.0.0.7"))
        await some.tick()
        (key,) = some.client.keys("*:events")
        item: Any = some.client.lindex(key, 0)
    assert b"standup" in item
    assert CLIENT_ID.encode() not in item
    assert b"Lovelace" not in item


async def test_what_happens_never_fails_a_push(each_server: EmbeddedStore) -> None:
    async with processes(each_server) as some:
        report = out()
        report.attributes[13] = 7
        some.take(0, report)
        assert some.dropped == 1
