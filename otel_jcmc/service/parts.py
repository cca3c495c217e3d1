"""
Makes, starts and stops the objects behind the routes: some take pushes, others answer readers.

Each process of a service makes all these objects, but starts only those for its work (`Place`).
Nothing is opened or started before the context `running`, which is the application's lifespan.
"""

import asyncio
import logging
import multiprocessing
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Final

from otel_jcmc.catalogue.reasons import StoreCannotStart, StoreUnavailable
from otel_jcmc.config.settings import Settings
from otel_jcmc.config.sizing import memory_advice
from otel_jcmc.intake import browsers
from otel_jcmc.intake.joins import Joins
from otel_jcmc.metrics.collection import Gauges
from otel_jcmc.metrics.histograms import Histograms
from otel_jcmc.metrics.own import READER, WORKER, Telemetry, make_resource
from otel_jcmc.metrics.places import keep_publishing, take_over
from otel_jcmc.pages.pulse import Pulse
from otel_jcmc.server.connections import Connections
from otel_jcmc.service.admission import first_life_ms, make_connection_limits, make_privacy
from otel_jcmc.service.common import Common
from otel_jcmc.service.reading import Reading
from otel_jcmc.service.recording import keeping_of, make_recorder
from otel_jcmc.service.shared import Place
from otel_jcmc.service.taking import Taking
from otel_jcmc.service.watching import make_gauges, make_histograms
from otel_jcmc.sessions.recorder import Recorder
from otel_jcmc.store.embedded import EmbeddedStore
from otel_jcmc.store.live import Store
from otel_jcmc.store.memory import memory_of
from otel_jcmc.web.refused import RefusedLog

log = logging.getLogger(__name__)

CHECK_SECONDS: Final = 5.0
REFUSED_SECONDS: Final = 1.0


class Parts:
    """
    The objects behind the routes; `running` starts and stops them.

    Attributes:
        place: which process of the service this is.
        taking, reading: the objects that take pushes, and the objects that answer readers.
        telemetry: our own metrics.
        pulse: how our own metrics have grown in the last minute.
        store: the live participants in Redis.
        privacy: drops or hashes personal values.
        connections: counts and limits connections.
    """

    def __init__(
        self,
        settings: Settings,
        embedded: EmbeddedStore | None = None,
        connections: int | None = None,
        place: Place | None = None,
    ) -> None:
        """
        Make the objects; nothing is opened or started yet.

        Args:
            embedded: the store to use if *settings* have no REDIS_URL; None: make one.
            connections: the most connections at once, if this process may have fewer descriptors
                than *settings* need.
            place: which process of the service this is; None: the only process.

        Raises:
            KeysUnusable: the settings name a key for tokens, or a file of keys, that is not usable.
        """
        self._settings = settings
        self.place = place = place or Place.alone()
        self._embedded: EmbeddedStore | None = None
        if settings.redis_url:
            self.redis_url = settings.redis_url.get_secret_value()
        else:
            self._embedded = embedded or EmbeddedStore(settings.embedded_dir)
            self.redis_url = self._embedded.url
        limits = make_connection_limits(settings, connections, place)
        self.connections = Connections(limits, {})
        recorder, gauges, joins = (
            make_recorder(settings, self.redis_url),
            make_gauges(settings),
            Joins(),
        )
        histograms = make_histograms(settings)
        self.telemetry = self._telemetry(recorder, gauges, joins, histograms)
        self.pulse = Pulse(self.telemetry)
        self._refused = RefusedLog(self.telemetry)
        self.store = Store(
            self.redis_url,
            settings.keys,
            settings.limit_participants,
            settings.limit_conference_participants,
            self.telemetry.record_batch,
            keeping_of(settings),
            first_life_ms=first_life_ms(settings),
        )
        self.privacy = make_privacy(settings, place.shared.privacy_key)
        common = Common(
            settings,
            place,
            self.redis_url,
            self.store,
            self.telemetry,
            self.privacy,
            histograms,
        )
        self.taking = Taking(common, recorder, joins)
        self.reading = Reading(common, gauges)

    def _telemetry(
        self,
        recorder: Recorder | None,
        gauges: Gauges,
        joins: Joins,
        histograms: Histograms | None,
    ) -> Telemetry:
        """Return our own metrics, which all other objects here update."""
        settings, counted = self._settings, self.place.shared.counted
        telemetry = Telemetry(
            make_resource(
                settings.service_name,
                settings.resource_attributes,
                self.place.shared.instance_id,
            ),
            recorder,
            gauges.errors,
            self.connections.cut,
            self.connections.count,
            joins,
            histograms,
            WORKER if self.place.takes else READER,
            counted.others(self.place.slot) if counted and self.place.reads else list,
        )
        telemetry.expect(
            settings.metrics_exporter,
            spans=settings.traces_exporter == "otlp",
            events=settings.logs_exporter == "otlp",
            push_tokens=settings.push_auth == "token",
        )
        if counted:
            take_over(counted[self.place.slot], telemetry)
        return telemetry

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Start the tasks that run beside the requests; at the end stop them in reverse order."""
        async with AsyncExitStack() as stack:
            if self._embedded:
                _refuse_workers()
                stack.callback(self._embedded.stop)
                # In this thread: the store ends when the thread that launched it ends.
                self._embedded.begin()
                await asyncio.to_thread(self._embedded.start)
            stack.push_async_callback(self.store.close)
            await self.store.start()
            self.telemetry.store_up = bool(self.store.up)
            # Metrics are published only now: before Redis's first answer, they would say that Redis
            # is down.
            if counted := self.place.shared.counted:
                told = keep_publishing(counted[self.place.slot], self.telemetry.figures)
                stack.push_async_callback(_end, asyncio.create_task(told))
            if self.place.takes:
                await stack.enter_async_context(self.taking.running())
            if self.place.reads:
                await self._say_what_fits()
                await stack.enter_async_context(self.reading.running())
            checking = asyncio.create_task(self._check())
            stack.callback(checking.cancel)
            await asyncio.to_thread(browsers.warm)
            yield

    async def _say_what_fits(self) -> None:
        """Log a warning if Redis's memory limit does not fit the settings."""
        with suppress(StoreUnavailable):
            if memory := await memory_of(self.reading.link):
                for line in memory_advice(self._settings, *memory):
                    log.warning("store: memory: %s", line)

    async def _check(self) -> None:
        """
        Check regularly whether the store answers and accepts writes.

        If an embedded store has died, start it again.
        """
        while True:
            if self._embedded:
                self._embedded.revive()
            with suppress(StoreUnavailable):
                await self.store.count()
                await self.store.try_writing()
            self.telemetry.store_up = bool(self.store.up)
            await self.taking.tidy()
            self.pulse.note()
            if self.place.reads:
                self._refused.tell()
            # While Redis refuses writes, check often, to know soon when it accepts writes again.
            await asyncio.sleep(REFUSED_SECONDS if self.store.is_refusing else CHECK_SECONDS)


async def _end(task: asyncio.Task[None]) -> None:
    """Cancel *task*, and wait until it has cleaned up."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def _refuse_workers() -> None:
    """
    Refuse an embedded store in one of several processes, each of which would have its own store.

    Raises:
        StoreCannotStart: this process is a worker of another process.
    """
    if multiprocessing.parent_process() is not None:
        raise StoreCannotStart(
            "the embedded store is for one process and this is one of several workers,"
            " or of a server that reloads: set REDIS_URL, and all of them share one Redis"
        )
