"""Every path that the application answers, for tests that must not leave one out."""

import http.client
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

from otel_jcmc.config.settings import Settings
from otel_jcmc.service.app import create_app

# Paths that browsers request; all others are not for the public.
PUBLIC = {
    *("/metrics/push", "/metrics/push-token", "/push-token", "/client-file"),
    *("/jmmc/push", "/jmmc/getClient"),
}


def every_path() -> set[str]:
    """Return the paths of all routes, also of those that no document lists."""
    found = {"/metrics/push", "/jmmc/push", *_paths(create_app(Settings()).routes)}
    assert {"/", "/metrics", "/openapi.json", "/-/ready", "/-/healthy", "/client-file"} <= found
    return found


def ask(url: str, method: str, target: str) -> tuple[int, bytes]:
    """Send *target* unchanged to the server at *url*; return status and body of the answer."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=8)
    try:
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        connection.putheader("Host", "x")
        connection.putheader("Content-Length", "0")
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def _paths(routes: Iterable[Any]) -> Iterator[str]:
    """Return the paths of *routes* and of the routers among them."""
    for route in routes:
        if hasattr(route, "original_router"):
            yield from _paths(route.original_router.routes)
        else:
            yield route.path
