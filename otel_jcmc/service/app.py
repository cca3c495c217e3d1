"""
Makes the service as an ASGI application, with its routes and their parts: `create_app(settings)`.

Settings come in; a complete application goes out. It opens and starts nothing before its lifespan.
"""

from collections.abc import Iterator
from functools import cache, partial

from fastapi import APIRouter

from otel_jcmc.config.settings import Settings, name_of, to_text
from otel_jcmc.server.relay import Relay
from otel_jcmc.service.application import Application
from otel_jcmc.service.client_files import jmmc_file, own_file
from otel_jcmc.service.life import Life
from otel_jcmc.service.looking import page_routes
from otel_jcmc.service.parts import Parts
from otel_jcmc.service.portrait import SelfPortrait
from otel_jcmc.service.shared import Place
from otel_jcmc.store.embedded import EmbeddedStore
from otel_jcmc.web.client import client_routes
from otel_jcmc.web.conferences import conference_routes
from otel_jcmc.web.doctor import doctor_routes
from otel_jcmc.web.pages import health_routes
from otel_jcmc.web.push import PUSH_PATH
from otel_jcmc.web.push_token import push_token_routes
from otel_jcmc.web.readers import Readers
from otel_jcmc.web.scrape import scrape_routes
from otel_jcmc.web.sessions import session_routes
from otel_jcmc.web.summaries import summary_routes


def create_app(
    settings: Settings | None = None,
    embedded: EmbeddedStore | None = None,
    *,
    admin_port: int | None = None,
    connections: int | None = None,
    place: Place | None = None,
) -> Application:
    """
    Return the service as an ASGI application; it starts with its lifespan, or at a first request.

    Run it in a server, or mount it: the host's lifespan can then include it by
    `otel_jcmc.lifespan`.

    Args:
        embedded: the store to start if *settings* have no URL of a store; the command line has
            begun to start it, so that it comes up during the imports.
        admin_port: the local port that answers everything except what browsers ask for.
        connections: most connections at once, if the process may have fewer than *settings* allow.
        place: which process of a service this process is; None: the only process.

    Raises:
        pydantic.ValidationError: *settings* are not given, and those of the environment are wrong.
        KeysUnusable: the key for tokens, or the file of keys, that the settings name is not usable.
    """
    settings = settings or Settings()
    parts = Parts(settings, embedded, connections, place)
    place = parts.place
    jmmc_push_path = f"{settings.jmmc_path}/push" if settings.jmmc_path else ""
    wants_token = {
        PUSH_PATH: settings.push_auth != "none",
        "/metrics": settings.scrape_token,
        jmmc_push_path: jmmc_push_path and settings.push_auth != "none",
    }
    relay = None if place.reads else Relay(place.shared.relay_path)
    return Application(
        Life(parts.running),
        parts.taking,
        parts.connections,
        jmmc_push_path,
        guarded=[path for path, is_wanted in wants_token.items() if is_wanted],
        routers=_routers(settings, parts),
        description_readers=_page_readers(settings, parts),
        admin_port=admin_port,
        get_client_path=_get_client_path(settings),
        relay=relay,
        takes=place.takes,
        end_streams=relay.end_streams if relay else parts.reading.viewing.end,
    )


def _routers(settings: Settings, parts: Parts) -> Iterator[APIRouter]:
    """Return all routes, except those of pushes and of the OpenAPI document."""
    taking, reading = parts.taking, parts.reading
    portrait = SelfPortrait(settings, parts.store, parts.telemetry, parts.pulse, reading)
    cors = taking.cors
    readers = _page_readers(settings, parts)
    # First, because the routes of pages hand a request that wants no page to the other routes.
    yield from page_routes(settings, parts.store, reading, parts.pulse, parts.privacy, readers)
    # Each file is compressed when the first page asks for it, so that the start does not wait.
    if settings.jmmc_path:
        yield client_routes(_get_client_path(settings), cache(partial(jmmc_file, settings)), cors)
    if taking.push_tokens:
        count = parts.telemetry.count_push_token
        yield push_token_routes(taking.push_tokens.issue, cors, taking.limits, count)
    yield health_routes(parts.store)
    yield doctor_routes(portrait.tell, readers)
    yield client_routes("/client-file", cache(partial(own_file, settings)), cors)
    scraper = reading.scraper if "prometheus" in settings.metrics_exporter else None
    scrape_readers = _scrape_readers(settings, parts)
    yield scrape_routes(scraper, scrape_readers, settings.limit_scrapes, settings.partitions)
    interval_ms = settings.history_interval_seconds * 1000
    # Sessions that are recorded only for their spans can be erased, but not read.
    history = reading.history if settings.history_hours else None
    privacy, record = parts.privacy, reading.record
    yield session_routes(history, reading.erasure, record, readers, privacy, interval_ms)
    grace_ms = settings.session_grace_seconds * 1000
    yield conference_routes(history, record, readers, privacy, grace_ms, interval_ms)
    yield summary_routes(reading.summaries, readers)


def _get_client_path(settings: Settings) -> str:
    """Return the path at which JMMC pages find their script; empty: they get no script."""
    return f"{settings.jmmc_path}/getClient" if settings.jmmc_path else ""


def _scrape_readers(settings: Settings, parts: Parts) -> Readers:
    """Return the check of callers that want to scrape."""
    return Readers(
        "scrape",
        settings.trusted_proxies,
        parts.telemetry.reads_refused,
        token=to_text(settings.scrape_token or ""),
        token_setting=name_of("scrape_token"),
        private_setting=name_of("allow_private_scrape_only"),
        private_only=settings.allow_private_scrape_only,
    )


def _page_readers(settings: Settings, parts: Parts) -> Readers:
    """Return the check of callers that want to read the pages for people, or history."""
    return Readers(
        "pages",
        settings.trusted_proxies,
        parts.telemetry.reads_refused,
        token=to_text(settings.read_token or ""),
        token_setting=name_of("read_token"),
        hosts=settings.read_hosts,
        hosts_setting=name_of("read_hosts"),
    )
