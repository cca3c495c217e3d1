"""What is kept of a snapshot for the next read, and reads at the same time."""

import asyncio

import pytest
from people import apart
from storing import put

from otel_jcmc.metrics.reading import MOST_KNOWN, SnapshotReader
from otel_jcmc.store.embedded import EmbeddedStore
from otel_jcmc.store.keys import Keys
from otel_jcmc.store.live import Store
from otel_jcmc.store.participant import Participant, Stay, from_value, to_write
from otel_jcmc.wire.push import Report
from otel_jcmc.wire.session import Session


async def fill(store: Store, first: int = 0) -> None:
    """Store pushes of 20 participants, each in a conference of its own."""
    for number in range(first, first + 20):
        identity = {64: f"room-{number}", 65: "client", 66: "ada", 1: 97.5}
        report = Report(f"room-{number}", "client", "ada", Session(), *apart(identity))
        await put(store, to_write(report, 60_000))


@pytest.mark.anyio
async def test_other_shares_each_time_do_not_fill_the_memory(each_server: EmbeddedStore) -> None:
    store = Store(each_server.url, Keys("jcmc", 64))
    reader = SnapshotReader(store)
    await fill(store)
    for _ in range(2):
        found = 0
        for n in range(1, 15):
            for k in range(n):
                share = await reader.take(range(k, 64, n))
                found += len(share.stays)
        assert found == 14 * 20
    assert len(reader._known) == MOST_KNOWN
    await reader.close()


@pytest.mark.anyio
async def test_reads_at_the_same_time_decode_each_push_once(
    each_server: EmbeddedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(each_server.url)
    reader = SnapshotReader(store)
    await fill(store)
    decoded: list[bytes] = []

    def decode(value: bytes, known: Stay | None = None) -> Participant | None:
        decoded.append(value)
        return from_value(value, known)

    monkeypatch.setattr("otel_jcmc.metrics.snapshot.from_value", decode)
    first = asyncio.create_task(reader.take())
    await asyncio.sleep(0)
    # These pushes come after the first read has begun, and before the other two begin.
    await fill(store, 20)
    others = [asyncio.create_task(reader.take()) for _ in range(2)]
    assert len((await first).stays) >= 20
    for other in others:
        assert len((await other).stays) == 40
    assert len(decoded) == 40
    await reader.close()


@pytest.mark.anyio
async def test_a_read_that_is_given_up_keeps_no_other_waiting(each_server: EmbeddedStore) -> None:
    store = Store(each_server.url)
    reader = SnapshotReader(store)
    await fill(store)
    first = asyncio.create_task(reader.take())
    await asyncio.sleep(0)
    other = asyncio.create_task(reader.take())
    await asyncio.sleep(0)
    first.cancel()
    assert len((await asyncio.wait_for(other, 10)).stays) == 20
    assert first.cancelled()
    await reader.close()
