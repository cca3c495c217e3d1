"""
Exports participants by OTLP; runs in a process of its own, which `serve` starts.

This process reads the same Redis as `serve`, and uses the same snapshot and gauges. It sends the
requests by a `Sender`. After each export it writes one line of JSON to stdout, for its parent. The
line is an empty object when another replica takes over the export. The process ends when its stdin
ends.
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
    Exports all live participants, or the shares of participants for which this process has a lease.

    The process that has the first share also exports the metrics that count all participants.

    Attributes:
        gauges: the gauges of participants to export.
        interval_seconds: the time from one collection to the next.
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
                        # Another process now exports the series of lost shares: do not end them.
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
        """Report to the parent that this replica no longer exports."""
        report_to_parent({})

    async def _let_go(self) -> None:
        """Forget our series, because another replica exports them; end them if Redis is away."""
        try:
            await self.reader.store.now_ms()
        except StoreUnavailable:
            await self._end_all()
        else:
            self.told.forget()

    async def _end_all(self) -> None:
        """End all series, so that the receiver does not continue to show old values."""
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
        """Collect and send metrics, until a request fails or *deadline*; return the outcome."""
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
    """Start a thread that ends this process when stdin ends: the parent has stopped or died."""

    def wait() -> None:
        with suppress(OSError):
            while os.read(0, 1024):
                pass
        os.kill(os.getpid(), 15)

    threading.Thread(target=wait, daemon=True, name="parent").start()
