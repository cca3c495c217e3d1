"""
Makes summaries of finished sessions if the service makes no spans.

Only the replica that has the lease (store/lease.py) makes summaries. This replica also takes
pushes, so each step of a sweep (sweep.py) is short, and pushes get their turn between two steps. If
the service makes spans, traces/delivery.py makes the summaries together with the spans.
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
    """Makes summaries of sessions that are over, and removes these sessions (sweep.py)."""

    async def run(self) -> tuple[int, bool]:
        """
        Move sessions and conferences that are over.

        Return how many were moved, and whether there is more to do.
        """

    async def close(self) -> None:
        """Close the connections that the sweep has opened."""


class Summarizer:
    """
    Makes summaries of finished sessions while this replica has the lease.

    Concurrency: one event loop.
    """

    def __init__(self, lease: Lease, link: AnyLink, sweep: Sweeping) -> None:
        """Keep the arguments for `run`, which releases the lease and closes link and sweep."""
        self._lease = lease
        self._link = link
        self._sweep = sweep
        self._trouble = Trouble(
            log, "summaries: Redis does not answer, or refuses: %s", "summaries: Redis answers"
        )

    async def run(self) -> None:
        """Keep the lease and make summaries until cancelled; never returns."""
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
        """
        Make summaries every second while this replica has the lease.

        If a sweep left sessions that are over, the next sweep follows without a pause.
        """
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
    """Do nothing when this replica loses the lease, because no other work depends on the lease."""
