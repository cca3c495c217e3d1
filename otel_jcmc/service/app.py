"""
Makes the whole service as an ASGI application: `create_app(settings)`.

The input is the settings. The output is an application with all routes. The application opens and
starts nothing until its lifespan begins.
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
    Return the service as an ASGI application.

    Run it in a server, or mount it in another application, its host. It starts with its lifespan,
    or at the first request if the host does not run that. A host runs it by `otel_jcmc.lifespan`.

    Args:
        settings: None: the settings of the environment and of `.env`.
        embedded: the store to use if *settings* have no REDIS_URL; the command line has already
            begun to start it, so that it starts while Python imports modules.
        admin_port: the local port that answers everything except the paths for browsers.
        connections: the most connections at once, if this process may have fewer than *settings*
            allow.
        place: which process of the service this process is; None: the only process.

    Raises:
        pydantic.ValidationError: *settings* is None, and the settings of the environment are wrong.
        KeysUnusable: the settings name a key for tokens, or a file of keys, that is not usable.
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
    # The routes of pages come first: they match only requests for pages, and others go on to the
    # routes below with the same paths.
    yield from page_routes(settings, parts.store, reading, parts.pulse, parts.privacy, readers)
    # A client file is compressed when it is first asked for, so that the service starts faster.
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
    # If sessions are recorded only to send spans, readers can't read them, but can erase them.
    history = reading.history if settings.history_hours else None
    privacy, record = parts.privacy, reading.record
    yield session_routes(history, reading.erasure, record, readers, privacy, interval_ms)
    grace_ms = settings.session_grace_seconds * 1000
    yield conference_routes(history, record, readers, privacy, grace_ms, interval_ms)
    yield summary_routes(reading.summaries, readers)


def _get_client_path(settings: Settings) -> str:
    """Return the path of the script for JMMC pages; empty: the service has no such script."""
    return f"{settings.jmmc_path}/getClient" if settings.jmmc_path else ""


def _scrape_readers(settings: Settings, parts: Parts) -> Readers:
    """Return the object that decides which callers may scrape."""
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
    """Return the object that decides which callers may read pages and history."""
    return Readers(
        "pages",
        settings.trusted_proxies,
        parts.telemetry.reads_refused,
        token=to_text(settings.read_token or ""),
        token_setting=name_of("read_token"),
        hosts=settings.read_hosts,
        hosts_setting=name_of("read_hosts"),
    )
