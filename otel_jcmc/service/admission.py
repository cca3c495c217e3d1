"""
Who may push, how often, and what becomes of what is personal.

Settings come in; parts of `intake` go out. Only what a deployment uses is imported.
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
    """Return what becomes of what is personal; without a key of *settings* with *key*."""
    given = settings.privacy_key
    return Privacy(settings.privacy_policy, given.get_secret_value() if given else key)


def make_hash_secret(settings: Settings, redis_url: str) -> SharedSecret:
    """Return the key of the hashes of bridges and networks: that of all hashes, if given."""
    key = to_text(settings.privacy_key or "").encode()
    return SharedSecret(redis_url, f"{settings.key_prefix}:bridge-secret", key)


def make_push_tokens(settings: Settings, redis_url: str, cors: Cors) -> "PushTokens | None":
    """Return what issues and verifies our own tokens, None where pushes need none of them."""
    if settings.push_auth != "token":
        return None
    from otel_jcmc.intake.push_tokens import PushTokens

    given = to_text(settings.push_token_secret or "")
    key = f"{settings.key_prefix}:push-token-secret"
    shared = SharedSecret(redis_url, key, given.encode())
    return PushTokens(shared, settings.push_token_seconds, cors.allows)


def make_jitsi_tokens(settings: Settings) -> "JitsiTokens | None":
    """
    Return what verifies Jitsi's tokens, None where pushes need none of them.

    Raises:
        KeysUnusable: there is no key to verify them by where the settings say that one is.
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
        settings.limit_address_participants,
        settings.limit_conference_participants,
    )


def make_connection_limits(
    settings: Settings, connections: int | None, place: Place
) -> ConnectionLimits:
    """Return what one connection may take, and how many there may be."""
    # A head that a worker has taken is not refused by the process that it is relayed to.
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
    """Return what a newcomer lives for: three pushes of the pages that we serve, at least."""
    pages_ms = [1000 * settings.client_interval_seconds, INTERVAL_MS if settings.jmmc_path else 0]
    return max(1000 * settings.metrics_expiration_seconds, *(3 * each for each in pages_ms))
