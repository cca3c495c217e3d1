"""An OpenTelemetry receiver for what only the browser knows: how good a Jitsi Meet call is."""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Settings", "__version__", "create_app", "lifespan"]

if TYPE_CHECKING:
    from otel_jcmc.app import create_app
    from otel_jcmc.life import lifespan
    from otel_jcmc.settings import Settings


def __getattr__(name: str) -> Any:
    """Import the application on first use, so that the command line starts without it."""
    if name == "create_app":
        from otel_jcmc.app import create_app

        return create_app
    if name == "lifespan":
        from otel_jcmc.life import lifespan

        return lifespan
    if name == "Settings":
        from otel_jcmc.settings import Settings

        return Settings
    raise AttributeError(f"module 'otel_jcmc' has no attribute {name!r}")
