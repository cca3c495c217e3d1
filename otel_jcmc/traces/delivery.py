"""
Turns ended sessions and conferences into spans, and sends the spans to the receiver.

Of all replicas at one Redis, only the replica with the lease does this, in its exporter's process.
It makes the spans (sweep.py), and sends waiting spans until the receiver has accepted them
(otlp/delivery.py).
"""

import asyncio
import logging
from collections.abc import Callable

from otel_jcmc.catalogue.reasons import StoreUnavailable
from otel_jcmc.catalogue.trouble import Trouble
from otel_jcmc.otlp.delivery import LOOK_EVERY_SECONDS, Sending
from otel_jcmc.otlp.sender import Sent
from otel_jcmc.sessions.span_marks import without_mark
from otel_jcmc.store.commands import without_script
from otel_jcmc.store.link import AnyLink
from otel_jcmc.traces.sweep import Sweep

log = logging.getLogger(__name__)


def without_marks(send: Callable[[list[bytes]], Sent]) -> Callable[[list[bytes]], Sent]:
    """Return a function that removes the marks of sessions/span_marks.py and calls *send*."""
    return lambda waiting: send([without_mark(each) for each in waiting])


class Traces:
    """
    Makes spans and sends them, while this process has the lease.

    Concurrency: one event loop.
    """

    def __init__(self, sending: Sending, link: AnyLink, sweep: Sweep) -> None:
        """Prepare; `run` closes the connections of these arguments when it ends."""
        self._sending = sending
        self._link = link
        self._sweep = sweep
        self._trouble = Trouble(
            log, "traces: Redis does not answer, or refuses: %s", "traces: Redis answers"
        )

    async def run(self) -> None:
        """Make spans and send them until the task is cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for loop in (*self._sending.loops(), self._sweeping()):
                    tasks.create_task(loop)
        finally:
            await self._sending.lease.release()
            await self._link.close()
            await self._sweep.close()

    async def _sweeping(self) -> None:
        """Every second, make spans of ended sessions and conferences; they then wait in Redis."""
        while True:
            more = False
            if self._sending.lease.is_ours:
                try:
                    _, more = await self._sweep.run()
                    await self._sending.report(self._sweep.lost)
                    self._trouble.update("")
                except StoreUnavailable as error:
                    self._trouble.update(without_script(str(error.__cause__ or "") or "time-out"))
            await asyncio.sleep(0 if more else LOOK_EVERY_SECONDS)
