"""Makes the two scripts for browsers, each with the settings that it needs."""

from typing import Any

from otel_jcmc.catalogue.attributes import FEEDBACK, LOCAL_ADDRESS, PEER_ADDRESS, USERNAME
from otel_jcmc.catalogue.rows import Attribute
from otel_jcmc.config.settings import Settings
from otel_jcmc.intake.privacy import Treatment
from otel_jcmc.version import __version__
from otel_jcmc.web.client import JMMC_FILE_NAME, ClientFile, make_client_file


def own_file(settings: Settings) -> ClientFile:
    """Return the script for Jitsi Meet pages, with the values from *settings* that it needs."""
    told = _shared(settings) | {
        "pushUrl": settings.push_url,
        # If the service would drop a value, the client does not send it.
        "collectUsername": _is_kept(settings, USERNAME),
        "collectFeedback": _is_kept(settings, FEEDBACK),
        "intervalMs": settings.client_interval_seconds * 1000,
        "jitterMs": settings.client_jitter_seconds * 1000,
        "tokenUrl": "push-token" if settings.push_auth == "token" else "",
    }
    return make_client_file(_switched_on(told), keep_comments=settings.client_debug)


def jmmc_file(settings: Settings) -> ClientFile:
    """Return the script for pages of the Jitsi Meet Metrics Collector, with its push URL."""
    told = _shared(settings) | {"pushUrl": settings.jmmc_push_url}
    return make_client_file(_switched_on(told), JMMC_FILE_NAME, keep_comments=settings.client_debug)


def _shared(settings: Settings) -> dict[str, Any]:
    """Return the values that both scripts need."""
    return {
        "version": __version__,
        "collectAddresses": _is_kept(settings, LOCAL_ADDRESS) or _is_kept(settings, PEER_ADDRESS),
        "sendJwt": settings.client_send_jwt or settings.push_auth == "jwt",
        "debug": settings.client_debug,
    }


def _is_kept(settings: Settings, attribute: Attribute) -> bool:
    """Say whether *attribute* is stored, plain or hashed; otherwise it is dropped."""
    return settings.privacy_policy.get(attribute.id) not in (None, Treatment.DROP)


def _switched_on(told: dict[str, Any]) -> dict[str, Any]:
    """Return *told* without empty values, so that the script that every user loads is shorter."""
    return {name: value for name, value in told.items() if value}
