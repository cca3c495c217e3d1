"""Every path that the application answers, for tests that must leave none out."""

from collections.abc import Iterable, Iterator
from typing import Any

from otel_jcmc.app import create_app
from otel_jcmc.settings import Settings

# What browsers ask for: everything else is for nobody outside.
PUBLIC = {"/metrics/push", "/push-token", "/client-file"}


def every_path() -> set[str]:
    """Return the paths of all routes, those that no document lists included."""
    found = {"/metrics/push", *_paths(create_app(Settings()).routes)}
    assert {"/", "/metrics", "/openapi.json", "/-/ready", "/-/healthy", "/client-file"} <= found
    return found


def _paths(routes: Iterable[Any]) -> Iterator[str]:
    """Return the paths of *routes* and of the routers among them."""
    for route in routes:
        if hasattr(route, "original_router"):
            yield from _paths(route.original_router.routes)
        else:
            yield route.path
