"""
Who makes summaries: of each session that is over one, and no more of them than may be.

`Summing` is a part of each sweep that makes some: here, or where sessions also become spans
(traces/delivery.py). Where they do not, one of the replicas sweeps, by a lease, beside its pushes:
each step is short, and pushes get their turn in between.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from time import time
from typing import Final, Protocol

from otel_jcmc.catalogue.reasons import StoreUnavailable
from otel_jcmc.catalogue.trouble import Trouble
from otel_jcmc.sessions.leg import Leg
from otel_jcmc.sessions.moves import Kept
from otel_jcmc.sessions.summaries import Summaries
from otel_jcmc.sessions.summing import Sum, row_of
from otel_jcmc.store.lease import Lease
from otel_jcmc.store.link import Link
from otel_jcmc.store.scripts import without_script

log = logging.getLogger(__name__)

EVERY_SECONDS: Final = 1.0
# What is beyond the bound may be so for so long.
BOUND_SECONDS: Final = 10.0


class Summing:
    """Which summaries are kept, for how many days, and how much of Redis they take."""

    def __init__(
        self,
        summaries: Summaries,
        days: int,
        most_bytes: int,
        *,
        names: bool,
        clock: Callable[[], float] = time,
    ) -> None:
        """Keep them for *days* after the one on which a session ended, with *names* or without."""
        self._summaries = summaries
        self._days, self._most_bytes, self._names = days, most_bytes, names
        self._clock = clock
        self._bound_at = 0.0

    def row_of(self, leg: Leg, of: Sum) -> Kept:
        """Return the row of *leg*, which came to this, and where it is kept."""
        return row_of(leg, of, self._days, names=self._names)

    async def tend(self) -> None:
        """
        Let go what is too old or too much, now and then.

        Raises:
            StoreUnavailable: Redis did not answer in time.
        """
        now = self._clock()
        if now >= self._bound_at:
            today = datetime.fromtimestamp(now, UTC).date()
            await self._summaries.bound(self._most_bytes, today - timedelta(days=self._days))
            self._bound_at = now + BOUND_SECONDS


class Sweeping(Protocol):
    """What moves all that is over (sweep.py)."""

    async def run(self) -> tuple[int, bool]:
        """Return how many were moved, and whether there is more to do."""

    async def close(self) -> None:
        """Close what it has opened."""


class Summarizer:
    """
    What makes summaries where sessions become no spans, for as long as the lease is ours.

    Concurrency: one event loop.
    """

    def __init__(self, lease: Lease, link: Link, sweep: Sweeping) -> None:
        """Prepare. What has connections is ours to close."""
        self._lease = lease
        self._link = link
        self._sweep = sweep
        self._trouble = Trouble(
            log, "summaries: Redis does not answer, or refuses: %s", "summaries: Redis answers"
        )

    async def run(self) -> None:
        """Sweep; never returns."""
        try:
            async with asyncio.TaskGroup() as tasks:
                line = "summaries: this replica %s"
                tasks.create_task(self._lease.keep(line, "makes them", _nothing))
                tasks.create_task(self._sweeping())
        finally:
            await self._lease.release()
            await self._link.close()
            await self._sweep.close()

    async def _sweeping(self) -> None:
        """Sum up who is over, each second."""
        while True:
            more = False
            if self._lease.is_ours:
                try:
                    _, more = await self._sweep.run()
                    self._trouble.update("")
                except StoreUnavailable as error:
                    self._trouble.update(without_script(str(error.__cause__ or "") or "time-out"))
            await asyncio.sleep(0 if more else EVERY_SECONDS)


def _nothing() -> None:
    """Nobody counts on the lease."""
