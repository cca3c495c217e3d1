"""
Is the ASGI application: hands pushes to their endpoint, and all other requests to FastAPI.

This file decides which port, and which process, answers which path. The `Readers` of each route
decide who may read.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from math import ceil
from typing import Any, Final

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse, PlainTextResponse

from otel_jcmc.server.connections import Connections
from otel_jcmc.server.relay import Relay, as_it_came
from otel_jcmc.service.life import Life
from otel_jcmc.service.taking import Taking
from otel_jcmc.version import __version__
from otel_jcmc.web import push
from otel_jcmc.web.answers import CLOSE
from otel_jcmc.web.cors import SECURITY_HEADERS
from otel_jcmc.web.pages import description_routes
from otel_jcmc.web.push_token import PUSH_TOKEN_PATHS
from otel_jcmc.web.readers import Readers

# The status of Starlette's redirect, for a path with a final slash too many or too few.
_ELSEWHERE: Final = 307
# The paths that browsers ask for. If there is an admin port, the browsers' port answers only these
# paths and the paths for JMMC pages.
PUBLIC_PATHS: Final = frozenset((push.PUSH_PATH, *PUSH_TOKEN_PATHS, "/client-file"))
# Each process that takes pushes answers these paths itself, and says whether it takes pushes.
HEALTH_PATHS: Final = frozenset(("/-/healthy", "/-/ready"))
# Switches off FastAPI's own telemetry: it would write to a host's global OpenTelemetry providers.
NO_TELEMETRY: Final[Any] = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "auto_configure": False,
}


class Application(FastAPI):
    """
    The application; it decides which process and which port answer which path.

    If there is an admin port, it answers all paths except those for browsers, which the other port
    answers. In a service of several processes, workers answer the paths for browsers, and relay all
    other requests to the process that reads.

    Attributes:
        life: starts and ends the service.
        push_endpoint: takes the pushes.
        jmmc_push_path: the path that JMMC pages push to; empty: JMMC pages can't push.
        jmmc_endpoint: takes the pushes of JMMC pages.
        public_paths: the paths that browsers ask for.
        connections: counts and limits connections, if our own server runs the application.
        admin_port: the local port that answers everything except the paths for browsers; None:
            every port answers all paths.
        rules: the rules that check pushes; the OpenAPI document shows them.
        guarded: paths that need a bearer token, for the OpenAPI document.
        end_streams: ends answers that would never end, such as streams of events; called when the
            server must stop.
    """

    def __init__(
        self,
        life: Life,
        taking: Taking,
        connections: Connections,
        jmmc_push_path: str = "",
        *,
        guarded: Sequence[str],
        routers: Iterable[APIRouter],
        description_readers: Readers,
        admin_port: int | None = None,
        get_client_path: str = "",
        relay: Relay | None = None,
        takes: bool = True,
        end_streams: Callable[[], None] = lambda: None,
    ) -> None:
        """
        Serve *taking* and *routers*; *description_readers* may read the OpenAPI document.

        *relay* gets the requests that this process does not answer; None: it answers all. If not
        *takes*, this is the process that reads: it answers all paths except those for browsers.
        """
        super().__init__(
            title="otel_jcmc",
            version=__version__,
            openapi_url=None,  # our own route serves the document, and first checks the caller
            lifespan=lambda _app: life.running(),
            telemetry=NO_TELEMETRY,
        )
        self.life = life
        self.push_endpoint = taking.push_endpoint
        self.jmmc_push_path, self.jmmc_endpoint = jmmc_push_path, taking.jmmc_endpoint
        self.public_paths = PUBLIC_PATHS | {
            path for path in (jmmc_push_path, get_client_path) if path
        }
        self.connections = connections
        self.admin_port = admin_port
        self._takes = takes
        self.end_streams = end_streams
        self._relay = relay
        # The process that reads listens either on the admin port, or on a private socket to which
        # workers relay requests.
        self._is_relayed_to = not self._takes and admin_port is None
        self.rules = taking.rules
        self.guarded = guarded
        self.add_exception_handler(405, list_methods)
        for router in routers:
            self.include_router(router)
        self.include_router(description_routes(self.openapi, description_readers))

    def is_admin(self, server: tuple[str, int | None] | None) -> bool:
        """Say whether *server*, our end of a connection, does not answer paths for browsers."""
        if not self._takes:
            return True
        return self.admin_port is not None and server is not None and server[1] == self.admin_port

    def _is_answered(self, server: tuple[str, int | None] | None, *, is_public: bool) -> bool:
        """Say whether *server* answers paths for browsers (*is_public*), or all other paths."""
        is_one_for_all = self.admin_port is None and self._takes
        return is_one_for_all or is_public != self.is_admin(server)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Hand a push to its endpoint, and any other request to the relay or to FastAPI."""
        if scope["type"] == "http":
            if any(name == b"upgrade" for name, _ in scope["headers"]):
                send = _last(send)
            scope = _at_home(as_it_came(scope) if self._is_relayed_to else scope)
            path: str = scope["path"].removeprefix(scope.get("root_path", ""))
            is_public = path in self.public_paths
            if not self._is_answered(scope.get("server"), is_public=is_public):
                nothing = JSONResponse({"detail": "Not Found"}, 404)
                await nothing(scope, receive, _hardened(send))
                return
            if not self.life.is_up and (seconds := await self.life.start()):
                await self._be_away(path, scope, receive, send, seconds)
                return
            if endpoint := self._endpoint_of(path):
                await endpoint(scope, receive, send)
                return
            send = _hardened(send)
            if self._relay is not None and not is_public and path not in HEALTH_PATHS:
                await self._relay(scope, receive, send)
                return
            if scope["method"] == "HEAD":
                scope, send = {**scope, "method": "GET"}, _without_body(send)
        await super().__call__(scope, receive, send)

    def _endpoint_of(self, path: str) -> Any:
        """Return the endpoint that takes pushes to *path*; None if *path* takes no pushes."""
        if path == push.PUSH_PATH:
            return self.push_endpoint
        return self.jmmc_endpoint if path and path == self.jmmc_push_path else None

    async def _be_away(
        self, path: str, scope: Any, receive: Any, send: Any, seconds: float
    ) -> None:
        """Answer that the service can't start; the client may ask again after *seconds*."""
        endpoint = self._endpoint_of(path)
        if endpoint and scope["method"] == "POST":
            await endpoint.be_away(scope, send, seconds)
            return
        again = {"retry-after": str(ceil(seconds))}
        answer = PlainTextResponse("otel_jcmc does not start: its log says why\n", 503, again)
        await answer(scope, receive, _hardened(send))

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document, with the push endpoints, which FastAPI does not know."""
        if not self.openapi_schema:
            # Few clients ask for this document, so its modules are imported only here.
            from otel_jcmc.jmmc.schemas import jmmc_operations
            from otel_jcmc.web.openapi import described, push_operations

            made = get_openapi(title=self.title, version=self.version, routes=self.routes)
            doors = {push.PUSH_PATH: push_operations(self.rules)}
            if self.jmmc_endpoint:
                doors[self.jmmc_push_path] = jmmc_operations(self.jmmc_endpoint.parser)
            self.openapi_schema = described(made, doors, self.guarded)
        return self.openapi_schema


def _at_home(scope: Any) -> Any:
    """
    Return *scope* with a path that begins with `root_path`, as ASGI demands.

    Some proxies cut off a prefix of the path, and FastAPI(root_path=...) tells the host application
    that prefix. The host then hands us a path without the prefix, which would match no route.
    """
    root, path = scope.get("root_path", ""), scope["path"]
    mount = root.removeprefix(scope.get("app_root_path", ""))
    if not root or path.startswith(f"{root}/") or not path.startswith(f"{mount}/"):
        return scope
    return {**scope, "path": root + path.removeprefix(mount)}


async def list_methods(request: Request, _error: Exception) -> Response:
    """Answer 405 with the methods of all routes of the path; Starlette lists only one route's."""
    allowed: set[str] = set()
    included = (getattr(each, "original_router", None) for each in request.app.routes)
    for route in (route for router in included if router for route in router.routes):
        match, _ = route.matches(request.scope)
        if match.value:
            allowed |= getattr(route, "methods", None) or set()
    if "GET" in allowed:
        allowed.add("HEAD")
    allow = {"allow": ", ".join(sorted(allowed))}
    return JSONResponse({"detail": "Method Not Allowed"}, 405, allow)


def _without_body(send: Callable[[Any], Awaitable[None]]) -> Callable[[Any], Awaitable[None]]:
    """Return a function that passes messages to *send*, but empties the body, for HEAD requests."""

    async def sending(message: Any) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return sending


def _last(send: Callable[[Any], Awaitable[None]]) -> Callable[[Any], Awaitable[None]]:
    """
    Return a function that passes messages to *send*, and makes the server close the connection.

    It is for requests that offer an upgrade. A host's server may not read the body of such a
    request, and then take the body for the next request. Our own server ignores the offer, and
    reads the body.
    """

    async def sending(message: Any) -> None:
        if message["type"] == "http.response.start":
            others = [each for each in message.get("headers", ()) if each[0] != CLOSE[0]]
            message = {**message, "headers": [*others, CLOSE]}
        await send(message)

    return sending


def _here(name: bytes, value: bytes) -> bytes:
    """
    Return the *value* of header *name*, without scheme and host if the header is `Location`.

    Starlette makes a location from the request's `Host` and from the scheme of our connection.
    Behind a proxy that ends TLS, such a location would lead the browser from https to http. It
    would also lead to any host that the caller wrote into `Host`.
    """
    if name != b"location" or b"://" not in value:
        # The process that reads, to which this process relays, has already cut them off.
        return value
    return b"/" + value.partition(b"://")[2].partition(b"/")[2]


def _hardened(send: Callable[[Any], Awaitable[None]]) -> Callable[[Any], Awaitable[None]]:
    """Return a function that passes messages to *send*, and adds missing security headers."""

    async def sending(message: Any) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", ()))
            there = {name for name, _ in headers}
            headers += [each for each in SECURITY_HEADERS if each[0] not in there]
            if message["status"] == _ELSEWHERE:
                headers = [(name, _here(name, value)) for name, value in headers]
            message = {**message, "headers": headers}
        await send(message)

    return sending
