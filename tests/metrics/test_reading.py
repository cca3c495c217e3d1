"""Snapshots of shares: what is kept of them for the next read."""

import pytest
from people import apart
from storing import put

from otel_jcmc.metrics.reading import MOST_KNOWN, SnapshotReader
from otel_jcmc.store.embedded import EmbeddedStore
from otel_jcmc.store.keys import Keys
from otel_jcmc.store.live import Store
from otel_jcmc.store.participant import to_write
from otel_jcmc.wire.push import Report
from otel_jcmc.wire.session import Session


@pytest.mark.anyio
async def test_other_shares_each_time_do_not_fill_the_memory(each_server: EmbeddedStore) -> None:
    store = Store(each_server.url, Keys("jcmc", 64))
    reader = SnapshotReader(store)
    for number in range(20):
        identity = {64: f"room-{number}", 65: "client", 66: "ada", 1: 97.5}
        report = Report(f"room-{number}", "client", "ada", Session(), *apart(identity))
        await put(store, to_write(report, 60_000))
    for _ in range(2):
        found = 0
        for n in range(1, 15):
            for k in range(n):
                share = await reader.take(range(k, 64, n))
                found += len(share.stays)
        assert found == 14 * 20
    assert len(reader._known) == MOST_KNOWN
    await reader.close()
