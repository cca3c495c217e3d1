"""
The parts behind the routes, and their life: the store, the scrape, the OTLP process, the checks.

Nothing is opened or started before `running` is entered, which is the application's lifespan.
"""

import asyncio
import logging
import multiprocessing
import os
import uuid
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from time import monotonic
from typing import Any, Final

from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

from otel_jcmc.catalogue.attributes import LOCAL_ADDRESS
from otel_jcmc.catalogue.reasons import StoreCannotStart, StoreUnavailable
from otel_jcmc.config.settings import Settings, names_of, to_text
from otel_jcmc.config.sizing import memory_advice
from otel_jcmc.intake import browsers
from otel_jcmc.intake.bridges import Bridges
from otel_jcmc.intake.intake import Intake
from otel_jcmc.intake.joins import Joins
from otel_jcmc.intake.networks import Networks
from otel_jcmc.intake.relays import Relays
from otel_jcmc.jmmc.push import JmmcEndpoint
from otel_jcmc.jmmc.states import States
from otel_jcmc.jmmc.wire import JmmcParser
from otel_jcmc.metrics.own import Telemetry, make_resource
from otel_jcmc.metrics.scrape import Scraper
from otel_jcmc.otlp.metrics import OwnMetricExporter
from otel_jcmc.otlp.sender import Sender, Signal
from otel_jcmc.server.connections import Connections
from otel_jcmc.service.admission import (
    first_life_ms,
    make_connection_limits,
    make_hash_secret,
    make_jitsi_tokens,
    make_limits,
    make_privacy,
    make_push_tokens,
)
from otel_jcmc.service.child import ExporterProcess
from otel_jcmc.service.recording import (
    keeping_of,
    make_history,
    make_recorder,
    make_summaries,
    make_summarizer,
)
from otel_jcmc.service.watching import (
    make_gauges,
    make_histograms,
    make_reader,
    make_record,
    make_watch,
)
from otel_jcmc.store.cluster import open_link
from otel_jcmc.store.embedded import EmbeddedStore
from otel_jcmc.store.live import Store
from otel_jcmc.store.memory import memory_of
from otel_jcmc.store.shared_secret import SharedSecret
from otel_jcmc.verdict.judge import Judge
from otel_jcmc.web.bodies import Bodies
from otel_jcmc.web.cors import Cors
from otel_jcmc.web.push import PushEndpoint
from otel_jcmc.wire.push import PushParser
from otel_jcmc.wire.rules import make_rules

log = logging.getLogger(__name__)

CHECK_SECONDS: Final = 5.0
# Who of an address has expired need not be known sooner.
TIDY_SECONDS: Final = 60.0
REFUSED_SECONDS: Final = 1.0
LAST_EXPORT_MS: Final = 2_000


class Parts:
    """The parts behind the routes, and their life."""

    def __init__(
        self,
        settings: Settings,
        embedded: EmbeddedStore | None = None,
        connections: int | None = None,
    ) -> None:
        """
        Make the parts; nothing is opened or started yet.

        Args:
            connections: most connections at once, where the descriptors allow fewer than
                *settings* do.

        Raises:
            KeysUnusable: there is no key to verify tokens by where the settings say that one is.
        """
        self._settings = settings
        self._instance_id = str(uuid.uuid4())
        self._embedded: EmbeddedStore | None = None
        if settings.redis_url:
            self.redis_url = settings.redis_url.get_secret_value()
        else:
            self._embedded = embedded or EmbeddedStore(settings.embedded_dir)
            self.redis_url = self._embedded.url
        self.connections = Connections(make_connection_limits(settings, connections), {})
        self.recorder = make_recorder(settings, self.redis_url)
        gauges = make_gauges(settings)
        joins = Joins()
        self.telemetry = Telemetry(
            make_resource(settings.service_name, settings.resource_attributes, self._instance_id),
            self.recorder,
            gauges.errors,
            self.connections.cut,
            self.connections.count,
            joins,
        )
        self.telemetry.expect(
            settings.metrics_exporter,
            spans=settings.traces_exporter == "otlp",
            push_tokens=settings.push_auth == "token",
        )
        self.store = Store(
            self.redis_url,
            settings.key_prefix,
            settings.limit_participants,
            settings.limit_conference_participants,
            self.telemetry.record_batch,
            keeping_of(settings),
            first_life_ms=first_life_ms(settings),
        )
        self._link = open_link(self.redis_url)
        self.summaries = make_summaries(settings, self._link)
        self._summarizer = make_summarizer(
            settings, self.redis_url, self._instance_id, make_record(settings, self.redis_url)
        )
        self.history, self.erasure = make_history(settings, self.redis_url)
        self.record = make_record(settings, self.redis_url)
        self.limits = make_limits(settings)
        # One thread and not the loop's pool: each thread's memory grows to what a scrape takes and
        # stays, and two renderings at once would only share the interpreter's lock.
        thread = ThreadPoolExecutor(1, "scrape")
        self._reader = make_reader(settings, self.store, self.redis_url, thread)
        self._watch = make_watch(
            settings, self._reader, self.redis_url, self._instance_id, self.telemetry.count_look
        )
        self.histograms = make_histograms(settings)
        self.scraper = Scraper(self._reader, gauges, self.telemetry, self.histograms)
        self.cors = Cors(settings.cors_allowed_origins)
        self.privacy = make_privacy(settings)
        dropped, relays = self.privacy.dropped, None
        if settings.relays:
            # It is needed for a moment, to know the relay by.
            dropped -= {LOCAL_ADDRESS.id}
            keeps = LOCAL_ADDRESS.id not in self.privacy.dropped
            relays = Relays(settings.relay_names, keeps_addresses=keeps)
        self.rules = make_rules(settings.limit_label_characters, settings.limit_transports, dropped)
        self.push_tokens = make_push_tokens(settings, self.redis_url, self.cors)
        self._hash_secret = make_hash_secret(settings, self.redis_url)
        intake = Intake(
            self.store,
            self.limits,
            settings.metrics_expiration_seconds * 1000,
            self.privacy if self.privacy.is_needed else None,
            self.push_tokens or make_jitsi_tokens(settings),
            self.recorder,
            joins,
            Bridges(settings.bridge_names, self._hash_secret),
            Networks(self._hash_secret),
            relays,
            Judge(settings.bad_packet_loss, settings.bad_round_trip_ms),
            self.histograms.count if self.histograms else None,
        )
        bodies = Bodies(settings.limit_body_bytes, settings.limit_body_seconds)
        parser = PushParser(self.rules)
        self.push_endpoint = PushEndpoint(intake, self.telemetry, self.cors, parser, bodies)
        self.jmmc_endpoint: JmmcEndpoint | None = None
        if settings.jmmc_path:
            self.jmmc_endpoint = self._jmmc_endpoint(intake, bodies)

    def _jmmc_endpoint(self, intake: Intake, bodies: Bodies) -> JmmcEndpoint:
        """Return the endpoint that pages of the Jitsi Meet Metrics Collector push to."""
        settings = self._settings
        given = to_text(settings.cookie_secret or "")
        key = f"{settings.key_prefix}:cookie-secret"
        return JmmcEndpoint(
            intake,
            self.telemetry,
            Cors(settings.cors_allowed_origins, credentials=True),
            JmmcParser(self.rules, settings.jmmc_conf_pattern, settings.jmmc_authorized_regions),
            self.rules,
            bodies,
            SharedSecret(self.redis_url, key, given.encode()),
            States(self.redis_url, settings.key_prefix, 2 * settings.limit_participants),
            settings.trusted_proxies,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Start what runs beside the requests, and stop it in the other order."""
        async with AsyncExitStack() as stack:
            if self._embedded:
                _refuse_workers()
                stack.callback(self._embedded.stop)
                # By this thread, because it ends with the one that launches it.
                self._embedded.begin()
                await asyncio.to_thread(self._embedded.start)
            stack.push_async_callback(self._reader.close)
            if self.history:
                stack.push_async_callback(self.history.close)
            stack.push_async_callback(self._link.close)
            stack.push_async_callback(self.record.close)
            if self.erasure:
                stack.push_async_callback(self.erasure.close)
            await self.store.start()
            await self._say_what_fits()
            if self.jmmc_endpoint:
                stack.push_async_callback(self.jmmc_endpoint.close)
            stack.push_async_callback(self._hash_secret.close)
            if self.push_tokens:
                stack.push_async_callback(self.push_tokens.close)
                await self.push_tokens.start()
            if self.recorder is not None:
                stack.push_async_callback(self.recorder.stop)
                self.recorder.start()
            checking = asyncio.create_task(self._check())
            stack.callback(checking.cancel)
            stack.push_async_callback(_end, asyncio.create_task(self._watch.run()))
            if self._summarizer is not None:
                stack.push_async_callback(_end, asyncio.create_task(self._summarizer.run()))
            if "otlp" in self._settings.metrics_exporter:
                await self._start_own_export(stack)
            if "otlp" in (*self._settings.metrics_exporter, self._settings.traces_exporter):
                self._start_exporter(stack)
            await asyncio.to_thread(browsers.warm)
            yield

    async def _say_what_fits(self) -> None:
        """Say once what is wrong with the memory that Redis may take, if it tells."""
        with suppress(StoreUnavailable):
            if memory := await memory_of(self._link):
                for line in memory_advice(self._settings, *memory):
                    log.warning("store: memory: %s", line)

    async def _check(self) -> None:
        """
        Ask the store now and then for a sign of life, and whether it takes writes.

        An embedded one that died starts again.
        """
        tidy_at = 0.0
        while True:
            if self._embedded and not self._embedded.is_running:
                log.error("store: the embedded server died; starting it again, empty")
                with suppress(StoreCannotStart):
                    self._embedded.restart()
            with suppress(StoreUnavailable):
                await self.store.count()
                await self.store.try_writing()
            self.telemetry.store_up = bool(self.store.up)
            self.limits.refusals.log_ended()
            if monotonic() > tidy_at:
                self.limits.crowds.tidy(monotonic())
                tidy_at = monotonic() + TIDY_SECONDS
            # What is over is known soon.
            await asyncio.sleep(REFUSED_SECONDS if self.store.is_refusing else CHECK_SECONDS)

    async def _start_own_export(self, stack: AsyncExitStack) -> None:
        """Start the export of our own metrics, in this process."""
        settings = self._settings
        seconds = settings.otlp_timeout_ms / 1000
        sender = await asyncio.to_thread(
            Sender,
            Signal.METRICS,
            settings.otlp_protocol,
            seconds,
            None if self._endpoint_is_told else settings.otlp_endpoint,
        )
        self.telemetry.add_reader(
            PeriodicExportingMetricReader(
                OwnMetricExporter(sender, "our own metrics", seconds, self.histograms),
                settings.export_interval_ms,
                settings.export_timeout_ms,
            )
        )
        stack.push_async_callback(asyncio.to_thread, self.telemetry.shut_down, LAST_EXPORT_MS)

    def _start_exporter(self, stack: AsyncExitStack) -> None:
        """Start the exporter's process, of participants and of spans."""
        exporter = ExporterProcess(os.environ | self.exporter_environ(), self._count_export)
        exporter.start()
        stack.push_async_callback(exporter.stop)

    def exporter_environ(self) -> dict[str, str]:
        """Return what the exporter's process gets beside our own environment."""
        settings = self._settings
        environ = settings.to_environ() | {
            "REDIS_URL": self.redis_url,
            "JCMC_INSTANCE_ID": self._instance_id,
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": settings.spans_protocol,
            "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": str(settings.spans_timeout_ms),
            # It reads what is stored, and needs no key.
            "JCMC_PRIVACY": "none",
            "JCMC_PRIVACY_KEY": "",
        }
        if self._endpoint_is_told:
            # As the environment has it, which may name one for metrics and none for spans.
            environ.pop("OTEL_EXPORTER_OTLP_ENDPOINT", None)
        return environ

    @property
    def _endpoint_is_told(self) -> bool:
        """Whether the environment has an endpoint: then it is the SDK's to read, else ours."""
        return any(name in os.environ for name in names_of("otlp_endpoint"))

    def _count_export(self, report: dict[str, Any]) -> None:
        """Count what the exporter's process tells of one export, or of spans."""
        if (traces := report.get("traces")) is not None:
            self.telemetry.record_spans(traces.get("spans", {}), traces["waiting"])
            return
        if "outcome" in report:
            self.telemetry.record_export("otlp", report["outcome"], report["seconds"])
        # None with Redis away, or when another replica pushes: absent beats stale.
        self.telemetry.record_snapshot(report.get("participants"), report.get("conferences"))
        self.telemetry.standing_known = report.get("standing_known")
        self.telemetry.partitions_unread = report.get("partitions_unread")


async def _end(task: asyncio.Task[None]) -> None:
    """Cancel *task*, and wait until it has cleaned up."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def _refuse_workers() -> None:
    """
    Refuse to start one embedded store for each of several workers, who would each show a part.

    Raises:
        StoreCannotStart: this process is a worker of another one.
    """
    if multiprocessing.parent_process() is not None:
        raise StoreCannotStart(
            "the embedded store is for one process and this is one of several workers,"
            " or of a server that reloads: set REDIS_URL, and all of them share one Redis"
        )
