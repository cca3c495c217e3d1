"""An erased client in the data of others: what stood out, and their worst streams."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from harness import CLIENT_ID
from past import NOON, Past, numbers
from recording import HISTORY, read_log

from otel_jcmc.sessions.entry import Sample
from otel_jcmc.sessions.erasure import Erasure
from otel_jcmc.sessions.history import History
from otel_jcmc.store.embedded import EmbeddedStore
from otel_jcmc.store.keys import DEFAULT_KEYS
from otel_jcmc.verdict.census import Scope
from otel_jcmc.verdict.journal import Entry, continue_with
from otel_jcmc.verdict.record import Look, Record
from otel_jcmc.verdict.standing import Coverage, Standing

pytestmark = pytest.mark.anyio
OTHER = "aaaaaaaa-5717-4562-b3fc-2c963f66afa6"
COVERAGE = Coverage(1, 2, 2, 2)
KEEP_MS = 86_400_000
WORST_SOURCE = 92


@pytest.fixture
async def record(kind: EmbeddedStore) -> AsyncIterator[Record]:
    record = Record(kind.url, "jcmc", KEEP_MS)
    yield record
    await record.close()


async def erase(kind: EmbeddedStore, *conferences: str, client_id: str = CLIENT_ID) -> int:
    history = History(kind.url, DEFAULT_KEYS, 30_000)
    erasure = Erasure(history, HISTORY, 30_000, Record(kind.url, "jcmc", KEEP_MS))
    try:
        return await erasure.erase(conferences, [client_id])
    finally:
        await erasure.close()
        await history.close()


def spoils(name: str, client: str = "", scope: Scope = Scope.SENDER) -> Entry:
    """Return an entry of the journal, of a look at NOON."""
    (entry,), _ = continue_with((), NOON, [Standing(scope, name, "", 0.5, COVERAGE, client)])
    return entry


async def write(record: Record, past: Past, look: Look, *over: Entry) -> bool:
    past.client.set(record.lease_key, "me")
    await record.read_look()
    return await record.write("me", look, [*over])


async def names(record: Record) -> list[str]:
    """Return what stands out and what stood out, by name."""
    return sorted(each.name for each in await record.read(0, NOON + 1))


async def test_who_spoilt_the_calls_of_others_is_forgotten_by_what_stands_out(
    kind: EmbeddedStore, past: Past, record: Record
) -> None:
    past.session(NOON, "a/b", participant="ada")
    past.session(NOON, "a/b", OTHER, participant="bob")
    look = Look(NOON, [spoils("a/b/ada"), spoils("a/b/bob")], {"a/b/ada": 6, "a/b/bob": 6})
    conference = spoils("a/b", scope=Scope.CONFERENCE)
    assert await write(record, past, look, spoils("a/b/ada"), spoils("a/b/bob"), conference)
    assert await erase(kind) == 1
    assert await names(record) == ["a/b", "a/b/bob", "a/b/bob"]
    left, _ = await record.read_look()
    assert left is not None
    assert (left.at_ms, left.causes) == (NOON, {"a/b/bob": 6})
    # It is kept for as long as before.
    assert past.client.pttl("jcmc:{verdict}:now") > KEEP_MS - 60_000


async def test_so_is_who_is_in_no_history_any_more(
    kind: EmbeddedStore, past: Past, record: Record
) -> None:
    mine, theirs = spoils("standup/ada", CLIENT_ID.upper()), spoils("standup/bob", OTHER)
    retro = spoils("retro/ada", CLIENT_ID)
    assert CLIENT_ID not in repr([mine, retro]).lower()
    assert await write(record, past, Look(NOON, [mine, theirs]), mine, theirs, retro)
    await erase(kind, "standup")
    assert await names(record) == ["retro/ada", "standup/bob", "standup/bob"]
    await erase(kind)
    assert await names(record) == ["standup/bob", "standup/bob"]


async def test_a_look_from_before_does_not_bring_it_back(
    kind: EmbeddedStore, past: Past, record: Record
) -> None:
    mine = spoils("standup/ada", CLIENT_ID)
    assert await write(record, past, Look(NOON, [mine]))
    before, _ = await record.read_look()
    assert before is not None
    await erase(kind)
    assert not await record.write("me", Look(NOON + 10_000, before.entries), before.entries)
    assert await names(record) == []
    await record.read_look()
    assert await record.write("me", Look(NOON + 10_000), [])


async def test_what_others_got_worst_does_not_name_it_any_more(
    kind: EmbeddedStore, past: Past
) -> None:
    def told(source: str) -> dict[int, Any]:
        return {64: "standup", 65: OTHER, 66: "bob", 69: "eu-west", WORST_SOURCE: source}

    past.session(NOON, participant="ada")
    log = [
        Sample(NOON + at * 1000, numbers(f1=50 + at), attributes=told(source) if source else None)
        for at, source in enumerate(["ada", "", "eve", "ada"] + [""] * 996 + ["ada"])
    ]
    sid = past.session(
        NOON, client_id=OTHER, participant="bob", attributes=told("ada"), log=tuple(log)
    )
    other = past.session(NOON, "retro", OTHER, "bob", attributes={WORST_SOURCE: "ada"})
    base = past.base(sid)
    past.client.hset(f"{base}session:{sid}", "bytes", 5000)
    past.client.set(f"{base}bytes", 9000)
    assert await erase(kind) == 1
    samples = read_log(past.client, sid)
    assert len(samples) == 1001
    assert [each.numbers[0] for each in samples[:4]] == [50, 51, 52, 53]
    sources = [each.attributes and each.attributes.get(WORST_SOURCE) for each in samples]
    assert sources == [None, None, "eve"] + [None] * 998
    assert samples[0].attributes == {64: "standup", 65: OTHER, 66: "bob", 69: "eu-west"}
    about: Any = past.client.get(f"{base}about:{sid}")
    assert WORST_SOURCE not in msgspec.msgpack.decode(about)
    # A participant with the same name in another conference is another person.
    about = past.client.get(f"{past.base(other)}about:{other}")
    assert msgspec.msgpack.decode(about)[WORST_SOURCE] == "ada"
    # Four times five bytes less: a key, and a text of three.
    assert past.client.hget(f"{base}session:{sid}", "bytes") == b"4980"
    assert past.client.get(f"{base}bytes") == b"8980"


def test_what_is_written_of_a_sender_has_no_client_id() -> None:
    assert spoils("standup/ada", CLIENT_ID).client == "1e38bdee9870a2724f5544b95a655ed5"
