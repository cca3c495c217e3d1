"""metrics/watch.py and verdict/record.py: the looks of several replicas on one real Redis."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import redis
from people import apart

from otel_jcmc.catalogue.attributes import BRIDGE, CLIENT, CONFERENCE, NETWORK, PARTICIPANT
from otel_jcmc.catalogue.metrics import CAUSE_ID, STATE_ID
from otel_jcmc.metrics import watch as watching
from otel_jcmc.metrics.reading import SnapshotReader
from otel_jcmc.metrics.watch import Watch
from otel_jcmc.store.embedded import EmbeddedStore
from otel_jcmc.store.lease import Lease
from otel_jcmc.store.live import Store
from otel_jcmc.store.participant import to_write
from otel_jcmc.verdict.record import FRESH_MS, Look, Record
from otel_jcmc.verdict.rules import DOWNLINK, DOWNLINK_OR_RECEIVED, UPLINK, State
from otel_jcmc.verdict.settling import Settling
from otel_jcmc.wire.push import Report
from otel_jcmc.wire.session import Session

HOUR_MS = 3_600_000


class Replica:
    """The parts of one replica that look."""

    def __init__(self, url: str, name: str) -> None:
        self.store = Store(url)
        self.record = Record(url, "jcmc", HOUR_MS)
        self.reader = SnapshotReader(self.store, Record(url, "jcmc", HOUR_MS))
        self.lease = Lease(url, self.record.lease_key, name)
        self.watch = Watch(self.reader, self.record, self.lease, Settling())

    async def put(
        self,
        room: str,
        name: str,
        *,
        bad: bool,
        bridge: str,
        network: str = "",
        cause: int = DOWNLINK.id,
    ) -> None:
        """Store a push on *bridge*, from *network*; default: a network of the conference."""
        who: dict[int, Any] = {
            CONFERENCE.id: room,
            CLIENT.id: "3fa85f64-5717-4562-b3fc-2c963f66afa6",
            PARTICIPANT.id: name,
            BRIDGE.id: bridge,
            NETWORK.id: network or f"net-{room}",
        }
        state = {STATE_ID: State.BAD, CAUSE_ID: cause} if bad else {STATE_ID: State.GOOD}
        report = Report(room, who[CLIENT.id], name, Session("", -1, 0, ""), *apart(who | state))
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.store.submit(to_write(report, 60_000), done.set_result)
        await done

    async def close(self) -> None:
        await self.lease.release()
        await self.record.close()
        await self.reader.close()


@asynccontextmanager
async def replicas(server: EmbeddedStore) -> AsyncIterator[tuple[Replica, Replica]]:
    both = Replica(server.url, "one"), Replica(server.url, "other")
    try:
        yield both
    finally:
        for each in both:
            await each.close()


async def crowd(of: Replica, *, bad: bool = True, network: str = "") -> None:
    """Put six conferences of two on a good bridge, and six on a *bad* one, from one *network*."""
    for number in range(6):
        for name in ("ada", "bob"):
            await of.put(f"well-{number}", name, bad=False, bridge="jvb-1")
            await of.put(f"ill-{number}", name, bad=bad, bridge="jvb-2", network=network)


async def standing(of: Replica) -> list[tuple[str, str, int]] | None:
    """Return what *of* reads as standing out, with its onset; None: not known."""
    look = (await of.reader.take()).look
    return None if look is None else [(e.scope, e.name, e.since_ms) for e in look.entries]


@pytest.mark.anyio
async def test_a_look_is_read_by_every_replica(redis_server: EmbeddedStore) -> None:
    async with replicas(redis_server) as (one, other):
        await crowd(one)
        assert await standing(other) is None
        assert await one.lease.hold()
        assert await one.watch.look() == "ok"
        [found] = await standing(other) or []
        assert found[:2] == ("bridge", "jvb-2")
        assert await standing(one) == [found]


@pytest.mark.anyio
async def test_of_who_spoils_a_call_a_look_knows_by_what_to_erase_it(
    redis_server: EmbeddedStore,
) -> None:
    """It knows a digest of the client, by which test_theirs.py erases."""
    async with replicas(redis_server) as (one, _):
        await one.lease.hold()
        await one.put("duo", "ada", bad=True, bridge="jvb-1", cause=UPLINK.id)
        await one.put("duo", "bob", bad=True, bridge="jvb-1", cause=DOWNLINK_OR_RECEIVED.id)
        assert await one.watch.look() == "ok"
        look, _ = await one.record.read_look()
        assert look is not None
        found = [(each.scope, each.name, each.client) for each in look.entries]
        assert found == [("sender", "duo/ada", "1e38bdee9870a2724f5544b95a655ed5")]


@pytest.mark.anyio
async def test_rooms_that_one_network_makes_up_frame_no_bridge(
    redis_server: EmbeddedStore,
) -> None:
    async with replicas(redis_server) as (one, _):
        await one.lease.hold()
        await crowd(one, network="203.0.113.0/24")
        assert await one.watch.look() == "ok"
        assert await standing(one) == []


@pytest.mark.anyio
async def test_a_lease_that_changes_hands_in_the_middle_goes_on_with_the_same_entry(
    redis_server: EmbeddedStore,
) -> None:
    async with replicas(redis_server) as (one, other):
        await crowd(one)
        assert await one.lease.hold()
        assert not await other.lease.hold()
        assert await one.watch.look() == "ok"
        before = await standing(one)
        await one.lease.release()
        assert await other.lease.hold()
        assert await other.watch.look() == "ok"
        assert await standing(one) == await standing(other) == before
        # It was stopped in the middle of a look, and has not noticed yet.
        assert await one.watch.look() == "lost"
        assert await other.watch.look() == "ok"


@pytest.mark.anyio
async def test_what_is_over_is_read_for_as_long_as_it_is_kept(redis_server: EmbeddedStore) -> None:
    async with replicas(redis_server) as (one, _):
        await one.lease.hold()
        await crowd(one)
        await one.watch.look()
        look, now_ms = await one.record.read_look()
        assert look is not None
        aged = [_moved(each, -60_000) for each in look.entries]
        assert await one.record.write("one", Look(now_ms, aged), [])
        await crowd(one, bad=False)
        await one.watch.look()
        assert await standing(one) == []
        [entry] = await one.record.read(now_ms - 61_000, now_ms)
        assert (entry.scope, entry.seen_ms) == ("bridge", look.entries[0].seen_ms - 60_000)
        assert entry.coverage == (12, 12, 12, 12)
        assert await one.record.read(now_ms - 10_000, now_ms) == []
        # An hour and a second later, the journal does not have it any more.
        assert await one.record.write("one", Look(now_ms + HOUR_MS + 1000), [])
        assert await one.record.read(0, 2 * now_ms) == []


def _moved(entry: Any, ms: int) -> Any:
    from msgspec.structs import replace

    return replace(entry, since_ms=entry.since_ms + ms, seen_ms=entry.seen_ms + ms)


@pytest.mark.anyio
async def test_a_look_does_not_hold_for_long(redis_server: EmbeddedStore) -> None:
    async with replicas(redis_server) as (one, other):
        await one.lease.hold()
        _, now_ms = await one.record.read_look()
        for age_ms, expected in ((FRESH_MS - 5_000, []), (FRESH_MS + 5_000, None)):
            assert await one.record.write("one", Look(now_ms - age_ms), [])
            assert await standing(other) == expected


@pytest.mark.anyio
async def test_with_redis_away_nothing_stands_out_and_a_look_fails(
    redis_server: EmbeddedStore,
) -> None:
    async with replicas(redis_server) as (one, _):
        await one.lease.hold()
        await crowd(one)
        assert await one.watch.look() == "ok"
        redis_server.stop()
        assert await one.watch.look() == "failed"
        redis_server.start()
        # Empty now, without the lease, too.
        assert await one.watch.look() == "lost"
        assert await one.lease.hold()
        assert await one.watch.look() == "ok"
        assert await standing(one) == []


@pytest.mark.anyio
async def test_what_this_version_cannot_read_is_not_known(redis_server: EmbeddedStore) -> None:
    async with replicas(redis_server) as (one, _):
        with redis.Redis.from_url(redis_server.url) as client:
            client.set("jcmc:{verdict}:now", b"\xc1 not msgpack")
            client.zadd("jcmc:{verdict}:over", {b"\xc1": 5})
        assert await standing(one) is None
        assert await one.record.read(0, 10) == []
        await one.lease.hold()
        assert await one.watch.look() == "ok"
        assert await standing(one) == []


@pytest.mark.anyio
async def test_fields_and_scopes_of_a_newer_version_are_skipped(
    redis_server: EmbeddedStore,
) -> None:
    import msgspec

    async with replicas(redis_server) as (one, _):
        _, now_ms = await one.record.read_look()
        entry = ["planet", "earth", "", now_ms, now_ms, 1.0, [1, 1, 1, 1], 1.0, "more"]
        with redis.Redis.from_url(redis_server.url) as client:
            client.set("jcmc:{verdict}:now", msgspec.msgpack.encode([now_ms, [entry], {}, "more"]))
        assert await standing(one) == [("planet", "earth", now_ms)]


async def look_after(of: Replica, at_ms: int) -> Look:
    """Wait for the look that comes after the one at *at_ms*, and return it."""
    for _ in range(200):
        look, _ = await of.record.read_look()
        if look is not None and look.at_ms > at_ms:
            return look
        await asyncio.sleep(0.05)
    raise AssertionError("no look in ten seconds")


@pytest.mark.anyio
async def test_a_look_waits_for_scrapes_but_not_for_ever(
    redis_server: EmbeddedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "LOOK_SECONDS", 0.01)
    async with replicas(redis_server) as (one, _):
        assert await one.lease.hold()
        one.reader.answering = 1
        running = asyncio.create_task(one.watch.run())
        await asyncio.sleep(0.5)
        assert (await one.record.read_look())[0] is None
        one.reader.answering = 0
        look = await look_after(one, 0)
        # A scraper that never ends its scrape does not stop the looks.
        one.reader.answering = 1
        monkeypatch.setattr(watching, "MOST_WAIT_SECONDS", 0.2)
        look = await look_after(one, look.at_ms)
        await look_after(one, look.at_ms)
        running.cancel()
        await asyncio.wait([running])
