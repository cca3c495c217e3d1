"""Cards in Redis: written with each entry, marked at the end, deleted with the session."""

import asyncio
from typing import Any

import pytest
import redis
from recording import SPANS, Process, partition, process, push, sids

from otel_jcmc.sessions.card import Card, read_card
from otel_jcmc.sessions.totals import average, worst
from otel_jcmc.store.embedded import EmbeddedStore
from otel_jcmc.store.participant import to_write
from otel_jcmc.wire.session import Session

GOOD: dict[str, Any] = {"f45": 0}
BAD_UP: dict[str, Any] = {"f45": 2, "f46": 7}


def card_of(client: redis.Redis, sid: str) -> Card | None:
    """Return the card of *sid*."""
    card: Any = client.hget(f"jcmc:{partition(sid)}:cards", sid)
    return read_card(card) if card else None


def taken(client: redis.Redis) -> int:
    """Return the bytes in Redis that count for logs, attributes and cards."""
    return sum(int(client.get(f"jcmc:{{{number:02d}}}:bytes") or 0) for number in range(4))


async def fail_to_join(here: Process) -> None:
    """Report a join that failed after three seconds."""
    report = push("eve", session="session-9", f69="EU-West")
    report.session = Session("session-9", end="failed", cause="ice_failed", join_ms=3000)
    write = to_write(report, here.ttl_ms)
    told: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    here.store.submit(write, told.set_result)
    await told
    here.recorder.take_failure(write, report, "")


@pytest.mark.anyio
async def test_a_card_has_all_pushes_of_all_intervals(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    async with process(each_server) as here:
        for quality, loss in ((40, 12), (40, 12), (100, 0), (100, 0)):
            report = push(f1=quality, f12=loss, f69="EU", **(BAD_UP if loss else GOOD))
            await here.push(report)
            await here.wait(15)
        (sid,) = sids(each_client)
        card = card_of(each_client, sid)
    assert card
    assert [average(card.totals, index) for index in range(3)] == [70, 6, None]
    assert (worst(card.totals, 0), worst(card.totals, 1), worst(card.totals, 2)) == (40, 12, None)
    assert card.lines["c"] == "standup"
    assert (card.lines["r"], card.lines["s"], card.lines["u"]) == ("eu", "bad", "uplink")
    assert "e" not in card.lines


@pytest.mark.anyio
async def test_a_card_says_how_its_session_ended(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    """Whether the card existed before the end, or came with the last entry after it."""
    async with process(each_server) as here:
        for participant, seconds in (("ada", 31), ("bob", 0)):
            await here.push(push(participant, session="session-1", f1=97))
            await here.wait(seconds)
        await here.push(push("ada", session="session-1", f1=97))
        for participant in ("ada", "bob"):
            await here.push(push(participant, session="session-1", end="kicked"))
        marked = [card_of(each_client, sid) for sid in sids(each_client)]
        assert [card and card.lines["e"] for card in marked if card] == ["kicked"]
        await here.wait(1)
        cards = [card_of(each_client, sid) for sid in sids(each_client)]
    assert [card and card.lines["e"] for card in cards] == ["kicked", "kicked"]


@pytest.mark.anyio
async def test_a_join_that_failed_has_a_card_and_no_log(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    async with process(each_server) as here:
        await fail_to_join(here)
        await here.wait(1)
        (sid,) = sids(each_client)
        card = card_of(each_client, sid)
        assert not each_client.exists(f"jcmc:{partition(sid)}:samples:{sid}")
        assert sum(here.recorder.samples.values()) == 0
    assert card
    assert (card.lines["p"], card.lines["r"], card.lines["e"]) == ("eve", "eu-west", "failed")


@pytest.mark.anyio
async def test_a_card_whose_session_an_earlier_version_took_away_goes_too(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    async with process(each_server) as here:
        await here.push(push(f1=97))
        await here.wait(31)
        (sid,) = sids(each_client)
        other = sid[:-1] + ("0" if sid[-1] != "0" else "1")
        each_client.hset(f"jcmc:{partition(sid)}:cards", other, "a card")
        await here.quota.make_space()
        assert card_of(each_client, sid)
        assert not each_client.hexists(f"jcmc:{partition(sid)}:cards", other)


@pytest.mark.anyio
async def test_a_card_alone_begins_no_session(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    async with process(each_server) as here:
        await fail_to_join(here)
        each_client.flushall()
        await here.wait(1)
        assert sids(each_client) == []
        assert not [*each_client.scan_iter("*cards*")]


@pytest.mark.anyio
@pytest.mark.parametrize("keeping", [SPANS])
async def test_a_card_goes_with_its_session_and_its_bytes_are_not_counted_any_more(
    each_server: EmbeddedStore, each_client: redis.Redis, keeping: object
) -> None:
    async with process(each_server, keeping) as here:
        await here.push(push("ada", session="session-1", f1=97))
        await here.wait(31)
        await here.push(push("ada", session="session-1", end="left"))
        await fail_to_join(here)
        await here.wait(1)
        cards = [each_client.hgetall(key) for key in each_client.scan_iter("*:cards")]
        assert sum(len(each) for of in cards for each in of.values()) < taken(each_client)
        here.quota._bounds = here.quota._bounds._replace(sessions=0, bytes=1)
        await here.quota.make_space()
        await here.quota.make_space()
    assert sids(each_client) == []
    assert not [*each_client.scan_iter("*:cards")]
    assert taken(each_client) == 0
