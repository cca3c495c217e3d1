"""The look that all open pages share: how they share it, and how long it is kept."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import pytest

from otel_jcmc.intake.privacy import Privacy, make_policy
from otel_jcmc.metrics.reading import SnapshotReader
from otel_jcmc.pages.live import Asked, _Pages
from otel_jcmc.pages.viewing import LOOK_SECONDS, Viewing
from otel_jcmc.store.embedded import EmbeddedStore
from otel_jcmc.store.keys import Keys
from otel_jcmc.store.live import Store
from otel_jcmc.verdict.judge import Judge
from otel_jcmc.verdict.record import Record

T = TypeVar("T")
HOUR_MS = 3_600_000


class Reader(SnapshotReader):
    """A real reader that counts how many pages are made at the same time."""

    waiting = most = 0

    async def in_thread(self, work: Callable[[], T]) -> T:
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        await asyncio.sleep(0.001)
        try:
            return await super().in_thread(work)
        finally:
            self.waiting -= 1


@asynccontextmanager
async def viewed(
    server: EmbeddedStore, **how: Any
) -> AsyncIterator[tuple[Viewing, _Pages, Reader]]:
    """Return what shows the participants in *server*."""
    record = Record(server.url, "jcmc", HOUR_MS)
    reader = Reader(Store(server.url, Keys("jcmc", 4)), record)
    viewing = Viewing(reader, record, Judge(5, 400), **how)
    try:
        yield viewing, _Pages(viewing, record, Privacy(make_policy(), "")), reader
    finally:
        viewing.close()
        await reader.close()


@pytest.mark.anyio
async def test_the_last_look_is_let_go_when_nobody_looks_any_more(
    each_server: EmbeddedStore,
) -> None:
    async with viewed(each_server, kept_seconds=0.2) as (viewing, pages, _):
        seen = weakref.ref(await viewing.now())
        assert b"No participant is in a conference now." in await pages.text(
            Asked(), "live.html", ""
        )
        gc.collect()
        assert seen() is not None
        async with asyncio.timeout(10):
            while seen() is not None:
                await asyncio.sleep(0.05)
                gc.collect()
        assert not pages._of
        # The next viewer gets a new look.
        assert b"No participant is in a conference now." in await pages.text(
            Asked(), "live.html", ""
        )


@pytest.mark.anyio
async def test_it_is_kept_as_long_as_somebody_asks(each_server: EmbeddedStore) -> None:
    now = [1000.0]
    async with viewed(each_server, clock=lambda: now[0], kept_seconds=60) as (viewing, _, _):
        first = await viewing.now()
        now[0] += LOOK_SECONDS / 2
        assert await viewing.now() is first
        assert viewing._rest == 60
        now[0] += 50
        assert viewing._rest == 10


@pytest.mark.anyio
async def test_pages_are_made_one_after_the_other_and_the_journal_is_read_once(
    each_server: EmbeddedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scrape waits for at most one page, and Redis is asked for the journal once."""
    async with viewed(each_server) as (viewing, pages, reader):
        await viewing.now()
        reads = []
        read = Record.read

        async def counted(of: Record, from_ms: int, to_ms: int) -> Any:
            reads.append(from_ms)
            return await read(of, from_ms, to_ms)

        monkeypatch.setattr(Record, "read", counted)
        reader.most = 0
        asked = [Asked(name=f"part {number % 60}") for number in range(300)]
        made = await asyncio.gather(*(pages.text(each, "live.html", "") for each in asked))
        assert all(each.name.encode() in text for each, text in zip(asked, made, strict=True))
        assert reader.most == 1
        assert len(reads) == 1
        assert len(pages._of[await viewing.now()].pages) == 60
