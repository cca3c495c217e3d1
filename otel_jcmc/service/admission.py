"""
Makes the objects that decide who may push, how often, and how personal values are treated.

The input is the settings, the output is objects of `intake`. Modules for tokens are imported only
if the settings want tokens.
"""

import logging
from typing import TYPE_CHECKING

from otel_jcmc.config.settings import Settings, to_text
from otel_jcmc.intake.callers import Callers
from otel_jcmc.intake.limits import Limits
from otel_jcmc.intake.privacy import Privacy
from otel_jcmc.jmmc.push import INTERVAL_MS
from otel_jcmc.server.connections import MAX_HEADERS, ConnectionLimits
from otel_jcmc.server.relay import MORE_BYTES, MORE_LINES
from otel_jcmc.service.shared import Place
from otel_jcmc.store.shared_secret import SharedSecret
from otel_jcmc.web.cors import Cors

if TYPE_CHECKING:
    from otel_jcmc.intake.jitsi_tokens import JitsiTokens
    from otel_jcmc.intake.push_tokens import PushTokens

log = logging.getLogger(__name__)


def make_privacy(settings: Settings, key: str) -> Privacy:
    """
    Return the object that drops or hashes personal values.

    Hashes use the key in *settings*, or *key* if *settings* have none.
    """
    given = settings.privacy_key
    return Privacy(settings.privacy_policy, given.get_secret_value() if given else key)


def make_hash_secret(settings: Settings, redis_url: str) -> SharedSecret:
    """Return the key that hashes bridges and networks: the setting's, or a key kept in Redis."""
    key = to_text(settings.privacy_key or "").encode()
    return SharedSecret(redis_url, f"{settings.key_prefix}:bridge-secret", key)


def make_push_tokens(settings: Settings, redis_url: str, cors: Cors) -> "PushTokens | None":
    """Return the object that issues and checks our own tokens; None: pushes need no such token."""
    if settings.push_auth != "token":
        return None
    from otel_jcmc.intake.push_tokens import PushTokens

    given = to_text(settings.push_token_secret or "")
    key = f"{settings.key_prefix}:push-token-secret"
    shared = SharedSecret(redis_url, key, given.encode())
    return PushTokens(shared, settings.push_token_seconds, cors.allows)


def make_jitsi_tokens(settings: Settings) -> "JitsiTokens | None":
    """
    Return the object that verifies Jitsi's tokens; None if pushes need no such token.

    Raises:
        KeysUnusable: the settings name a key for tokens, or a file of keys, that is not usable.
    """
    if settings.push_auth != "jwt":
        return None
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


def make_limits(settings: Settings) -> Limits:
    """Return the limits on pushes; each process counts only its own pushes for them."""
    said = False

    def say_unknown() -> None:
        nonlocal said
        if not said:
            log.warning(
                "limits: address limits do not count private callers without a forwarded header:"
                " they may be a proxy; set JCMC_TRUSTED_PROXIES, and let it send X-Forwarded-For"
            )
        said = True

    return Limits(
        Callers(settings.trusted_proxies, say_unknown),
        settings.limit_address_pushes,
        settings.limit_participant_pushes,
        settings.limit_address_newcomers,
        settings.limit_address_participants,
        settings.limit_conference_participants,
    )


def make_connection_limits(
    settings: Settings, connections: int | None, place: Place
) -> ConnectionLimits:
    """Return the limits for each connection, and for the number of connections."""
    # A worker adds headers to a request that it relays. The process that reads must accept them.
    more_lines, more_bytes = (0, 0) if place.takes else (MORE_LINES, MORE_BYTES)
    return ConnectionLimits(
        settings.limit_connections if connections is None else connections,
        settings.limit_head_bytes and settings.limit_head_bytes + more_bytes,
        settings.limit_head_seconds,
        settings.limit_body_seconds,
        settings.limit_answer_seconds,
        MAX_HEADERS + more_lines,
    )


def first_life_ms(settings: Settings) -> int:
    """
    Return the time (ms) after which a participant with only one push expires.

    It is at least three times the interval between a page's pushes.
    """
    pages_ms = [1000 * settings.client_interval_seconds, INTERVAL_MS if settings.jmmc_path else 0]
    return max(1000 * settings.metrics_expiration_seconds, *(3 * each for each in pages_ms))
