"""The recording of sessions: an entry for each interval, on Valkey and Redis 7.0."""

import asyncio
import itertools
import logging
import signal
from pathlib import Path
from typing import Any

import pytest
import redis
from harness import Service, eventually, push_body, request
from pydantic import SecretStr
from recording import HISTORY, SPANS, Process, process, push, read_log, sids
from redis_parts import RedisServer, Wire

from otel_jcmc.config.settings import Settings
from otel_jcmc.service import parts
from otel_jcmc.sessions import log, recorder
from otel_jcmc.sessions.asked import Asked
from otel_jcmc.sessions.entry import Tally
from otel_jcmc.sessions.history import History
from otel_jcmc.sessions.stretches import Stretch
from otel_jcmc.store.embedded import EmbeddedStore
from otel_jcmc.store.keys import DEFAULT_KEYS
from otel_jcmc.store.participant import to_write

REGION = 69
# What verdict/judge.py put among the numbers: state, and the cause `uplink`.
GOOD: dict[str, Any] = {"f1": 97, "f45": 0}
FAIR: dict[str, Any] = {"f1": 97, "f45": 1}
BAD_UP: dict[str, Any] = {"f1": 97, "f45": 2, "f46": 7}


def base_of(client: redis.Redis, name: str) -> list[bytes]:
    return list(client.scan_iter(f"jcmc:*:{name}*"))


def begin_together(here: Process, many: int) -> None:
    """Record a push for so many participants, all at the same time."""
    for number in range(many):
        report = push(f"p{number}", f1=50)
        here.recorder.take(to_write(report, 90_000), report)


# The contents of an entry.


@pytest.mark.anyio
async def test_after_the_interval_a_session_has_an_entry_of_its_last_push(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    async with process(each_server) as here:
        for quality in (97.5, 60, 80.25):
            await here.push(push(session="session-1", f1=quality, f2=2900, f69="eu-west"))
            await here.wait(10)
        (sid,) = sids(each_client)
        (only,) = read_log(each_client, sid)
    assert only.numbers[:3] == [80.2, 2900, None]
    assert (only.worst, only.best) == ([60, None, None], [97.5, None, None])
    assert only.attributes is not None
    assert only.attributes[REGION] == "eu-west"


@pytest.mark.anyio
async def test_the_worst_of_loss_and_round_trip_is_the_highest(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    async with process(each_server) as here:
        for loss, trip in ((2, 41), (7.25, 900), (0, 38)):
            await here.push(push(f12=loss, f13=[[trip, {}]]))
        await here.wait(30)
        (only,) = read_log(each_client, *sids(each_client))
    assert (only.worst, only.best) == ([None, 7.25, 900], [None, 0, 38])


@pytest.mark.anyio
async def test_worst_and_best_are_of_their_own_interval(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    async with process(each_server) as here:
        for quality, loss, trip in ((20, 9, 900), (99, 0, 10)):
            await here.push(push(f1=quality, f12=loss, f13=[[trip, {}]]))
            await here.wait(15)
        for quality, loss, trip in ((70, 3, 80), (80, 2, 60)):
            await here.push(push(f1=quality, f12=loss, f13=[[trip, {}]]))
            await here.wait(15)
        one, two = read_log(each_client, *sids(each_client))
    assert (one.worst, one.best) == ([20, 9, 900], [99, 0, 10])
    assert (two.worst, two.best) == ([70, 3, 80], [80, 2, 60])


@pytest.mark.anyio
async def test_an_entry_has_the_time_of_its_last_push_by_redis_clock(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    async with process(each_server) as here:
        started = here.clock.now
        await here.push(push(f1=97))
        await here.wait(12.5)
        await here.push(push(f1=98))
        await here.wait(20)
        (only,) = read_log(each_client, *sids(each_client))
        told = (started + 12.5 + here.logs.offset) * 1000
    assert abs(only.at_ms - told) <= 100


@pytest.mark.anyio
async def test_redis_clock_is_learnt_from_its_answers(redis_server: EmbeddedStore) -> None:
    async with process(redis_server) as here:
        ours = log.SessionLogs(redis_server.url, DEFAULT_KEYS, HISTORY, 10, here.clock)
        await ours.know_time()
        with redis.Redis.from_url(redis_server.url) as client:
            seconds, micros = client.time()
        await ours.close()
    assert abs(here.clock.now + ours.offset - seconds - micros / 1e6) < 5


@pytest.mark.anyio
async def test_attributes_are_written_when_they_change(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    async with process(each_server) as here:
        here.ttl_ms = 120_000
        for region in ("eu-west", "eu-west", "us-east"):
            await here.push(push(f1=97, f69=region))
            await here.wait(30)
        (sid,) = sids(each_client)
        found = read_log(each_client, sid)
    assert [each.attributes and each.attributes[REGION] for each in found] == [
        "eu-west",
        None,
        "us-east",
    ]
    (about,) = base_of(each_client, "about")
    assert b"us-east" in (each_client.get(about) or b"")


@pytest.mark.anyio
async def test_an_interval_without_a_push_has_no_entry(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    async with process(each_server) as here:
        for seconds in (30, 30, 90, 30):
            await here.push(push(f1=97))
            await here.wait(seconds)
        found = read_log(each_client, *sids(each_client))
    gaps = [round((b.at_ms - a.at_ms) / 1000) for a, b in itertools.pairwise(found)]
    assert gaps == [30, 30, 90]


@pytest.mark.anyio
async def test_each_push_of_a_page_that_sends_what_has_changed_is_an_entry_of_just_that(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    async with process(each_server) as here:
        merged: dict[str, Any] = {"f69": "eu-west"}
        sent: list[dict[str, Any]] = [{}, {"f1": 97.5, "f2": 2900}, {"f2": 1500}]
        for changed in sent:
            merged |= changed
            own = push(**changed).numbers
            await here.push(push(session="session-1", sent=own, **merged))
            await here.wait(1)
        found = read_log(each_client, *sids(each_client))
    assert [each.numbers[:2] for each in found] == [[None, None], [97.5, 2900], [None, 1500]]
    assert [each.attributes is not None for each in found] == [True, False, False]


@pytest.mark.anyio
async def test_the_index_is_never_behind_a_session_and_seldom_moves_it(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    places = []
    before = each_client.info("commandstats").get("cmdstat_zadd", {"calls": 0})["calls"]
    async with process(each_server) as here:
        here.ttl_ms = 120_000
        for _ in range(40):
            await here.push(push(f1=97))
            await here.wait(30)
            (sid,) = sids(each_client)
            (key,) = base_of(each_client, "sessions")
            places.append(each_client.zscore(key, sid))
            ahead = (places[-1] or 0) - read_log(each_client, sid)[-1].at_ms
            assert 0 <= ahead <= 60_000
        moves = each_client.info("commandstats")["cmdstat_zadd"]["calls"]
    # Twenty minutes; each push updates the index of live participants, and the first begins a
    # session.
    assert 18 <= len({*places}) <= 22
    assert moves <= before + 40 + 1 + 22


@pytest.mark.anyio
async def test_what_was_sent_does_not_count_as_waiting_any_more(
    each_server: EmbeddedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "WAITING_BYTES", 2000)
    async with process(each_server) as here:
        here.ttl_ms = 120_000
        for _ in range(40):
            await here.push(push(f1=97))
            await here.wait(30)
        assert here.recorder.samples["written"] == 40
        assert here.recorder.samples["dropped"] == 0


# When an entry is written.


@pytest.mark.anyio
async def test_a_leave_writes_at_once_what_its_session_had(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    async with process(each_server) as here:
        await here.push(push(session="session-1", f1=50))
        await here.push(push(session="session-1", end="left"))
        await here.wait(1)
        assert [each.numbers[0] for each in read_log(each_client, *sids(each_client))] == [50]
        assert len(here.recorder._gathered) == 0


@pytest.mark.anyio
async def test_a_late_leave_of_an_earlier_session_does_not_end_the_present_one(
    each_server: EmbeddedStore,
) -> None:
    async with process(each_server) as here:
        await here.push(push(session="session-2", f1=50))
        await here.push(push(session="session-1", end="left"))
        assert len(here.recorder._gathered) == 1


@pytest.mark.anyio
async def test_who_comes_under_another_session_has_both_logs(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    async with process(each_server) as here:
        await here.push(push(session="session-1", f1=50))
        await here.push(push(session="session-2", f1=60))
        await here.wait(31)
        found = [read_log(each_client, sid) for sid in sids(each_client)]
    assert sorted(entry.numbers[0] for entries in found for entry in entries) == [50, 60]
    assert [len(entries) for entries in found] == [1, 1]


@pytest.mark.anyio
async def test_the_end_of_the_service_writes_everything(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    async with process(each_server) as here:
        for number in range(1000):
            await here.push(push(f"p{number}", f1=50))
    assert sum(len(read_log(each_client, sid)) for sid in sids(each_client)) == 1000


@pytest.mark.anyio
async def test_who_has_expired_is_forgotten_when_his_entry_is_made(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    async with process(each_server) as here:
        await here.push(push(f1=50))
        assert len(here.recorder._gathered) == 1
        await here.wait(30)
        assert len(here.recorder._gathered) == 0
        await here.push(push(f1=60))
        await here.wait(30)
        assert len(here.recorder._gathered) == 0
        (sid,) = sids(each_client)
        entries = read_log(each_client, sid)
    # A session that comes back is recorded as before; its attributes are written again.
    assert [(entry.numbers[0], bool(entry.attributes)) for entry in entries] == [
        (50, True),
        (60, True),
    ]


@pytest.mark.anyio
async def test_others_get_their_turn_while_thousands_of_entries_are_made(
    each_server: EmbeddedStore,
) -> None:
    async with process(each_server) as here:
        begin_together(here, 3200)
        turns = 0

        async def take_turns() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        here.clock.now += 31
        other = asyncio.create_task(take_turns())
        await here.recorder.write_due()
        other.cancel()
        assert here.logs.waiting == 3200
    assert turns >= 3200 / recorder.MADE_AT_ONCE


@pytest.mark.anyio
async def test_of_those_who_begin_together_few_are_looked_at_together(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    many, made = 6000, []
    async with process(each_server) as here:
        for _ in range(2):
            begin_together(here, many)
            for _ in range(30):
                before = sum(here.recorder.samples.values())
                await here.wait(1)
                made.append(sum(here.recorder.samples.values()) - before)
        entries = [len(read_log(each_client, sid)) for sid in sids(each_client)]
    # Each has an entry in the first interval, and in the next one at the same time of it.
    assert entries == [2] * many
    assert made[:30] == made[30:]
    assert max(made) < 2 * many / 30 + recorder.AT_THE_SAME_TIME
    assert min(made[1:]) > many / 30 / 2


# Values that only spans need.


@pytest.mark.anyio
async def test_a_mean_weighs_each_push_by_the_time_since_the_one_before(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    async with process(each_server, SPANS) as here:
        await here.push(push(f1=20, f12=6))
        here.clock.now += 5
        await here.push(push(f1=80, f12=0))
        here.clock.now += 15
        await here.push(push(f1=80))
        await here.wait(20)
        (only,) = read_log(each_client, *sids(each_client))
    # The first stands for the time until the second; none for longer than usual.
    assert only.tally == [Tally(60, 15_000, 5_000), Tally(3, 10_000, 5_000), None]


@pytest.mark.anyio
async def test_a_push_stands_for_no_longer_than_it_lives(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    async with process(each_server, SPANS) as here:
        await here.push(push(f1=20))
        here.clock.now += 45
        await here.push(push(f1=20))
        await here.wait(31)
        (found,) = read_log(each_client, *sids(each_client))
    assert found.tally[0] == Tally(20, 60_000, 60_000)


@pytest.mark.anyio
async def test_what_happens_is_an_event(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    async with process(each_server, SPANS) as here:
        pushes: list[dict[str, Any]] = [{}, GOOD, BAD_UP, BAD_UP, FAIR, {}, GOOD, {}, {"f1": 90}]
        for told in pushes:
            await here.push(push(**told))
            here.clock.now += 2
        await here.wait(20)
        (only,) = read_log(each_client, *sids(each_client))
    began = min(event.at_ms for event in only.events)
    assert [(event.at_ms - began, event.what, event.value) for event in only.events] == [
        (0, "verdict.bad.uplink", None),
        (4000, "verdict.fair.unknown", None),
        (6000, "stats.stopped", None),
        (8000, "verdict.good", None),
        (8000, "stats.resumed", None),
        (10_000, "stats.stopped", None),
        (12_000, "stats.resumed", None),
    ]


@pytest.mark.anyio
async def test_who_was_never_bad_has_not_become_good(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    async with process(each_server, SPANS) as here:
        for told in (GOOD, {"f1": 97}, GOOD):
            await here.push(push(**told))
            here.clock.now += 2
        await here.wait(26)
        (only,) = read_log(each_client, *sids(each_client))
    assert only.events == []


@pytest.mark.anyio
async def test_a_low_quality_is_no_verdict(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    async with process(each_server, SPANS) as here:
        for quality in (97, 5, 97):
            await here.push(push(**GOOD | {"f1": quality}))
            here.clock.now += 5
        await here.wait(26)
        (only,) = read_log(each_client, *sids(each_client))
    assert only.events == []
    assert only.tally[0] == Tally(66.3, 15_000, 5_000)


@pytest.mark.anyio
async def test_of_each_state_there_is_for_how_long_why_and_of_a_bad_one_where(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    """By the place at each push, not by the place at the end of the interval."""
    eu: dict[str, Any] = {"f69": "eu", "f98": "jvb-1", "f13": [[41, {83: "wifi"}]]}
    ap: dict[str, Any] = {"f69": "ap", "f98": "jvb-9", "f13": [[300, {83: "vpn", 84: "relay"}]]}
    async with process(each_server, SPANS) as here:
        for told in (GOOD | eu, BAD_UP | eu, BAD_UP | eu, FAIR | eu, {} | ap, BAD_UP | ap):
            here.clock.now += 4
            await here.push(push(**told))
        await here.wait(26)
        (only,) = read_log(each_client, *sids(each_client))
    assert only.stretches == [
        Stretch(40, 0),
        Stretch(80, 2, 7, "eu", "jvb-1", "wifi"),
        Stretch(40, 1),
        Stretch(40),
        Stretch(40, 2, 7, "ap", "jvb-9", "vpn"),
    ]
    assert only.numbers[44:46] == [2, 7]


@pytest.mark.anyio
async def test_a_push_stands_for_what_it_covers_and_an_outage_for_all_of_it(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    outage: dict[str, Any] = {"f45": 2, "f46": 1, "f32": 18_000}
    async with process(each_server, SPANS) as here:
        for seconds, told in ((0, GOOD), (2, GOOD), (20, GOOD), (20, outage)):
            here.clock.now += seconds
            await here.push(push(**told | {"f47": 5000}))
        await here.wait(30)
        (only,) = read_log(each_client, *sids(each_client))
    # Five, two and five of good; 18 of 20 s in an outage of 18.
    assert only.stretches == [Stretch(120, 0), Stretch(180, 2, 1)]


@pytest.mark.anyio
async def test_what_is_counted_is_summed_as_it_was_told(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    async with process(each_server, SPANS) as here:
        for freezes, stood, dropped in ((1, 400.25, 0), (None, None, None), (2, 0.5, 3)):
            await here.push(push(f1=97, f22=freezes, f23=stood, f25=dropped))
        await here.wait(31)
        await here.push(push(f1=97))
        await here.wait(31)
        first, second = read_log(each_client, *sids(each_client))
    assert first.counts == [3, 401, 3]
    assert second.counts == []


@pytest.mark.anyio
async def test_of_a_page_that_sends_what_has_changed_the_verdict_is_of_all_that_is_known(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    """Values from earlier pushes are not counted again."""
    async with process(each_server, SPANS) as here:
        merged: dict[str, Any] = {"f22": 4} | GOOD
        sent: list[dict[str, Any]] = [{"f22": 4}, {"f12": 7}, {}]
        for changed in sent:
            merged |= changed
            state = BAD_UP if "f12" in merged else GOOD
            own = push(**changed).numbers
            await here.push(push(session="session-1", sent=own, **merged | state))
            await here.wait(3)
        found = read_log(each_client, *sids(each_client))
    assert [each.counts for each in found] == [[4, None, None], [], []]
    assert [each.stretches for each in found] == [
        # It has lasted no time yet; when it has, that counts.
        [Stretch(1, 0)],
        [Stretch(29, 0), Stretch(30, 2, 7)],
        [Stretch(30, 2, 7)],
    ]
    # A reader of history sees what was sent, and the verdict on it.
    assert [(each.numbers[11], each.numbers[21], each.numbers[44]) for each in found] == [
        (None, 4, 0),
        (7, None, 2),
        (None, None, 2),
    ]


@pytest.mark.anyio
async def test_pushes_of_an_interval_are_bounded_in_number_and_the_last_is_kept(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    async with process(each_server, SPANS) as here:
        for number in range(400):
            report = push(**GOOD if number < 399 else BAD_UP)
            if number == 0:
                await here.push(report)
            else:
                here.recorder.take(to_write(report, 30_000), report)
            here.clock.now += 1
        await here.wait(31)
        (only,) = read_log(each_client, *sids(each_client))
    assert len(only.pushes) == 300
    (event,) = only.events
    assert event == (only.at_ms, "verdict.bad.uplink", None)
    assert only.at_ms - only.pushes[0].at_ms == 399_000


@pytest.mark.anyio
@pytest.mark.parametrize("most", [1, 2, 5, 100])
async def test_an_interval_is_the_same_however_many_pushes_wait(
    each_server: EmbeddedStore,
    each_client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
    most: int,
) -> None:
    monkeypatch.setattr("otel_jcmc.sessions.gathering.MOST_WAITING", most)
    told = [
        *(GOOD | {"f1": 90}, GOOD | {"f1": 20}, {}, BAD_UP | {"f12": 9.5, "f22": 2}),
        *(BAD_UP | {"f12": 7.5, "f22": 1}, GOOD | {"f12": 0}, GOOD | {"f1": 60}),
    ]
    async with process(each_server, SPANS) as here:
        for at, numbers in enumerate(told):
            await here.push(push(**numbers))
            here.clock.now += 2 if at else 4
        await here.wait(20)
        (only,) = read_log(each_client, *sids(each_client))
    # The first stands for the time until the second, four seconds by the second's interval; then
    # two.
    assert only.tally[0] == Tally(71.4, 16_000, 4_000)
    assert only.tally[1] == Tally(5.67, 6_000, 4_000)
    assert (only.worst[:2], only.best[:2]) == ([20, 9.5], [97, 0])
    assert only.counts == [3, None, None]
    assert [each.at_ms - only.at_ms for each in only.pushes] == [
        *(-14_000, -10_000, -8_000, -6_000, -4_000, -2_000, 0)
    ]


@pytest.mark.anyio
async def test_history_alone_is_weighed_as_spans_are(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    """A mean is of all pushes of the interval, and counts are their sums."""
    async with process(each_server, HISTORY) as here:
        for quality, loss, freezes in ((40, 13.3, 3), (40, 13.3, 2), (100, 0, 1)):
            await here.push(push(**BAD_UP | {"f1": quality, "f12": loss, "f22": freezes}))
            here.clock.now += 10
        await here.wait(20)
        (only,) = read_log(each_client, *sids(each_client))
    assert only.tally == [Tally(60, 30_000, 0), Tally(8.87, 30_000, 20_000), None]
    assert only.counts == [6, None, None]
    assert only.stretches == [Stretch(300, 2, 7)]
    assert only.numbers[44:46] == [2, 7]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("gaps", "bad", "share"),
    [
        # The first of five is bad, and so are those that are a second apart.
        ([0, 1, 1, 1, 1], 0, 1 / 5),
        # The last one is bad, after seven seconds without a push.
        ([0, *[1] * 10, 7], 11, 1 / 12),
    ],
)
async def test_a_page_that_does_not_say_how_often_it_pushes_is_weighed_by_how_often_it_does(
    each_server: EmbeddedStore,
    each_client: redis.Redis,
    gaps: list[int],
    bad: int,
    share: float,
) -> None:
    async with process(each_server) as here:
        for number, gap in enumerate(gaps):
            here.clock.now += gap
            await here.push(push(f1=10 if number == bad else 90))
        await here.wait(31)
        (only,) = read_log(each_client, *sids(each_client))
    (tally, *_) = only.tally
    assert tally is not None
    assert tally.bad_ms / tally.known_ms == pytest.approx(share, abs=0.001)


@pytest.mark.anyio
async def test_a_single_push_is_what_there_is(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    async with process(each_server) as here:
        await here.push(push(**BAD_UP | {"f1": 20}))
        await here.wait(31)
        (only,) = read_log(each_client, *sids(each_client))
    assert only.tally == [Tally(20, 100, 100), None, None]
    assert only.stretches == [Stretch(1, 2, 7)]


@pytest.mark.anyio
async def test_of_a_page_that_sends_what_has_changed_the_worst_is_of_all_that_is_known(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    """It told a loss of 20 % once, and that stays."""
    async with process(each_server) as here:
        for number, changed in enumerate(({"f12": 20}, {"f1": 97}, {"f1": 96})):
            merged = {"f12": 20} | ({} if not number else changed)
            sent = push(**changed).numbers  # type: ignore[arg-type]
            told = push(session="session-1", sent=sent, **merged)  # type: ignore[arg-type]
            await here.push(told)
            await here.wait(10)
        found = read_log(each_client, *sids(each_client))
    assert [(each.worst[1], each.best[1]) for each in found] == [(20, 20)] * 3
    assert [each.tally[1] and each.tally[1].mean for each in found] == [20, 20, 20]
    assert [each.numbers[11] for each in found] == [20, None, None]


@pytest.mark.anyio
async def test_who_is_back_with_what_has_changed_begins_a_log_with_all_that_is_known(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    """But not if its log goes on."""
    async with process(each_server) as here:
        for quality in (90, 80):
            report = push(session="s", sent=push(f1=quality).numbers, f1=quality, f2=2900)
            await here.push(report)
            await here.wait(1)
        for is_gone in (False, True):
            if is_gone:
                each_client.delete(*base_of(each_client, "s"))
            report = push(session="s", sent=push(f1=70).numbers, f1=70, f2=2900)
            here.recorder.take(to_write(report, 30_000), report, is_new=True)
            await here.wait(1)
            log_of = read_log(each_client, sids(each_client)[0])
            last = 70, 2900 if is_gone else None
            assert tuple(log_of[-1].numbers[:2]) == last
    assert len(log_of) == 1


@pytest.mark.anyio
@pytest.mark.parametrize("heartbeats", [1, 5])
async def test_what_a_push_leaves_out_stays_known(
    each_server: EmbeddedStore, each_client: redis.Redis, heartbeats: int
) -> None:
    """Statistics have stopped, in the first interval or a later one; empty is not known, either."""
    whole: dict[str, Any] = {"f69": "eu-west", "f98": "jvb-1", "f13": [[41, {83: "wifi"}]]}
    async with process(each_server) as here:
        for _ in range(2 * heartbeats):
            await here.push(push(f1=97, **whole))
            await here.wait(5)
        for told in ({}, {"f69": ""}, {}):
            await here.push(push(**told))  # type: ignore[arg-type]
            await here.wait(15)
        found = read_log(each_client, *sids(each_client))
        (about,) = base_of(each_client, "about")
    known: dict[int, Any] = {}
    for sample in found:
        known |= sample.attributes or {}
    assert (known[REGION], known[98], known[13]) == ("eu-west", "jvb-1", [{83: "wifi"}])
    assert sum(sample.attributes is not None for sample in found) == 1
    assert b"jvb-1" in (each_client.get(about) or b"")


@pytest.mark.anyio
async def test_a_session_that_expires_ended_with_its_last_push_also_where_pushes_became_rarer(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    async with process(each_server) as here:
        for ttl_ms in (5_000, 5_000, 30_000):
            here.ttl_ms = ttl_ms
            await here.push(push(session="s", f1=97))
            await here.wait(4)
        await here.wait(31)
        (sid,) = sids(each_client)
        (key,) = base_of(each_client, "session:")
        assert each_client.hget(key, "ttl") == b"30000"
        (only,) = read_log(each_client, sid)
        (live,) = base_of(each_client, "live")
        # It would have lived for half a minute after its last push.
        each_client.zadd(live, {sid[:32]: (only.at_ms + 30_000) * 1000})
        history = History(each_server.url, DEFAULT_KEYS, 30_000)
        (found,), _ = await history.sessions(Asked())
        await history.close()
    # The log has tenths.
    assert 0 <= found.last_ms - only.at_ms <= 100


# The session of each entry.


@pytest.mark.anyio
async def test_two_processes_write_one_entry(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    async with process(each_server) as here, process(each_server) as there:
        for number in range(6):
            at = (here, there)[number % 2]
            await at.push(push(session="session-1", f1=90 + number))
            here.clock.now += 5
            there.clock.now += 5
        await here.wait(10)
        await there.wait(10)
        found = read_log(each_client, *sids(each_client))
    (only,) = found
    assert (only.numbers[0], only.worst[0], only.best[0]) == (95, 90, 95)


@pytest.mark.anyio
async def test_what_comes_late_is_of_the_leg_that_it_was_gathered_in(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    """The server names the sessions: the same participant leaves and comes again at once."""
    async with process(each_server) as here, process(each_server) as there:
        await there.push(push(f1=11))
        await asyncio.sleep(0.3)
        here.clock.now += 0.3
        await here.push(push(end="left"))
        await here.push(push(f1=22))
        await here.wait(31)
        await there.wait(31)
        first, second = sids(each_client)
        assert [each.numbers[0] for each in read_log(each_client, first)] == [11]
        assert [each.numbers[0] for each in read_log(each_client, second)] == [22]


@pytest.mark.anyio
async def test_what_redis_has_lost_is_known_again_with_the_next_entry(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    async with process(each_server) as here:
        here.ttl_ms = 120_000
        await here.push(push(session="session-1", f1=97, f69="eu-west"))
        await here.wait(31)
        each_client.flushall()
        for _ in range(2):
            await here.push(push(session="session-1", f1=98, f69="eu-west"))
            await here.wait(31)
        found = read_log(each_client, *sids(each_client))
    # Its attributes did not change, so they were not in the first of them.
    assert [each.attributes is not None for each in found] == [False, True]
    assert len(base_of(each_client, "about")) == 1


@pytest.mark.anyio
async def test_a_session_that_went_while_it_was_live_begins_again(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    async with process(each_server) as here:
        await here.push(push(session="session-1", f1=97))
        await here.wait(31)
        for key in (*base_of(each_client, "s"), *base_of(each_client, "about")):
            each_client.delete(key)
        await here.push(push(session="session-1", f1=98))
        await here.wait(31)
        (sid,) = sids(each_client)
        (only,) = read_log(each_client, sid)
        (hash_key,) = base_of(each_client, "session:")
        # In Redis it begins with what is known of it.
        assert int(each_client.hget(hash_key, "started") or 0) <= only.at_ms + 100


# Limits of one session.


@pytest.mark.anyio
async def test_a_session_has_so_many_samples_and_the_oldest_go(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    async with process(each_server, most=3) as here:
        for quality in range(50, 60):
            await here.push(push(f1=quality))
            await here.wait(31)
        found = read_log(each_client, *sids(each_client))
        assert [each.numbers[0] for each in found] == [57, 58, 59]


@pytest.mark.anyio
async def test_samples_of_a_long_session_go_when_they_are_too_old(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    hour = HISTORY._replace(keep_ms=3_600_000)
    async with process(each_server, hour, ago=7200) as here:
        for _ in range(24):
            report = push(f1=97)
            here.recorder.take(to_write(report, 30_000), report)
            await here.wait(300)
        found = read_log(each_client, *sids(each_client))
    ages = [(found[-1].at_ms - each.at_ms) / 1000 for each in found]
    assert 3000 <= max(ages) <= 3900
    assert len(found) < 15


@pytest.mark.anyio
async def test_every_key_of_history_expires(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    async with process(each_server) as here:
        await here.push(push(session="session-1", f1=97))
        await here.wait(31)
        await here.quota.make_space()
    for key in each_client.scan_iter():
        assert each_client.pttl(key) != -1, key


# Faults.


@pytest.mark.anyio
async def test_a_push_does_not_feel_that_it_can_not_be_noted(
    redis_server: EmbeddedStore, caplog: pytest.LogCaptureFixture
) -> None:
    async with process(redis_server) as here:
        report = push(f1=97)
        report.numbers[0] = "not a number"
        for _ in range(2):
            here.recorder.take(to_write(report, 30_000), report)
        assert here.recorder.samples["failed"] == 2
        here.recorder.take(to_write(push("bob", f1=97), 30_000), push("bob", f1=97))
        await here.wait(31)
        assert here.recorder.samples["written"] >= 1
    assert [each.levelno for each in caplog.records if "history" in each.msg] == [logging.WARNING]


@pytest.mark.anyio
async def test_with_redis_away_entries_wait(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server:
        here = Process(server.url)
        await here.push(push(f1=97))
        server.stop()
        for _ in range(3):
            report = push(f1=98)
            here.recorder.take(to_write(report, 30_000), report)
            await here.wait(31)
        assert here.recorder.waiting == 3
        assert here.recorder.samples["written"] == 0
        server.start()
        await here.wait(1)
        with server.client() as client:
            assert [each.numbers[0] for each in read_log(client, *sids(client))] == [98] * 3
        await here.recorder.stop()
        await here.store.close()
    assert here.recorder.samples == {
        **dict.fromkeys(("dropped", "refused", "failed", "out_of_memory"), 0),
        "written": 3,
    }


@pytest.mark.anyio
async def test_the_oldest_are_dropped_when_too_many_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "WAITING_ENTRIES", 5)
    server = RedisServer(tmp_path)
    here = Process(server.url)
    for quality in range(50, 60):
        report = push(f1=quality)
        here.recorder.take(to_write(report, 30_000), report)
        await here.recorder.write_due()
        here.clock.now += 31
        await here.recorder.write_due()
    assert (here.recorder.waiting, here.recorder.samples["dropped"]) == (5, 5)
    with server, server.client() as client:
        await here.recorder.send()
        assert [each.numbers[0] for each in read_log(client, *sids(client))] == [*range(55, 60)]
        await here.recorder.stop()
        await here.store.close()


@pytest.mark.anyio
async def test_bytes_that_wait_are_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "WAITING_BYTES", 10_000)
    here = Process("redis://127.0.0.1:1")
    for number in range(100):
        report = push(f"p{number}", f1=50, f69="x" * 200)
        here.recorder.take(to_write(report, 30_000), report)
    here.clock.now += 31
    await here.recorder.write_due()
    assert 5 <= here.recorder.waiting <= 20
    assert here.recorder.waiting + here.recorder.samples["dropped"] == 100


@pytest.mark.anyio
async def test_a_batch_whose_answer_was_lost_is_not_written_twice(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server, Wire(server.port) as wire:
        here = Process(server.url)
        there = Process(wire.url)
        report = push(f1=97)
        await here.push(report)
        there.recorder.take(to_write(report, 30_000), report)
        await there.wait(31)
        there.recorder.take(to_write(report, 30_000), report)
        # Redis has it, but its answer is lost.
        wire.delay = 2.0
        await there.wait(31)
        assert there.recorder.samples["written"] == 1
        wire.delay = 0.0
        wire.hang_up()
        await there.recorder.send()
        assert there.recorder.samples["written"] == 2
        with server.client() as client:
            (sid,) = sids(client)
            assert len(read_log(client, sid)) == 2
        for each in (here, there):
            await each.recorder.stop()
            await each.store.close()


@pytest.mark.anyio
async def test_a_damaged_key_costs_only_its_own_session(redis_server: EmbeddedStore) -> None:
    async with process(redis_server) as here:
        await here.push(push(f1=97))
        with redis.Redis.from_url(redis_server.url) as client:
            (sid,) = sids(client)
            partition = f"{int(sid[0], 16) % 4:02d}"
            client.set(f"jcmc:{{{partition}}}:samples:{sid}", "no list")
        for participant in ("bob", "eve"):
            await here.push(push(participant, f1=97))
        await here.wait(31)
    assert (here.recorder.samples["written"], here.recorder.samples["dropped"]) == (2, 1)


@pytest.mark.anyio
async def test_what_redis_does_not_take_is_tried_again_and_dropped_in_the_end(
    tmp_path: Path,
) -> None:
    with RedisServer(tmp_path) as server:
        here = Process(server.url)
        await here.push(push(f1=97))
        with server.client() as client:
            # Like a replica that waits for its master.
            client.replicaof("127.0.0.1", 1)
            here.clock.now += 31
            await here.recorder.write_due()
            for attempt in range(log.ATTEMPTS):
                assert here.recorder.waiting == 1, attempt
                await here.recorder.send()
        assert (here.recorder.waiting, here.recorder.samples["dropped"]) == (0, 1)
        await here.recorder.stop()
        await here.store.close()


# The service.


def test_a_killed_service_loses_no_more_than_the_interval(
    redis_server: EmbeddedStore, short_path: Path
) -> None:
    with (
        Service(short_path / "a", REDIS_URL=redis_server.url, JCMC_HISTORY_INTERVAL="5") as service,
        redis.Redis.from_url(redis_server.url) as client,
    ):
        for quality in (50, 51):
            body = push_body()
            body["metrics"]["connectionquality"]["value"] = quality
            assert request(f"{service.url}/metrics/push", body).status == 200
        (sid,) = sids(client)
        eventually(lambda: read_log(client, sid))
        body["metrics"]["connectionquality"]["value"] = 52
        assert request(f"{service.url}/metrics/push", body).status == 200
        service.stop(signal.SIGKILL)
        assert [each.numbers[0] for each in read_log(client, sid)] == [51]
    with Service(short_path / "b", REDIS_URL=redis_server.url) as service:
        body["metrics"]["connectionquality"]["value"] = 53
        assert request(f"{service.url}/metrics/push", body).status == 200
    with redis.Redis.from_url(redis_server.url) as client:
        assert sids(client) == [sid]
        # The other's process was not killed: it ended.
        found = read_log(client, sid)
        assert found[-1].numbers[0] == 53
        # Both have written about the same interval, or about two.
        assert min(each.worst[0] or 0 for each in found) == 50
        assert sum(len(each.pushes) for each in found) == 3


def test_without_history_and_spans_nothing_is_kept(
    redis_server: EmbeddedStore, short_path: Path
) -> None:
    with (
        Service(short_path / "a", REDIS_URL=redis_server.url, JCMC_HISTORY_HOURS="0") as service,
        redis.Redis.from_url(redis_server.url) as client,
    ):
        assert request(f"{service.url}/metrics/push", push_body()).status == 200
        metrics = request(f"{service.url}/metrics").body
        names = {key.decode().split(":")[2] for key in client.scan_iter()}
    # The look for what stands out, and the number of partitions, are not part of a session.
    assert names - {"lease", "now", "partitions"} == {"participant", "live", "conferences"}
    assert "otel_jcmc_history" not in metrics


@pytest.mark.parametrize(
    ("settings", "is_recorded"),
    [
        ({}, True),
        ({"history_hours": 0}, False),
        ({"history_hours": 0, "traces_exporter": "otlp"}, True),
    ],
)
def test_spans_need_no_history(settings: dict[str, Any], *, is_recorded: bool) -> None:
    made = parts.Parts(Settings(redis_url=SecretStr("redis://127.0.0.1:1"), **settings))
    assert (made.taking.recorder is not None) == is_recorded


@pytest.mark.anyio
async def test_trouble_in_one_step_does_not_keep_the_others(
    redis_server: EmbeddedStore, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with process(redis_server) as here:
        monkeypatch.setattr(recorder, "TICK_SECONDS", 0.01)
        monkeypatch.setattr(here.logs, "know_time", None)
        await here.push(push(session="session-1", f1=50))
        await here.push(push(session="session-1", end="left"))
        here.recorder.start()
        for _ in range(500):
            await asyncio.sleep(0.01)
            if here.recorder.samples["written"]:
                break
        assert here.recorder.samples["written"] == 1
    assert sum("tried again" in each.msg for each in caplog.records) == 1
