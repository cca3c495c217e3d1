"""
The process that pushes OTLP, and the one that watches it.

An export works for a good part of a second, and its libraries take as much memory again as the
service, which no push may feel. So `serve` starts a second process (`ExporterProcess`), which reads
the same Redis and runs the same snapshot, gauges and provider into the SDK's exporter (`run`). It
tells its parent about each export with one line of JSON on stdout, an empty object when another
replica takes over, and ends when its stdin does.
"""

import asyncio
import json
import logging
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from time import monotonic, time_ns
from typing import Any, Final

from opentelemetry.sdk.resources import Resource

from otel_jcmc.catalogue.reasons import StoreUnavailable
from otel_jcmc.catalogue.rows import Naming
from otel_jcmc.metrics import snapshot
from otel_jcmc.metrics.gauges import declare
from otel_jcmc.metrics.provider import GaugeProvider
from otel_jcmc.otlp.exporters import FAILED, WatchedExporter, make_exporter, take_requests
from otel_jcmc.store.lease import RENEW_SECONDS, Lease
from otel_jcmc.store.live import Store

log = logging.getLogger(__name__)

STOP_SECONDS: Final = 3.0
MAX_BACKOFF_SECONDS: Final = 30.0

ExportReport = dict[str, Any]


async def run(
    redis_url: str,
    key_prefix: str,
    holder: str,
    naming: Naming,
    metrics_prefix: str,
    protocol: str,
    request_seconds: float,
    resource: Resource,
    interval_seconds: float,
    timeout_seconds: float,
) -> None:
    """Push every live participant each interval, while the lease is ours; never returns."""
    store = Store(redis_url, key_prefix)
    lease = Lease(redis_url, f"{key_prefix}:otlp:lease", holder)
    provider = GaugeProvider()
    declare(provider.get_meter("otel_jcmc"), naming, metrics_prefix)
    made = take_requests(make_exporter(protocol, request_seconds))
    exporter = WatchedExporter(made, "participants")
    renewing = asyncio.create_task(_keep(lease))
    try:
        people: snapshot.People = {}
        next_push = monotonic() + interval_seconds
        while True:
            await asyncio.sleep(max(0.0, next_push - monotonic()))
            next_push = max(next_push + interval_seconds, monotonic())
            if lease.is_ours:
                deadline = monotonic() + timeout_seconds
                report, people = await _export(
                    store, people, provider, exporter, resource, deadline
                )
                tell(report)
    finally:
        renewing.cancel()
        await lease.release()
        await store.close()


async def _keep(lease: Lease) -> None:
    """Take or renew the *lease* for ever; say so when it changes hands."""
    was_ours = False
    while True:
        is_ours = await lease.hold()
        if is_ours != was_ours:
            log.info("otlp: this replica %s", "pushes" if is_ours else "leaves it to another")
            if not is_ours:
                tell({})
        was_ours = is_ours
        await asyncio.sleep(RENEW_SECONDS)


def tell(report: ExportReport) -> None:
    """Tell the parent."""
    print(json.dumps(report), flush=True)


async def _export(
    store: Store,
    people: snapshot.People,
    provider: GaugeProvider,
    exporter: WatchedExporter,
    resource: Resource,
    deadline: float,
) -> tuple[ExportReport, snapshot.People]:
    """Read, collect and push once; return what the parent counts, and who was live."""
    started = monotonic()
    try:
        live = await snapshot.take(store, people)
    except StoreUnavailable:
        return {"outcome": FAILED, "seconds": monotonic() - started}, {}
    with snapshot.bound(live):
        outcome = await asyncio.to_thread(_push, provider, exporter, resource, deadline)
    report = {
        "outcome": outcome,
        "seconds": monotonic() - started,
        "participants": len(live.stays),
        "conferences": live.conferences,
    }
    return report, live.people


def _push(
    provider: GaugeProvider, exporter: WatchedExporter, resource: Resource, deadline: float
) -> str:
    """Collect and push, request by request, until one fails or the time is over."""
    # Here, because the parent needs none of it: 20 MB.
    from otel_jcmc.otlp.points import requests

    return exporter.export_all(requests(provider.collect(), resource, time_ns()), deadline)


def end_with_parent() -> None:
    """End this process when its stdin ends, which is when the parent stops or dies."""

    def wait() -> None:
        with suppress(OSError):
            while os.read(0, 1024):
                pass
        os.kill(os.getpid(), 15)

    threading.Thread(target=wait, daemon=True, name="parent").start()


class ExporterProcess:
    """
    The exporter as a child: started, started again when it dies, and stopped.

    Concurrency: start and stop from one event loop.
    """

    def __init__(self, environ: dict[str, str], on_export: Callable[[ExportReport], None]) -> None:
        """Run the child in *environ*; *on_export* gets each of its reports."""
        self._environ = environ
        self._on_export = on_export
        self._process: asyncio.subprocess.Process | None = None
        self._watching: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The child's process id."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the child and watch it."""
        self._watching = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        """Run the child, again and again, later each time it dies young."""
        backoff = 1.0
        while True:
            started = monotonic()
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "otel_jcmc", "export"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env=self._environ,
                start_new_session=True,
            )
            assert self._process.stdout is not None
            async for line in self._process.stdout:
                with suppress(ValueError):
                    self._on_export(json.loads(line))
            code = await self._process.wait()
            if monotonic() - started > MAX_BACKOFF_SECONDS:
                backoff = 1.0
            log.warning("otlp: the exporter ended (%s); again in %.0f s", code, backoff)
            await asyncio.sleep(backoff)
            backoff = min(2 * backoff, MAX_BACKOFF_SECONDS)

    async def stop(self) -> None:
        """End the child: kindly by its stdin, then not."""
        if self._watching is None:
            return
        self._watching.cancel()
        process = self._process
        if process is None or process.returncode is not None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
