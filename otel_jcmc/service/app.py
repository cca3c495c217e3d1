"""
`create_app(settings)`: makes every part and ties them together.

A part gets the few plain values that it needs; only this module, service.py, generate.py and the
command line see Settings. Nothing is opened or started before the application's lifespan.
"""

import secrets
from functools import cache, partial
from typing import Any, Final

from otel_jcmc.catalogue.rows import LOCAL_ADDRESS, PEER_ADDRESS, USERNAME, Attribute
from otel_jcmc.config.settings import Settings, name_of, to_text
from otel_jcmc.intake.intake import Authorise, Intake
from otel_jcmc.intake.privacy import Privacy, Treatment
from otel_jcmc.jmmc.push import JmmcEndpoint
from otel_jcmc.jmmc.states import States
from otel_jcmc.jmmc.wire import JmmcParser
from otel_jcmc.server.connections import ConnectionLimits, Connections
from otel_jcmc.service.application import Application, list_methods
from otel_jcmc.service.life import Life
from otel_jcmc.service.parts import Parts
from otel_jcmc.store.embedded import EmbeddedStore
from otel_jcmc.store.shared_secret import SharedSecret
from otel_jcmc.version import __version__
from otel_jcmc.web.bodies import Bodies
from otel_jcmc.web.client import JMMC_FILE_NAME, ClientFile, client_routes, make_client_file
from otel_jcmc.web.cors import Cors
from otel_jcmc.web.pages import description_routes, health_routes
from otel_jcmc.web.push import PUSH_PATH, PushEndpoint
from otel_jcmc.web.push_token import push_token_routes
from otel_jcmc.web.readers import Readers
from otel_jcmc.web.scrape import scrape_routes
from otel_jcmc.web.sessions import session_routes
from otel_jcmc.wire.push import PushParser
from otel_jcmc.wire.rules import Rules, make_rules

# FastAPI's own, which writes to the providers that a host has made global.
NO_TELEMETRY: Final[Any] = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "auto_configure": False,
}


def create_app(
    settings: Settings | None = None, embedded: EmbeddedStore | None = None
) -> Application:
    """
    Return the service as an ASGI application; it starts with its lifespan, or at a first request.

    For a server, or to be mounted: then the host's lifespan may have it by `otel_jcmc.lifespan`.

    Args:
        embedded: the store to start when *settings* have no URL of one; the command line has
            begun to start it, so that it comes up while all this is imported.

    Raises:
        pydantic.ValidationError: *settings* are not given and the environment's are wrong.
        KeysUnusable: there is no key to verify tokens by where the settings say that one is.
    """
    settings = settings or Settings()
    service = Parts(settings, embedded)
    life = Life(service.running)
    app = Application(
        title="otel_jcmc",
        version=__version__,
        openapi_url=None,  # ours has a endpoint before it
        lifespan=lambda _app: life.running(),
        telemetry=NO_TELEMETRY,
    )
    app.life = life
    cors = Cors(settings.cors_allowed_origins)
    privacy = _privacy(settings)
    rules = make_rules(settings.limit_label_characters, settings.limit_transports, privacy.dropped)
    app.rules = rules
    wants_token = {PUSH_PATH: settings.push_auth != "none", "/metrics": settings.scrape_token}
    app.guarded = [path for path, is_wanted in wants_token.items() if is_wanted]
    intake = Intake(
        service.store,
        service.limits,
        settings.metrics_expiration_seconds * 1000,
        privacy if privacy.is_needed else None,
        _who_may_push(settings, service, cors),
        None if service.recorder is None else service.recorder.note,
    )
    bodies = Bodies(settings.limit_body_bytes, settings.limit_body_seconds)
    app.push_endpoint = PushEndpoint(intake, service.telemetry, cors, PushParser(rules), bodies)
    if settings.jmmc_path:
        app.jmmc_push_path = f"{settings.jmmc_path}/push"
        app.jmmc_endpoint = _jmmc_door(settings, service, intake, rules, bodies)
        get_client = f"{settings.jmmc_path}/getClient"
        app.public_paths |= {app.jmmc_push_path, get_client}
        # Made when the first page asks, which in most places none does.
        app.include_router(client_routes(get_client, cache(partial(_jmmc_file, settings)), cors))
        if settings.push_auth != "none":
            app.guarded.append(app.jmmc_push_path)
    app.connections = Connections(_bounds(settings), service.telemetry.connections_cut)
    service.telemetry.count_connections = app.connections.count
    scrape_readers, page_readers = _readers(settings, service.telemetry.reads_refused)
    if service.push_tokens:
        count = service.telemetry.count_push_token
        app.include_router(
            push_token_routes(service.push_tokens.issue, cors, service.limits, count)
        )
    app.add_exception_handler(405, list_methods)
    app.include_router(health_routes(service.store))
    client = _client_file(settings)
    app.include_router(client_routes("/client-file", lambda: client, cors))
    scraper = service.scraper if "prometheus" in settings.metrics_exporter else None
    app.include_router(scrape_routes(scraper, scrape_readers, settings.limit_scrapes))
    interval_ms = settings.history_interval_seconds * 1000
    # Spans need sessions too: they can be erased then, and are nobody's to read.
    history = service.history if settings.history_hours else None
    app.include_router(session_routes(history, service.erasure, page_readers, privacy, interval_ms))
    app.include_router(description_routes(app.openapi, page_readers))
    return app


def _privacy(settings: Settings) -> Privacy:
    """Return what becomes of what is personal; without a key with one for this start alone."""
    key = settings.privacy_key
    return Privacy(
        settings.privacy_policy, key.get_secret_value() if key else secrets.token_urlsafe()
    )


def _readers(settings: Settings, refused: dict[tuple[str, str], int]) -> tuple[Readers, Readers]:
    """Return the endpoint of the scrape, and that of every page for people."""
    scrape = Readers(
        "scrape",
        settings.trusted_proxies,
        refused,
        token=to_text(settings.scrape_token or ""),
        token_setting=name_of("scrape_token"),
        private_setting=name_of("allow_private_scrape_only"),
        private_only=settings.allow_private_scrape_only,
    )
    pages = Readers(
        "pages",
        settings.trusted_proxies,
        refused,
        token=to_text(settings.read_token or ""),
        token_setting=name_of("read_token"),
    )
    return scrape, pages


def _bounds(settings: Settings) -> ConnectionLimits:
    """Return what one connection may take, and how many there may be."""
    return ConnectionLimits(
        settings.limit_connections,
        settings.limit_head_bytes,
        settings.limit_head_seconds,
        settings.limit_body_seconds,
        settings.limit_answer_seconds,
    )


def _who_may_push(settings: Settings, service: Parts, cors: Cors) -> Authorise | None:
    """Return what asks each push for its token, None where nobody asks; only what it needs."""
    if settings.push_auth == "token":
        from otel_jcmc.intake.push_tokens import PushTokens

        given = to_text(settings.push_token_secret or "")
        key = f"{settings.key_prefix}:push-token-secret"
        shared = SharedSecret(service.redis_url, key, given.encode())
        service.push_tokens = PushTokens(shared, settings.push_token_seconds, cors.allows)
        return service.push_tokens
    if settings.push_auth == "jwt":
        from otel_jcmc.intake.jitsi_keys import keys_of
        from otel_jcmc.intake.jitsi_tokens import JitsiTokens

        secret = to_text(settings.jwt_secret or "")
        return JitsiTokens(
            keys_of(secret, settings.jwt_public_key or "", settings.jwt_jwks_file),
            settings.jwt_issuer,
            settings.jwt_audience,
            settings.jwt_subject,
            settings.jwt_leeway_seconds,
        )
    return None


def _jmmc_door(
    settings: Settings, service: Parts, intake: Intake, rules: Rules, bodies: Bodies
) -> JmmcEndpoint:
    """Return the endpoint that pages of the Jitsi Meet Metrics Collector push to."""
    given = to_text(settings.cookie_secret or "")
    key = f"{settings.key_prefix}:cookie-secret"
    endpoint = JmmcEndpoint(
        intake,
        service.telemetry,
        Cors(settings.cors_allowed_origins, credentials=True),
        JmmcParser(rules, settings.jmmc_conf_pattern, settings.jmmc_authorized_regions),
        rules,
        bodies,
        SharedSecret(service.redis_url, key, given.encode()),
        States(service.redis_url, settings.key_prefix, 2 * settings.limit_participants),
        settings.trusted_proxies,
    )
    service.closing.append(endpoint.close)
    return endpoint


def _client_file(settings: Settings) -> ClientFile:
    """Return the browser's file with what it may know of *settings*."""
    told = _told(settings) | {
        "pushUrl": settings.push_url,
        # What would be dropped need not be sent.
        "collectUsername": _is_kept(settings, USERNAME),
        "intervalMs": settings.client_interval_seconds * 1000,
        "jitterMs": settings.client_jitter_seconds * 1000,
        "tokenUrl": "push-token" if settings.push_auth == "token" else "",
    }
    return make_client_file(_said(told), keep_comments=settings.client_debug)


def _jmmc_file(settings: Settings) -> ClientFile:
    """Return the file for pages of the Jitsi Meet Metrics Collector, as `_client_file`."""
    told = _told(settings) | {"pushUrl": settings.jmmc_push_url}
    return make_client_file(_said(told), JMMC_FILE_NAME, keep_comments=settings.client_debug)


def _told(settings: Settings) -> dict[str, Any]:
    """Return what each of the browser's files may know."""
    return {
        "version": __version__,
        "collectAddresses": _is_kept(settings, LOCAL_ADDRESS) or _is_kept(settings, PEER_ADDRESS),
        "sendJwt": settings.client_send_jwt or settings.push_auth == "jwt",
        "debug": settings.client_debug,
    }


def _is_kept(settings: Settings, attribute: Attribute) -> bool:
    """Say whether anything of *attribute* is kept."""
    return settings.privacy_policy.get(attribute.id) not in (None, Treatment.DROP)


def _said(told: dict[str, Any]) -> dict[str, Any]:
    """Return *told* without what is off: every page of every user loads it."""
    return {name: value for name, value in told.items() if value}
