"""Waiting events of an erased client are deleted, and so is the state of its outages."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from happenings import pushed
from harness import CLIENT_ID, Service, eventually
from otlp_sink import OtlpSink
from recording import HISTORY, push

from otel_jcmc.intake.noticing import Noticing
from otel_jcmc.logs.onsets import Onsets
from otel_jcmc.sessions.erasure import Erasure
from otel_jcmc.sessions.events import read_waiting
from otel_jcmc.sessions.history import History
from otel_jcmc.store.embedded import EmbeddedStore
from otel_jcmc.store.keys import DEFAULT_KEYS
from otel_jcmc.store.lease import Lease
from otel_jcmc.store.link import Link
from otel_jcmc.store.participant import client_digest, to_write
from otel_jcmc.verdict.journal import Entry
from otel_jcmc.verdict.record import Look, Record

pytestmark = pytest.mark.anyio

OTHER = "aaaaaaaa-5717-4562-b3fc-2c963f66afa6"


@asynccontextmanager
async def noticing(server: EmbeddedStore) -> AsyncIterator[Noticing]:
    made = Noticing(Link(server.url), DEFAULT_KEYS, 1000, "one")
    try:
        yield made
    finally:
        await made.stop()


async def notice(
    of: Noticing, participant: str, client: str = CLIENT_ID, conference: str = "standup"
) -> None:
    """Report two outages of a participant, one of them over, and a rating."""
    for fields in ({"f31": 9000, "f46": 1}, {"f1": 97}, {"f31": 8000, "f46": 1}, {"f34": 3}):
        told: dict[str, Any] = fields
        report = push(participant, f"session-of-{participant}", conference=conference, **told)
        report.client_id = report.attributes[65] = client
        of.take(to_write(report, 30_000), report)
        await of.send()


async def erase(server: EmbeddedStore, *conferences: str) -> int:
    history = History(server.url, DEFAULT_KEYS, 30_000)
    record = Record(server.url, "jcmc", 86_400_000)
    erasure = Erasure(history, HISTORY, 30_000, record)
    try:
        return await erasure.erase(conferences, [CLIENT_ID])
    finally:
        await erasure.close()
        await history.close()


def waiting(client: redis.Redis) -> list[str]:
    """Return the owners of the waiting events."""
    lists: list[Any] = [client.lrange(key, 0, -1) for key in DEFAULT_KEYS.each("events")]
    events = [read_waiting(item) for items in lists for item in items]
    return [
        each.payload.attributes.get(66) or each.payload.told["jitsi.standing_out.name"]
        for each in events
    ]


def names_of(client: redis.Redis) -> str:
    """Return all stored state of outages, and of the number of events by owner."""
    found = []
    for key in client.scan_iter("*"):
        if b"outages" in key or key.endswith(b":minute"):
            is_hash = client.type(key) == b"hash"
            found.append(client.hgetall(key) if is_hash else client.zrange(key, 0, -1))
    return repr(found)


async def test_what_waits_of_a_client_is_erased_and_nothing_of_others(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    """Although nothing else is known of it, not even that it was there."""
    async with noticing(each_server) as some:
        await notice(some, "ada")
        await notice(some, "eve", conference="retro")
        await notice(some, "bob", OTHER)
        before = waiting(each_client)
        assert sorted(set(before)) == ["ada", "bob", "eve"]
        await erase(each_server)
    assert waiting(each_client) == [each for each in before if each == "bob"]
    left = names_of(each_client)
    assert left.count("bob") > 0
    assert "session-of-ada" not in left
    assert "session-of-eve" not in left


async def test_one_conference_of_a_client_can_be_erased(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    async with noticing(each_server) as some:
        await notice(some, "ada")
        await notice(some, "eve", conference="retro")
        await erase(each_server, "retro")
    assert set(waiting(each_client)) == {"ada"}


async def test_what_a_process_has_not_handed_over_is_refused(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    async with noticing(each_server) as some:
        await notice(some, "ada")
        report = push("ada", "session-of-ada", f31=9000, f46=1)
        some.take(to_write(report, 30_000), report)
        await erase(each_server)
        await some.send()
    assert waiting(each_client) == []


async def test_a_sender_that_stands_out_is_erased_too(
    each_server: EmbeddedStore, each_client: redis.Redis
) -> None:
    """Its name is `conference/participant`, and no member tells the owner."""
    record = Record(each_server.url, "jcmc", 86_400_000)
    lease = Lease(each_server.url, record.lease_key, "one")
    assert await lease.hold()
    now_ms = 1_800_000_000_000
    mine, theirs = client_digest(CLIENT_ID).hex(), client_digest(OTHER).hex()
    numbers = (0.5, (1, 2, 3, 4), 0.5)
    entries = [
        Entry("sender", "standup/ada", "", now_ms, now_ms, *numbers, mine),
        Entry("sender", "standup/bob", "", now_ms, now_ms, *numbers, theirs),
        Entry("bridge", "jvb-1", "eu", now_ms, now_ms, *numbers),
    ]
    await record.read_look()
    assert await record.write("one", Look(now_ms, entries), [])
    link = Link(each_server.url)
    assert await Onsets(record, link, DEFAULT_KEYS, 1000, "one").tell() == 3
    await erase(each_server)
    assert waiting(each_client) == ["standup/bob", "jvb-1"]
    # Nor does a replica that had read it before tell it again.
    each_client.delete("jcmc:{00}:events", "jcmc:{00}:events:told", "jcmc:{verdict}:told")
    assert await lease.hold()
    await record.read_look()
    assert await record.write("one", Look(now_ms + 1, entries), [])
    await Onsets(record, link, DEFAULT_KEYS, 1000, "one").tell()
    assert waiting(each_client) == ["standup/bob", "jvb-1"]
    assert each_client.pttl("jcmc:{00}:events:refused") > 0
    await link.close()
    await lease.release()
    await record.close()


def test_it_is_erased_over_http_while_the_receiver_is_away(
    redis_server: EmbeddedStore, short_path: Path
) -> None:
    """A client that comes back does not get them again."""
    sink = OtlpSink()
    settings = {
        "REDIS_URL": redis_server.url,
        "OTEL_LOGS_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_ENDPOINT": sink.http_endpoint,
    }
    with Service(short_path / "a", **settings) as service:
        for name, client in (("ada", CLIENT_ID), ("bob", OTHER)):
            body = pushed(name, 5000)
            body["default_labels"]["client_id"] = client
            assert service.push(body).status == 200
        eventually(lambda: service.own("otel_jcmc_events_waiting") == 2)
        asked = f"/sessions?client_id={CLIENT_ID}"
        assert service.get(asked, method="DELETE").json() == {"deleted": 1}
        with sink:
            eventually(sink.events, 40)
            eventually(lambda: service.own("otel_jcmc_events_waiting") == 0)
        # At least once: on a busy machine the same event may be sent again.
        assert {each.attributes["jitsi.participant.id"] for each in sink.events()} == {"bob"}
        assert len({each.uid for each in sink.events()}) == 1
