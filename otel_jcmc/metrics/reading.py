"""
Reads all live participants, and the groups that stand out among them, into a snapshot.

The read runs on the event loop; long work runs in a thread, if the reader has a thread. If a
participant has not pushed since the last read, the reader uses what it decoded at that read. It
decodes only the other participants.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from functools import partial
from typing import Final, TypeVar

from otel_jcmc.catalogue.reasons import StoreUnavailable
from otel_jcmc.metrics.snapshot import Building, People, Snapshot
from otel_jcmc.store.live import Store
from otel_jcmc.verdict.record import Record

T = TypeVar("T")

# A scrape may read only some partitions. The reader keeps the last snapshot for this many different
# choices of partitions: scrapes can be divided into no more.
MOST_KNOWN: Final = 64


class SnapshotReader:
    """
    Takes snapshots of the live participants; several calls may run at the same time.

    Attributes:
        store: holds the participants.
        answering: how many scrapes are being answered from this reader's snapshots.
    """

    def __init__(
        self,
        store: Store,
        record: Record | None = None,
        expiration_ms: int = 0,
        thread: Executor | None = None,
    ) -> None:
        """
        Read participants from *store*, and the groups that stand out from *record*.

        Args:
            expiration_ms: the shortest time for which a push keeps a participant live.
            thread: makes the snapshots; None: the event loop makes them.
        """
        self.store = store
        self.answering = 0
        self._record = record
        self._expiration_ms = expiration_ms
        self._thread = thread
        # Partitions -> the `people` of their last snapshot. A new snapshot brings a new dict, and
        # never changes the old dict.
        self._known: dict[tuple[int, ...], People] = {}
        # Partitions -> set when the last read of them that began has ended.
        self._reading: dict[tuple[int, ...], asyncio.Event] = {}

    async def take(self, partitions: Sequence[int] | None = None) -> Snapshot:
        """
        Read all participants that are live now in *partitions*; None: in all partitions.

        Raises:
            StoreUnavailable: Redis did not answer in time.
        """
        key = self.store.keys.every if partitions is None else tuple(partitions)
        if (other := self._reading.get(key)) is not None:
            # Two reads at the same time would decode the same pushes twice. After the other read,
            # this read decodes only the pushes that came since.
            await other.wait()
        ended = self._reading[key] = asyncio.Event()
        try:
            return await self._read(key)
        finally:
            ended.set()
            if self._reading.get(key) is ended:
                del self._reading[key]

    async def _read(self, key: tuple[int, ...]) -> Snapshot:
        """Read the participants of the partitions in *key*."""
        look = None
        if self._record is not None:
            with suppress(StoreUnavailable):
                look = await self._record.read_fresh()
        known = self._known.get(key, {})
        building = Building(known, self._expiration_ms, look)
        if self._thread is None:
            async for live in self.store.read_live(known, key):
                building.add(live)
        else:
            await self._add_in_thread(building, known, key, self._thread)
        # The thread now has the last reference to objects of the last snapshot, and frees them.
        del known
        return await self.in_thread(partial(self._finish, key, building))

    def _finish(self, key: tuple[int, ...], building: Building) -> Snapshot:
        """Return the snapshot of *building*, and remember its people."""
        made = building.finish()
        self._known.pop(key, None)
        self._known[key] = made.people
        # Only the latest choices of partitions are kept, so that callers with ever new choices
        # can't fill the memory.
        while len(self._known) > MOST_KNOWN:
            self._known.pop(next(iter(self._known)))
        return made

    async def _add_in_thread(
        self, building: Building, known: People, partitions: Sequence[int], thread: Executor
    ) -> None:
        """Read participants into *building*; decode one part while Redis sends the next part."""
        loop = asyncio.get_running_loop()
        adding = [
            loop.run_in_executor(thread, building.add, live)
            async for live in self.store.read_live(known, partitions)
        ]
        await asyncio.gather(*adding)

    async def close(self) -> None:
        """Close the connections to Redis."""
        if self._record is not None:
            await self._record.close()
        await self.store.close()

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Return the result of *work*, run in the thread if there is one."""
        if self._thread is None:
            return work()
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
