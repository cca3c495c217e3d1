"""
Makes summaries of ended sessions, if the service exports no spans.

Of all replicas on one Redis, only the replica with the lease makes summaries. This replica also
takes pushes. Each step of a sweep is short, so that the replica can handle pushes between the
steps. If the service exports spans, the replica that makes the spans also makes the summaries
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
    """Replaces ended sessions and conferences by spans and summaries (sweep.py)."""

    async def run(self) -> tuple[int, bool]:
        """Replace some; return their number, and whether further ones are waiting."""

    async def close(self) -> None:
        """Close the connections to Redis that this object opened."""


class Summarizer:
    """
    Makes summaries while this process has the lease; used if the service exports no spans.

    Concurrency: one event loop.
    """

    def __init__(self, lease: Lease, link: AnyLink, sweep: Sweeping) -> None:
        """Keep the arguments; when `run` ends, it releases *lease*, closes *link* and *sweep*."""
        self._lease = lease
        self._link = link
        self._sweep = sweep
        self._trouble = Trouble(
            log, "summaries: Redis does not answer, or refuses: %s", "summaries: Redis answers"
        )

    async def run(self) -> None:
        """Keep the lease and make summaries until this task is cancelled."""
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
        """Every second, make summaries of ended sessions."""
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
