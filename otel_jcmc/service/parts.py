"""
The parts behind the routes, and their life: the store, the scrape, the OTLP process, the checks.

Made by app.py. Nothing is opened or started before `running` is entered, which is the application's
lifespan.
"""

import asyncio
import logging
import multiprocessing
import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

from otel_jcmc.catalogue.reasons import StoreCannotStart, StoreUnavailable
from otel_jcmc.config.settings import Settings, names_of
from otel_jcmc.intake import browsers
from otel_jcmc.intake.callers import Callers
from otel_jcmc.intake.limits import Limits
from otel_jcmc.metrics.gauges import declare
from otel_jcmc.metrics.own import Telemetry, make_resource
from otel_jcmc.metrics.provider import GaugeProvider
from otel_jcmc.metrics.scrape import Scraper
from otel_jcmc.otlp.exporters import WatchedExporter, make_exporter
from otel_jcmc.otlp.process import ExporterProcess
from otel_jcmc.sessions.erasure import Erasure
from otel_jcmc.sessions.history import History
from otel_jcmc.sessions.log import SessionLogs
from otel_jcmc.sessions.quota import Bounds, Quota
from otel_jcmc.sessions.recorder import Recorder
from otel_jcmc.sessions.vitals import Thresholds
from otel_jcmc.store.embedded import EmbeddedStore
from otel_jcmc.store.keeping import SETTLE_MS, Keeping
from otel_jcmc.store.live import Store

if TYPE_CHECKING:
    from otel_jcmc.intake.push_tokens import PushTokens

log = logging.getLogger(__name__)

CHECK_SECONDS: Final = 5.0
LAST_EXPORT_MS: Final = 2_000
# For which a session is known without history: that long its span may wait to be made.
HOURS_WITHOUT_HISTORY: Final = 24


class Parts:
    """The parts behind the routes, and their life."""

    def __init__(self, settings: Settings, embedded: EmbeddedStore | None = None) -> None:
        """Make the parts; nothing is opened or started yet."""
        self._settings = settings
        self._instance_id = str(uuid.uuid4())
        self._embedded: EmbeddedStore | None = None
        self.push_tokens: PushTokens | None = None
        # What lets go of Redis at the end, of parts that begin when they are needed.
        self.closing: list[Callable[[], Awaitable[None]]] = []
        if settings.redis_url:
            self.redis_url = settings.redis_url.get_secret_value()
        else:
            self._embedded = embedded or EmbeddedStore(settings.embedded_dir)
            self.redis_url = self._embedded.url
        self.telemetry = Telemetry(
            make_resource(settings.service_name, settings.resource_attributes, self._instance_id)
        )
        self.store = Store(
            self.redis_url,
            settings.key_prefix,
            settings.limit_participants,
            settings.limit_conference_participants,
            self.telemetry.record_batch,
            keeping_of(settings),
        )
        self.recorder = _recorder(settings, self.redis_url)
        if self.recorder is not None:
            self.telemetry.history = self.recorder
        self.history, self.erasure = _history(settings, self.redis_url)
        self.limits = _limits(settings)
        provider = GaugeProvider()
        provider.errors = self.telemetry.callback_errors
        declare(provider.get_meter("otel_jcmc"), settings.naming, settings.metrics_prefix)
        self.scraper = Scraper(self.store, provider, self.telemetry)

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
            stack.push_async_callback(self.store.close)
            if self.history:
                stack.push_async_callback(self.history.close)
            with suppress(StoreUnavailable):
                await self.store.ping()
            for close in self.closing:
                stack.push_async_callback(close)
            if self.push_tokens:
                stack.push_async_callback(self.push_tokens.close)
                await self.push_tokens.start()
            if self.recorder is not None:
                stack.push_async_callback(self.recorder.stop)
                self.recorder.start()
            checking = asyncio.create_task(self._check())
            stack.callback(checking.cancel)
            if "otlp" in self._settings.metrics_exporter:
                await self._start_own_export(stack)
            if "otlp" in (*self._settings.metrics_exporter, self._settings.traces_exporter):
                self._start_exporter(stack)
            await asyncio.to_thread(browsers.warm)
            yield

    async def _check(self) -> None:
        """Ask the store for a sign of life now and then; an embedded one that died starts again."""
        while True:
            if self._embedded and not self._embedded.is_running:
                log.error("store: the embedded server died; starting it again, empty")
                with suppress(StoreCannotStart):
                    self._embedded.restart()
            with suppress(StoreUnavailable):
                await self.store.count()
            self.telemetry.store_up = bool(self.store.up)
            self.limits.refusals.look()
            await asyncio.sleep(CHECK_SECONDS)

    async def _start_own_export(self, stack: AsyncExitStack) -> None:
        """Start the export of our own metrics, in this process."""
        settings = self._settings
        own = await asyncio.to_thread(
            make_exporter,
            settings.otlp_protocol,
            settings.otlp_timeout_ms / 1000,
            None if self._endpoint_is_told else settings.otlp_endpoint,
        )
        self.telemetry.add_reader(
            PeriodicExportingMetricReader(
                WatchedExporter(own, "our own metrics"),
                settings.export_interval_ms,
                settings.export_timeout_ms,
            )
        )
        stack.push_async_callback(asyncio.to_thread, self.telemetry.shut_down, LAST_EXPORT_MS)

    def _start_exporter(self, stack: AsyncExitStack) -> None:
        """Start the exporter's process, of participants and of spans."""
        exporter = ExporterProcess(os.environ | self.exporter_environ(), self._note_export)
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

    def _note_export(self, report: dict[str, Any]) -> None:
        """Count what the exporter's process tells of one export, or of spans."""
        if (traces := report.get("traces")) is not None:
            self.telemetry.record_spans(traces.get("spans", {}), traces["waiting"])
            return
        if "outcome" in report:
            self.telemetry.record_export("otlp", report["outcome"], report["seconds"])
        # None with Redis away, or when another replica pushes: absent beats stale.
        self.telemetry.record_snapshot(report.get("participants"), report.get("conferences"))


def keeping_of(settings: Settings) -> Keeping:
    """Return what is kept of sessions."""
    sends_spans = settings.traces_exporter == "otlp"
    grace_ms = settings.session_grace_seconds * 1000
    keep_ms = (settings.history_hours or HOURS_WITHOUT_HISTORY) * 3_600_000
    # A leave is written at once by who heard it; other processes may have a part of the interval.
    settle_ms = settings.history_interval_seconds * 1000 + SETTLE_MS
    if sends_spans:
        keep_ms = max(keep_ms, 2 * (grace_ms + settle_ms))
    has_history = settings.history_hours > 0
    return Keeping(settings.keeps_sessions, sends_spans, grace_ms, keep_ms, settle_ms, has_history)


def _recorder(settings: Settings, redis_url: str) -> Recorder | None:
    """Return what records sessions, None where nothing is kept of them."""
    if not settings.keeps_sessions:
        return None
    logs = SessionLogs(
        redis_url, settings.key_prefix, keeping_of(settings), settings.history_samples
    )
    bounds = Bounds(settings.history_sessions, settings.history_max_bytes)
    room = Quota(logs.link, settings.key_prefix, keeping_of(settings), bounds)
    thresholds = None
    if settings.traces_exporter == "otlp":
        thresholds = Thresholds(
            settings.bad_quality, settings.bad_packet_loss, settings.bad_round_trip_ms
        )
    return Recorder(logs, room, settings.history_interval_seconds, thresholds)


def _history(settings: Settings, redis_url: str) -> tuple[History | None, Erasure | None]:
    """Return what reads sessions and what erases them, None where none are kept."""
    if not settings.keeps_sessions:
        return None, None
    interval_ms = settings.history_interval_seconds * 1000
    history = History(redis_url, settings.key_prefix, interval_ms)
    return history, Erasure(history, keeping_of(settings), interval_ms)


def _limits(settings: Settings) -> Limits:
    """Return the limits that this process keeps by itself."""
    said = False

    def say_unknown() -> None:
        nonlocal said
        if not said:
            log.warning(
                "limits: those by address do not count private callers without a forwarded header:"
                " they may be a proxy; set JCMC_TRUSTED_PROXIES, and let it send X-Forwarded-For"
            )
        said = True

    return Limits(
        Callers(settings.trusted_proxies, say_unknown),
        settings.limit_address_pushes,
        settings.limit_participant_pushes,
        settings.limit_address_newcomers,
    )


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
