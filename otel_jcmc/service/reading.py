"""Makes and runs the objects that read: scrapes, search for what stands out, history, exports."""

import asyncio
import os
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any, Final

from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

from otel_jcmc.config.settings import names_of
from otel_jcmc.metrics.collection import Gauges
from otel_jcmc.metrics.scrape import Scraper
from otel_jcmc.otlp.metrics import MetricDelivery, OwnMetricExporter
from otel_jcmc.otlp.sender import Sender, Signal
from otel_jcmc.pages.viewing import Viewing
from otel_jcmc.service.child import ExporterProcess
from otel_jcmc.service.common import Common
from otel_jcmc.service.recording import make_history, make_summaries, make_summarizer
from otel_jcmc.service.watching import make_reader, make_record, make_watch
from otel_jcmc.store.agreement import AgreedLink
from otel_jcmc.store.cluster import open_link
from otel_jcmc.verdict.judge import Judge

LAST_EXPORT_MS: Final = 2_000


class Reading:
    """
    The objects that read participants and sessions.

    Attributes:
        link: a connection to Redis for rare requests.
        scraper: answers scrapes.
        viewing: reads and counts all live participants for the pages.
        record: the journal of what stands out.
        history, erasure, summaries: the objects that read sessions, erase them, and read summaries;
            None if no such data is kept.
        own_delivery: sends our own metrics to an OTLP receiver; None: there is no receiver.
    """

    def __init__(self, common: Common, gauges: Gauges) -> None:
        """Make the objects that read; *gauges* are for scrapes. Nothing is opened yet."""
        settings, redis_url = common.settings, common.redis_url
        holder = common.place.shared.instance_id
        self._common = common
        self.link = AgreedLink(open_link(redis_url), settings.keys, writes=False)
        self.summaries = make_summaries(settings, self.link)
        record = make_record(settings, redis_url)
        self._summarizer = make_summarizer(settings, redis_url, holder, record)
        self.history, self.erasure = make_history(settings, redis_url)
        self.record = make_record(settings, redis_url)
        # One thread in place of the loop's pool. The memory of each thread grows to the size of a
        # scrape, and stays so. Two threads would not be faster, because only one of them can hold
        # the interpreter's lock.
        thread = ThreadPoolExecutor(1, "scrape")
        self._reader = make_reader(settings, common.store, redis_url, thread)
        count = common.telemetry.count_look
        self._watch = make_watch(settings, self._reader, redis_url, holder, count)
        self.scraper = Scraper(self._reader, gauges, common.telemetry)
        self.own_delivery: MetricDelivery | None = None
        judge = Judge(settings.bad_packet_loss, settings.bad_round_trip_ms)
        self.viewing = Viewing(self._reader, self.record, judge)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Start the tasks that run beside the requests; at the end stop them in reverse order."""
        exporters = self._common.settings.metrics_exporter
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._reader.close)
            stack.callback(self.viewing.close)
            if self.history:
                stack.push_async_callback(self.history.close)
            stack.push_async_callback(self.link.close)
            stack.push_async_callback(self.record.close)
            if self.erasure:
                stack.push_async_callback(self.erasure.close)
            stack.push_async_callback(_end, asyncio.create_task(self._watch.run()))
            if self._summarizer is not None:
                stack.push_async_callback(_end, asyncio.create_task(self._summarizer.run()))
            if "otlp" in exporters:
                await self._start_own_export(stack)
            settings = self._common.settings
            if "otlp" in (*exporters, settings.traces_exporter, settings.logs_exporter):
                self._start_exporter(stack)
            yield

    async def _start_own_export(self, stack: AsyncExitStack) -> None:
        """Start the export of our own metrics, in this process."""
        settings, telemetry = self._common.settings, self._common.telemetry
        seconds = settings.otlp_timeout_ms / 1000
        sender = await asyncio.to_thread(
            Sender,
            Signal.METRICS,
            settings.otlp_protocol,
            seconds,
            None if self._endpoint_is_told else settings.otlp_endpoint,
        )
        exporter = OwnMetricExporter(
            *(sender, "our own metrics", seconds, telemetry.histograms, telemetry.since)
        )
        self.own_delivery = exporter.delivery
        telemetry.instruments.add_reader(
            PeriodicExportingMetricReader(
                *(exporter, settings.export_interval_ms, settings.export_timeout_ms)
            )
        )
        stack.push_async_callback(
            asyncio.to_thread, telemetry.instruments.shut_down, LAST_EXPORT_MS
        )

    async def count_tests(self) -> int:
        """
        Return how many live participants are test participants of `otel-jcmc doctor`.

        Raises:
            StoreUnavailable: Redis did not answer in time.
        """
        return (await self._reader.take()).tests

    def _start_exporter(self, stack: AsyncExitStack) -> None:
        """Start the process that exports participants, spans and events."""
        exporter = ExporterProcess(os.environ | self.exporter_environ(), self._count_export)
        exporter.start()
        stack.push_async_callback(exporter.stop)

    def exporter_environ(self) -> dict[str, str]:
        """Return the variables that the exporter's process gets in addition to our environment."""
        settings = self._common.settings
        environ = settings.to_environ() | {
            "REDIS_URL": self._common.redis_url,
            "JCMC_INSTANCE_ID": self._common.place.shared.instance_id,
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": settings.spans_protocol,
            "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": str(settings.spans_timeout_ms),
            "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL": settings.logs_protocol,
            "OTEL_EXPORTER_OTLP_LOGS_TIMEOUT": str(settings.logs_timeout_ms),
            # Values in Redis are already hashed or dropped, so the exporter needs no key.
            "JCMC_PRIVACY": "none",
            "JCMC_PRIVACY_KEY": "",
        }
        if self._endpoint_is_told:
            # The SDK reads the endpoints from our environment, which may name another endpoint for
            # metrics than for spans.
            environ.pop("OTEL_EXPORTER_OTLP_ENDPOINT", None)
        return environ

    @property
    def _endpoint_is_told(self) -> bool:
        """Whether the environment names an endpoint, which the SDK reads; otherwise we pass one."""
        return any(name in os.environ for name in names_of("otlp_endpoint"))

    def _count_export(self, report: dict[str, Any]) -> None:
        """Count an export of participants, spans or events that the exporter's process reports."""
        telemetry = self._common.telemetry
        if (traces := report.get("traces")) is not None:
            why = traces.get("why", "")
            telemetry.record_spans(traces.get("spans", {}), traces["waiting"], why)
            return
        if (logs := report.get("logs")) is not None:
            why = logs.get("why", "")
            telemetry.record_events(logs.get("events", {}), logs["waiting"], why)
            return
        if "outcome" in report:
            outcome, seconds = report["outcome"], report["seconds"]
            telemetry.record_export("otlp", outcome, seconds, report.get("why", ""))
        # These are None if Redis is away, or if another replica exports. The gauges are then
        # absent, so they never show old values.
        telemetry.record_snapshot(report.get("participants"), report.get("conferences"))
        telemetry.standing_known = report.get("standing_known")
        telemetry.partitions_unread = report.get("partitions_unread")


async def _end(task: asyncio.Task[None]) -> None:
    """Cancel *task*, and wait until it has cleaned up."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
