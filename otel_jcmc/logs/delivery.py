"""
Queues the journal's new events in Redis, and sends all events that wait there as log records.

Of all replicas at one Redis, only the replica with the lease does this (otlp/delivery.py), in its
exporter's process.
"""

import asyncio
import logging
from collections.abc import Callable

from otel_jcmc.catalogue.reasons import StoreUnavailable
from otel_jcmc.catalogue.trouble import Trouble
from otel_jcmc.logs.onsets import Onsets
from otel_jcmc.logs.records import noted_of
from otel_jcmc.otlp.delivery import LOOK_EVERY_SECONDS, Sending
from otel_jcmc.otlp.logs import LogSender
from otel_jcmc.otlp.sender import Outcome, Sent
from otel_jcmc.store.commands import without_script
from otel_jcmc.store.link import AnyLink
from otel_jcmc.verdict.record import Record

log = logging.getLogger(__name__)


def as_records(sender: LogSender) -> Callable[[list[bytes]], Sent]:
    """Return a function that turns waiting events into log records and sends them by *sender*."""

    def send(waiting: list[bytes]) -> Sent:
        try:
            noted = [noted_of(each) for each in waiting]
        except ValueError:
            # The item is not an event: another program wrote it under our key prefix. It can't be
            # sent.
            return Sent(Outcome.BAD, "it is no event")
        return sender.send(noted)

    return send


class Logs:
    """
    Makes events of the journal, and sends all waiting events, while this process has the lease.

    Concurrency: one event loop.
    """

    def __init__(self, sending: Sending, link: AnyLink, onsets: Onsets, record: Record) -> None:
        """Prepare; `run` closes the connections of these arguments when it ends."""
        self._sending = sending
        self._link = link
        self._onsets = onsets
        self._record = record
        self._trouble = Trouble(
            log, "logs: Redis does not answer, or refuses: %s", "logs: Redis answers"
        )

    async def run(self) -> None:
        """Queue the journal's events and send all waiting events until the task is cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for loop in (*self._sending.loops(), self._telling()):
                    tasks.create_task(loop)
        finally:
            await self._sending.lease.release()
            await self._link.close()
            await self._record.close()

    async def _telling(self) -> None:
        """Every second, queue events about the journal's changes; never return."""
        while True:
            if self._sending.lease.is_ours:
                try:
                    await self._onsets.tell()
                    await self._sending.report(self._onsets.dropped)
                    self._trouble.update("")
                except StoreUnavailable as error:
                    self._trouble.update(without_script(str(error.__cause__ or "") or "time-out"))
            await asyncio.sleep(LOOK_EVERY_SECONDS)
