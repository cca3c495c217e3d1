"""logs/onsets.py: each begin and end of standing out is told once, whichever replica dies."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import redis
from sink_requests import SinkEvent

from otel_jcmc.catalogue.reasons import StoreUnavailable
from otel_jcmc.logs.onsets import Onsets
from otel_jcmc.logs.records import noted_of
from otel_jcmc.store.embedded import EmbeddedStore
from otel_jcmc.store.keys import DEFAULT_KEYS
from otel_jcmc.store.lease import Lease
from otel_jcmc.store.link import Link
from otel_jcmc.verdict.census import Scope
from otel_jcmc.verdict.journal import continue_with
from otel_jcmc.verdict.record import Look, Record
from otel_jcmc.verdict.standing import Coverage, Standing

pytestmark = pytest.mark.anyio

BEGAN, ENDED = "jitsi.standing_out.began", "jitsi.standing_out.ended"
BRIDGE = Standing(Scope.BRIDGE, "jvb-1", "eu", 0.5, Coverage(4, 5, 6, 7))
ROOM = Standing(Scope.CONFERENCE, "standup", "", 0.9, Coverage(3, 3, 3, 3))
START = 1_700_000_000_000
KEEP_MS = 86_400_000


class Journal:
    """A process that looks, and a process that tells of it."""

    def __init__(self, server: EmbeddedStore) -> None:
        self.client = redis.Redis.from_url(server.url)
        self.record = Record(server.url, "jcmc", KEEP_MS)
        self.lease = Lease(server.url, self.record.lease_key, "one")
        self.link = Link(server.url)
        self.onsets = Onsets(self.record, self.link, DEFAULT_KEYS, 1000, "one")
        self._looked = Record(server.url, "jcmc", KEEP_MS)

    async def look(self, after_s: float, *found: Standing) -> None:
        """Look so many seconds after the start, as metrics/watch.py does."""
        now_ms = START + round(after_s * 1000)
        before, _ = await self._looked.read_look()
        entries, over = continue_with(before.entries if before else (), now_ms, found)
        assert await self._looked.write("one", Look(now_ms, entries), over)

    def told(self) -> list[SinkEvent]:
        """Return the waiting events, and remove them."""
        items: Any = self.client.lrange("jcmc:{00}:events", 0, -1)
        self.client.delete("jcmc:{00}:events")
        return [SinkEvent.of(noted_of(item).record) for item in items]

    def names(self) -> list[tuple[str, str]]:
        return [(each.name, each.attributes["jitsi.standing_out.name"]) for each in self.told()]


@asynccontextmanager
async def looking(server: EmbeddedStore) -> AsyncIterator[Journal]:
    made = Journal(server)
    assert await made.lease.hold()
    try:
        yield made
    finally:
        await made.lease.release()
        await made.record.close()
        await made._looked.close()
        await made.link.close()
        made.client.close()


async def test_it_begins_when_it_is_found_and_ends_when_it_was_seen_last(
    each_server: EmbeddedStore,
) -> None:
    async with looking(each_server) as of:
        for after_s, found in ((0, ()), (10, (BRIDGE,)), (20, (BRIDGE,)), (30, ()), (40, ())):
            await of.look(after_s, *found)
            await of.onsets.tell()
        (began,) = of.told()
        await of.look(50)
        await of.onsets.tell()
        (ended,) = of.told()
    assert (began.name, began.severity) == (BEGAN, "WARN")
    assert (ended.name, ended.severity) == (ENDED, "INFO")
    # A clock of the test; the events give its ages.
    assert abs(ended.at_ms - began.at_ms - 10_000) < 500
    assert began.attributes == {
        "log.record.uid": began.uid,
        "jitsi.verdict.scope": "bridge",
        "jitsi.standing_out.name": "jvb-1",
        "jitsi.region": "eu",
        "jitsi.standing_out.share": 0.5,
        "jitsi.standing_out.participants.bad": 4,
        "jitsi.standing_out.participants.known": 5,
        "jitsi.standing_out.participants.reporting": 6,
        "jitsi.standing_out.participants.present": 7,
    }
    assert ended.attributes["jitsi.standing_out.duration"] == 10
    assert began.uid != ended.uid


async def test_nothing_is_new_of_the_same_look(each_server: EmbeddedStore) -> None:
    async with looking(each_server) as of:
        await of.look(0, BRIDGE)
        assert [await of.onsets.tell() for _ in range(3)] == [1, 0, 0]


async def test_what_nobody_told_meanwhile_is_told_by_who_comes_later(
    each_server: EmbeddedStore,
) -> None:
    """No exporter ran during some looks, and during one missing look."""
    async with looking(each_server) as of:
        await of.look(0)
        await of.onsets.tell()
        for after_s in (10, 20, 30, 40, 50, 60):
            await of.look(after_s, *((BRIDGE,) if after_s < 30 else ()), ROOM)
        await of.onsets.tell()
        assert sorted(of.names()) == [(BEGAN, "jvb-1"), (BEGAN, "standup"), (ENDED, "jvb-1")]
        await of.look(600)
        await of.onsets.tell()
        assert of.names() == [(ENDED, "standup")]


async def test_the_first_who_tells_tells_what_goes_on(each_server: EmbeddedStore) -> None:
    async with looking(each_server) as of:
        for after_s, found in ((0, (BRIDGE, ROOM)), (10, (ROOM,)), (50, (ROOM,))):
            await of.look(after_s, *found)
        await of.onsets.tell()
        assert of.names() == [(BEGAN, "standup")]


async def test_who_dies_before_he_has_noted_it_has_it_told_again_and_it_waits_once(
    each_server: EmbeddedStore,
) -> None:
    async with looking(each_server) as of:
        await of.look(0, BRIDGE)
        await of.onsets.tell()
        of.client.delete("jcmc:{verdict}:told")
        await of.onsets.tell()
        assert of.names() == [(BEGAN, "jvb-1")]


async def test_what_is_told_again_much_later_has_the_same_id(each_server: EmbeddedStore) -> None:
    async with looking(each_server) as of:
        await of.look(0, BRIDGE)
        await of.onsets.tell()
        (first,) = of.told()
        of.client.delete("jcmc:{verdict}:told", "jcmc:{00}:events:told")
        await of.onsets.tell()
        (second,) = of.told()
    assert first.uid == second.uid


async def test_while_redis_refuses_nothing_is_noted(each_server: EmbeddedStore) -> None:
    async with looking(each_server) as of:
        await of.look(0, BRIDGE)
        of.client.set("jcmc:{00}:events", "of another program")
        with pytest.raises(StoreUnavailable):
            await of.onsets.tell()
        of.client.delete("jcmc:{00}:events")
        await of.onsets.tell()
        assert of.names() == [(BEGAN, "jvb-1")]


async def test_when_redis_goes_back_in_time_what_goes_on_is_told(
    each_server: EmbeddedStore,
) -> None:
    async with looking(each_server) as of:
        await of.look(100)
        await of.onsets.tell()
        of.client.delete("jcmc:{verdict}:now")
        await of.look(0, BRIDGE)
        await of.onsets.tell()
        assert of.names() == [(BEGAN, "jvb-1")]


async def test_the_fleet_has_no_name(each_server: EmbeddedStore) -> None:
    async with looking(each_server) as of:
        await of.look(0, Standing(Scope.FLEET, "", "", 0.4, Coverage(9, 9, 9, 9)))
        await of.onsets.tell()
        (event,) = of.told()
    assert event.attributes["jitsi.verdict.scope"] == "fleet"
    assert not {"jitsi.standing_out.name", "jitsi.region"} & event.attributes.keys()
