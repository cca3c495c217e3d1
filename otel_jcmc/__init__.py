"""Receives the quality of Jitsi Meet calls from browsers, and exports it for OpenTelemetry."""

from typing import TYPE_CHECKING, Any

from otel_jcmc.version import __version__

__all__ = ["Settings", "__version__", "create_app", "lifespan"]

if TYPE_CHECKING:
    from otel_jcmc.config.settings import Settings
    from otel_jcmc.service.app import create_app
    from otel_jcmc.service.life import lifespan


def __getattr__(name: str) -> Any:
    """Import the application when it is first used: most commands start faster without it."""
    if name == "create_app":
        from otel_jcmc.service.app import create_app

        return create_app
    if name == "lifespan":
        from otel_jcmc.service.life import lifespan

        return lifespan
    if name == "Settings":
        from otel_jcmc.config.settings import Settings

        return Settings
    raise AttributeError(f"module 'otel_jcmc' has no attribute {name!r}")
