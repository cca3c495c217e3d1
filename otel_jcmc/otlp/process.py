"""
Exports participants by OTLP; runs in the process that sends.

It reads the same Redis as `serve`, and uses the same snapshot and gauges. Requests go to a
`Sender`. It reports each export to its parent by one line of JSON on stdout, an empty object
when another replica takes over the export. The process ends when its stdin ends.
"""

import asyncio
import json
import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic, time_ns
from typing import Any

from opentelemetry.sdk.resources import Resource

from otel_jcmc.catalogue.reasons import StoreUnavailable
from otel_jcmc.metrics.collection import Gauges
from otel_jcmc.metrics.reading import SnapshotReader
from otel_jcmc.metrics.snapshot import Snapshot
from otel_jcmc.otlp.metrics import FAILED, MetricDelivery
from otel_jcmc.otlp.told import Told
from otel_jcmc.store.lease import Lease, Leases

ExportReport = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ParticipantExport:
    """
    Exports all live participants, or the shares of them whose leases this process has.

    The holder of the first share also exports the metrics that are counted over all participants.

    Attributes:
        gauges: the gauges of participants to export.
        interval_seconds: from one collection to the next.
        timeout_seconds: the time for one collection, including all its requests.
        told: the series that the receiver has from this process; forgotten when a share is lost.

    Concurrency: one `run`.
    """

    reader: SnapshotReader
    lease: Lease | Leases
    gauges: Gauges
    delivery: MetricDelivery
    resource: Resource
    interval_seconds: float
    timeout_seconds: float
    told: Told = field(default_factory=Told)

    async def run(self) -> None:
        """Export participants at each interval, while this process has the lease; never return."""
        renewing = asyncio.create_task(
            self.lease.keep("otlp: this replica %s", "pushes", self._lost)
        )
        before: set[int] = set()
        try:
            next_push = monotonic() + self.interval_seconds
            while True:
                await asyncio.sleep(max(0.0, next_push - monotonic()))
                next_push = max(next_push + self.interval_seconds, monotonic())
                if held := self.lease.held:
                    if not before <= set(held):
                        # Series of lost shares belong to another process now, and are not over.
                        self.told.forget()
                    before = set(held)
                    report_to_parent(await self._export(held))
                elif self.told.any:
                    await self._let_go()
        finally:
            renewing.cancel()
            await self.lease.release()
            await self.reader.close()

    def _lost(self) -> None:
        """Report to the parent that another replica now knows how many participants are live."""
        report_to_parent({})

    async def _let_go(self) -> None:
        """Leave our series to the replica that has the lease; if Redis is away, end our series."""
        try:
            await self.reader.store.now_ms()
        except StoreUnavailable:
            await self._end_all()
        else:
            self.told.forget()

    async def _end_all(self) -> None:
        """End all series, so that a receiver does not go on showing values that may be old."""
        await asyncio.to_thread(self._push, None, None, monotonic() + self.timeout_seconds)

    async def _export(self, held: Sequence[int]) -> ExportReport:
        """Read, collect and send the shares in *held*; return the report for the parent."""
        started = monotonic()
        mine = everybody = None
        try:
            if 0 in held:
                mine = everybody = await self.reader.take()
            if len(held) < self.lease.count:
                every = self.reader.store.keys.every
                mine = await self.reader.take([p for p in every if p % self.lease.count in held])
        except StoreUnavailable:
            await self._end_all()
            away = "Redis does not answer"
            return {"outcome": FAILED, "seconds": monotonic() - started, "why": away}
        outcome = await asyncio.to_thread(
            self._push, mine, everybody, started + self.timeout_seconds
        )
        told = {
            "outcome": outcome,
            "seconds": monotonic() - started,
            "why": self.delivery.why,
        }
        if everybody is None:
            return told
        participants, conferences = everybody.counts
        return {
            **told,
            "participants": participants,
            "conferences": conferences,
            "partitions_unread": everybody.unread,
            "standing_known": int(everybody.look is not None),
        }

    def _push(self, mine: Snapshot | None, everybody: Snapshot | None, deadline: float) -> str:
        """Collect and send metrics, request by request, until one fails or the time is over."""
        # Imported here, because the parent does not need this module, which takes 20 MB.
        from otel_jcmc.otlp.points import requests

        gauges = self.gauges.collect(mine, levels=False)
        gauges += self.gauges.collect(everybody, participants=False)
        self.told.begin()
        made = requests(gauges, self.resource, time_ns(), self.told)
        outcome = self.delivery.export(made, deadline)
        self.told.end(is_taken=outcome != FAILED)
        return outcome


def report_to_parent(report: ExportReport) -> None:
    """Write *report* for the process that started this one, as a line of JSON."""
    print(json.dumps(report), flush=True)


def end_with_parent() -> None:
    """End this process when its stdin ends, that is when the parent stops or dies."""

    def wait() -> None:
        with suppress(OSError):
            while os.read(0, 1024):
                pass
        os.kill(os.getpid(), 15)

    threading.Thread(target=wait, daemon=True, name="parent").start()
