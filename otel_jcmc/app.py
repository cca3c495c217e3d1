"""
`create_app(settings)`: makes every part, ties them together, and owns their life.

A part gets the few plain values that it needs; only this module, generate.py and the command line
see Settings. Nothing is opened or started before the application's lifespan.
"""

import asyncio
import logging
import multiprocessing
import os
import secrets
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

from otel_jcmc import __version__, enrich
from otel_jcmc.access import Callers, Cors, Door
from otel_jcmc.catalogue import LOCAL_ADDRESS, PEER_ADDRESS, USERNAME
from otel_jcmc.checks import make_rules
from otel_jcmc.client_file import ClientFile, make_client_file
from otel_jcmc.connections import Bounds, Connections
from otel_jcmc.embedded import EmbeddedStore
from otel_jcmc.exporter import ExporterProcess
from otel_jcmc.faults import StoreCannotStart, StoreUnavailable
from otel_jcmc.gauges import declare
from otel_jcmc.limits import Limits
from otel_jcmc.otlp import WatchedExporter, make_exporter
from otel_jcmc.privacy import Privacy, Treatment
from otel_jcmc.provider import GaugeProvider
from otel_jcmc.push import PushParser
from otel_jcmc.receiver import Authorise, PushDoor
from otel_jcmc.routes import (
    Receiver,
    client_routes,
    description_routes,
    health_routes,
    push_token_routes,
    scrape_routes,
)
from otel_jcmc.scrape import Scraper
from otel_jcmc.settings import Settings, name_of, names_of, to_text
from otel_jcmc.store import Store
from otel_jcmc.telemetry import Telemetry, make_resource

if TYPE_CHECKING:
    from otel_jcmc.push_token import PushTokens

log = logging.getLogger(__name__)

CHECK_SECONDS: Final = 5.0
LAST_EXPORT_MS: Final = 2_000


def create_app(settings: Settings | None = None, embedded: EmbeddedStore | None = None) -> Receiver:
    """
    Return the service as an ASGI application; it starts with its lifespan.

    Args:
        embedded: the store to start when *settings* have no URL of one; the command line has
            begun to start it, so that it comes up while all this is imported.

    Raises:
        pydantic.ValidationError: *settings* are not given and the environment's are wrong.
        KeysUnusable: there is no key to verify tokens by where the settings say that one is.
    """
    settings = settings or Settings()
    service = Service(settings, embedded)
    app = Receiver(
        title="otel_jcmc",
        version=__version__,
        openapi_url=None,  # ours has a door before it
        lifespan=lambda _app: service.running(),
    )
    cors = Cors(settings.cors_allowed_origins)
    privacy = _privacy(settings)
    rules = make_rules(settings.limit_label_characters, settings.limit_transports, privacy.dropped)
    app.rules = rules
    app.push_door = PushDoor(
        service.store,
        service.telemetry,
        cors,
        PushParser(rules),
        privacy if privacy.is_needed else None,
        settings.metrics_expiration_seconds * 1000,
        settings.limit_body_bytes,
        service.limits,
        _who_may_push(settings, service, cors),
    )
    app.push_door.body_seconds = settings.limit_body_seconds
    app.connections = Connections(_bounds(settings), service.telemetry.connections_cut)
    service.telemetry.count_connections = app.connections.count
    # With 0 nobody knows it yet: until the command line does, no port answers what is not public.
    app.admin_port = settings.admin_port
    scrape_door, read_door = _doors(settings, service.telemetry.reads_refused)
    if service.push_tokens:
        count = service.telemetry.count_push_token
        app.include_router(push_token_routes(service.push_tokens.issue, cors, count))
    app.include_router(health_routes(service.store))
    app.include_router(client_routes(_client_file(settings), cors))
    scraper = service.scraper if "prometheus" in settings.metrics_exporter else None
    app.include_router(scrape_routes(scraper, scrape_door))
    app.include_router(description_routes(app.openapi, read_door))
    return app


def _privacy(settings: Settings) -> Privacy:
    """Return what becomes of what is personal; without a key with one for this start alone."""
    key = settings.privacy_key
    return Privacy(
        settings.privacy_policy, key.get_secret_value() if key else secrets.token_urlsafe()
    )


def _doors(settings: Settings, refused: dict[tuple[str, str], int]) -> tuple[Door, Door]:
    """Return the door of the scrape, and that of every page for people."""
    scrape = Door(
        "scrape",
        settings.trusted_proxies,
        refused,
        token=to_text(settings.scrape_token or ""),
        token_setting=name_of("scrape_token"),
        private_setting=name_of("allow_private_scrape_only"),
        private_only=settings.allow_private_scrape_only,
    )
    pages = Door(
        "pages",
        settings.trusted_proxies,
        refused,
        token=to_text(settings.read_token or ""),
        token_setting=name_of("read_token"),
    )
    return scrape, pages


def _bounds(settings: Settings) -> Bounds:
    """Return what one connection may take, and how many there may be."""
    return Bounds(
        settings.limit_connections,
        settings.limit_head_bytes,
        settings.limit_head_seconds,
        settings.limit_body_seconds,
        settings.limit_answer_seconds,
    )


def _who_may_push(settings: Settings, service: "Service", cors: Cors) -> Authorise | None:
    """Return what asks each push for its token, None where nobody asks; only what it needs."""
    if settings.push_auth == "token":
        from otel_jcmc.push_secret import SharedSecret
        from otel_jcmc.push_token import PushTokens

        given = settings.push_token_secret
        secret = SharedSecret(
            service.redis_url,
            f"{settings.key_prefix}:push-token-secret",
            given.get_secret_value().encode() if given else b"",
        )
        service.push_tokens = PushTokens(secret, settings.push_token_seconds, cors.allows)
        return service.push_tokens
    if settings.push_auth == "jwt":
        from otel_jcmc.jitsi_keys import Keys, jwks_keys, key_of_setting, secret_key
        from otel_jcmc.jitsi_token import JitsiTokens

        if settings.jwt_secret:
            keys = Keys(secret_key, settings.jwt_secret.get_secret_value())
        elif settings.jwt_public_key:
            keys = key_of_setting(settings.jwt_public_key)
        else:
            keys = Keys(jwks_keys, path=settings.jwt_jwks_file)
        return JitsiTokens(
            keys,
            settings.jwt_issuer,
            settings.jwt_audience,
            settings.jwt_subject,
            settings.jwt_leeway_seconds,
        )
    return None


def _client_file(settings: Settings) -> ClientFile:
    """Return the browser's file with what it may know of *settings*."""
    kept = {id_ for id_, word in settings.privacy_policy.items() if word is not Treatment.DROP}
    told = {
        "version": __version__,
        "pushUrl": settings.push_url,
        # What would be dropped need not be sent.
        "collectUsername": USERNAME.id in kept,
        "collectAddresses": bool(kept & {LOCAL_ADDRESS.id, PEER_ADDRESS.id}),
        "intervalMs": settings.client_interval_seconds * 1000,
        "jitterMs": settings.client_jitter_seconds * 1000,
        "sendJwt": settings.client_send_jwt or settings.push_auth == "jwt",
        "tokenUrl": "push-token" if settings.push_auth == "token" else "",
        "debug": settings.client_debug,
    }
    # What is off need not be said: every page of every user loads this.
    return make_client_file(
        {name: value for name, value in told.items() if value}, keep_comments=settings.client_debug
    )


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


class Service:
    """The parts behind the routes, and their life."""

    def __init__(self, settings: Settings, embedded: EmbeddedStore | None = None) -> None:
        """Make the parts; nothing is opened or started yet."""
        self._settings = settings
        self._instance_id = str(uuid.uuid4())
        self._embedded: EmbeddedStore | None = None
        self.push_tokens: PushTokens | None = None
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
        )
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
                self._embedded.start()
                stack.callback(self._embedded.stop)
            stack.push_async_callback(self.store.close)
            with suppress(StoreUnavailable):
                await self.store.ping()
            if self.push_tokens:
                stack.push_async_callback(self.push_tokens.close)
                await self.push_tokens.start()
            checking = asyncio.create_task(self._check())
            stack.callback(checking.cancel)
            if "otlp" in self._settings.metrics_exporter:
                await self._start_otlp(stack)
            await asyncio.to_thread(enrich.warm)
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

    async def _start_otlp(self, stack: AsyncExitStack) -> None:
        """Start the exporter's process, and the export of our own metrics in this one."""
        settings = self._settings
        # The environment's endpoint is the SDK's to read; one of a host's own settings is ours.
        is_told = any(name in os.environ for name in names_of("otlp_endpoint"))
        own = await asyncio.to_thread(
            make_exporter,
            settings.otlp_protocol,
            settings.otlp_timeout_ms / 1000,
            None if is_told else settings.otlp_endpoint,
        )
        environ = settings.to_environ() | {
            "REDIS_URL": self.redis_url,
            "JCMC_INSTANCE_ID": self._instance_id,
            # It reads what is stored, and needs no key.
            "JCMC_PRIVACY": "none",
            "JCMC_PRIVACY_KEY": "",
        }
        exporter = ExporterProcess(os.environ | environ, self._note_export)
        exporter.start()
        stack.push_async_callback(exporter.stop)
        self.telemetry.add_reader(
            PeriodicExportingMetricReader(
                WatchedExporter(own, "our own metrics"),
                settings.export_interval_ms,
                settings.export_timeout_ms,
            )
        )
        stack.push_async_callback(asyncio.to_thread, self.telemetry.shut_down, LAST_EXPORT_MS)

    def _note_export(self, report: dict[str, Any]) -> None:
        """Count what the exporter's process tells of one export."""
        if "outcome" in report:
            self.telemetry.record_export("otlp", report["outcome"], report["seconds"])
        # None with Redis away, or when another replica pushes: absent beats stale.
        self.telemetry.record_snapshot(report.get("participants"), report.get("conferences"))


def _refuse_workers() -> None:
    """
    Refuse to start one embedded store for each of several workers, who would each show a part.

    Raises:
        StoreCannotStart: this process is a worker of another one.
    """
    if multiprocessing.parent_process() is not None:
        raise StoreCannotStart(
            "the embedded store is for one process and this is one of several workers:"
            " set REDIS_URL, and all of them share one Redis"
        )
