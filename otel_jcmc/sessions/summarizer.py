"""
Makes summaries if sessions do not become spans: the replica that has the lease does it.

That replica also takes pushes: each step of a sweep is short, and pushes get their turn between the
steps. If sessions become spans, the replica that makes spans makes the summaries too
(traces/delivery.py).
"""

import asyncio
import logging
from typing import Final, Protocol

from otel_jcmc.catalogue.reasons import StoreUnavailable
from otel_jcmc.catalogue.trouble import Trouble
from otel_jcmc.store.commands import without_script
from otel_jcmc.store.lease import Lease
from otel_jcmc.store.link import AnyLink

log = logging.getLogger(__name__)

EVERY_SECONDS: Final = 1.0


class Sweeping(Protocol):
    """Moves the sessions and conferences that are over (sweep.py)."""

    async def run(self) -> tuple[int, bool]:
        """Move them; return how many were moved, and whether there is more to do."""

    async def close(self) -> None:
        """Close what it has opened."""


class Summarizer:
    """
    Makes summaries if sessions do not become spans, for as long as the lease is ours.

    Concurrency: one event loop.
    """

    def __init__(self, lease: Lease, link: AnyLink, sweep: Sweeping) -> None:
        """Prepare. This object closes the lease, the link and the sweep."""
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
        """Make summaries of sessions that are over, each second."""
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
    """Do nothing: no other work depends on the lease."""
