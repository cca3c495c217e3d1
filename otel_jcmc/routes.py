"""
Everything that is served beside the push endpoint: scrape, client file, push token, health, API.

FastAPI routes, wired by app.py. Only the client file and the token answer with CORS. Who may read
is said by a `Door`; what may be asked on which port, by `Receiver`. They read headers from the
request and return responses: for a parameter or a result with a type FastAPI makes a model, and
imports all of pydantic's version 1 to see that it is none of those (40 ms, 2 MiB).
"""

from collections.abc import Awaitable, Callable, Sequence
from math import ceil
from time import monotonic
from typing import Any, Final

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client.exposition import gzip_accepted

from otel_jcmc import __version__, receiver
from otel_jcmc.access import Header
from otel_jcmc.answers import RETRY_AFTER_SECONDS
from otel_jcmc.checks import make_rules
from otel_jcmc.client_file import ClientFile
from otel_jcmc.cors import SECURITY_HEADERS, Cors
from otel_jcmc.doors import Door, Refusal
from otel_jcmc.faults import Fault, PushRefused, StoreUnavailable
from otel_jcmc.intake import read_head
from otel_jcmc.life import Life
from otel_jcmc.limits import Limits, TooFast
from otel_jcmc.scrape import Scraper
from otel_jcmc.store import Store
from otel_jcmc.telemetry import ACCEPTED, FAILED, REFUSED

# The second is beside the push, where a page that knows only that address looks.
PUSH_TOKEN_PATHS: Final = ("/push-token", "/metrics/push-token")
# Browsers ask again after five minutes and mostly hear 304: a new version is out within that.
_SCRAPE_AGAIN: Final = "5"
_CACHE: Final = "public, max-age=300"
_JAVASCRIPT: Final = "text/javascript; charset=utf-8"
# What browsers ask for. With a port for the rest these, and those of JMMC pages, are all that the
# other one answers.
PUBLIC_PATHS: Final = frozenset((receiver.PUSH_PATH, *PUSH_TOKEN_PATHS, "/client-file"))


def health_routes(store: Store) -> APIRouter:
    """Return the routes that say whether the service is up and of use."""
    router = APIRouter()

    @router.get("/", response_class=PlainTextResponse)
    async def index() -> Response:
        return PlainTextResponse(f"otel_jcmc {__version__} is up.\n")

    @router.get("/-/healthy", response_class=PlainTextResponse)
    async def healthy() -> Response:
        return PlainTextResponse("healthy\n")

    @router.get("/-/ready", response_class=PlainTextResponse)
    async def ready() -> Response:
        try:
            await store.ping()
        except StoreUnavailable:
            return PlainTextResponse("not ready: Redis does not answer\n", 503)
        return PlainTextResponse("ready\n")

    return router


def client_routes(path: str, make: Callable[[], ClientFile], cors: Cors) -> APIRouter:
    """Return the routes of a browser's file at *path*, to be loaded by pages of other origins."""
    router = APIRouter()

    @router.get(path)
    async def client_file(request: Request) -> Response:
        client = make()
        headers = _cors_headers(cors, request) | {"etag": client.etag, "cache-control": _CACHE}
        headers["vary"] = ", ".join(["accept-encoding", *filter(None, [headers.get("vary")])])
        known = request.headers.get("if-none-match", "")
        tags = {tag.strip().removeprefix("W/") for tag in known.split(",")}
        if client.etag.removeprefix("W/") in tags or "*" in tags:
            return Response(status_code=304, headers=headers)
        # A page that isolates itself (COEP) loads a script of another origin only with this.
        headers["cross-origin-resource-policy"] = "cross-origin"
        if not gzip_accepted(request.headers.get("accept-encoding", "")):
            return Response(client.body, headers=headers, media_type=_JAVASCRIPT)
        headers["content-encoding"] = "gzip"
        return Response(client.gzipped, headers=headers, media_type=_JAVASCRIPT)

    @router.options(path, include_in_schema=False)
    async def preflight(request: Request) -> Response:
        response = Response(status_code=204)
        response.raw_headers += cors.preflight(request.headers.raw, b"GET")
        return response

    return router


def push_token_routes(
    issue: Callable[[Sequence[Header]], dict[str, str | int]],
    cors: Cors,
    limits: Limits,
    count: Callable[..., None],
) -> APIRouter:
    """
    Return the route by which pages get a token and renew it; each outcome is counted.

    In the limit of an address a request for a token is as much as a push.
    """
    router = APIRouter()

    async def push_token(request: Request) -> Response:
        headers = _cors_headers(cors, request) | {"cache-control": "no-store"}
        peer = request.client.host if request.client else ""
        address = limits.caller(peer, read_head(request.headers.raw))
        try:
            limits.admit(address, monotonic())
            issued = issue(request.headers.raw)
        except TooFast as fast:
            count(REFUSED, fast.reason)
            limits.refusals.note(fast.reason)
            headers["retry-after"] = str(ceil(fast.seconds))
            return _faulty([Fault("", fast.reason)], 429, headers)
        except PushRefused as refused:
            count(REFUSED, refused.reason)
            return _faulty(refused.faults, 403, headers)
        except StoreUnavailable as away:
            count(FAILED, away.reason)
            headers["retry-after"] = str(RETRY_AFTER_SECONDS)
            return _faulty([Fault("", away.reason)], 503, headers)
        count(ACCEPTED)
        return JSONResponse(issued, headers=headers)

    async def preflight(request: Request) -> Response:
        response = Response(status_code=204)
        response.raw_headers += cors.preflight(request.headers.raw, b"POST")
        return response

    for path in PUSH_TOKEN_PATHS:
        router.post(path)(push_token)
        router.options(path, include_in_schema=False)(preflight)
    return router


def _cors_headers(cors: Cors, request: Request) -> dict[str, str]:
    """Return what CORS adds to the answer to *request*."""
    return {name.decode(): value.decode() for name, value in cors.answer(request.headers.raw)}


def _faulty(faults: Sequence[Fault], status: int, headers: dict[str, str]) -> Response:
    """Return an answer that lists *faults*, as a push has it."""
    listed = [fault._asdict() for fault in faults]
    return JSONResponse({"errors": listed, "more": 0}, status, headers)


def scrape_routes(scraper: Scraper | None, door: Door, most: int) -> APIRouter:
    """
    Return the route of the scrape, behind *door*; without a *scraper* it says how to get one.

    At most so many are answered at a time, 0: any number; each holds its answer until it is read.
    """
    router = APIRouter()
    busy = (door.name, "busy")
    door.refused.setdefault(busy, 0)
    answering = 0

    def end() -> None:
        nonlocal answering
        answering -= 1

    @router.get("/metrics")
    async def metrics(request: Request) -> Response:
        if refusal := door.refuse(request.scope):
            return _refused(refusal)
        if scraper is None:
            return PlainTextResponse("OTEL_METRICS_EXPORTER does not name prometheus\n", 404)
        nonlocal answering
        if 0 < most <= answering:
            door.refused[busy] += 1
            text = f"{answering} scrapes are being answered (JCMC_LIMIT_SCRAPES)\n"
            return PlainTextResponse(text, 503, {"retry-after": _SCRAPE_AGAIN})
        asked = request.headers
        answering += 1
        try:
            exposition = await scraper.scrape(
                asked.get("accept", ""), asked.get("accept-encoding", "")
            )
        except BaseException:
            end()
            raise
        return _Pieces(exposition.pieces, exposition.headers, end)

    return router


def description_routes(describe: Callable[[], dict[str, Any]], door: Door) -> APIRouter:
    """Return the route of the API's document, which *describe* makes, behind *door*."""
    router = APIRouter()

    @router.get("/openapi.json", include_in_schema=False)
    async def description(request: Request) -> Response:
        if refusal := door.refuse(request.scope):
            return _refused(refusal)
        document = describe()
        if mount := request.scope.get("root_path"):
            document = {**document, "servers": [{"url": mount}]}
        return JSONResponse(document)

    return router


def _refused(refusal: Refusal) -> Response:
    """Return the answer to who may not read."""
    return PlainTextResponse(f"{refusal.text}\n", refusal.status, refusal.headers)


class _Pieces(Response):
    """An answer whose body is sent piece by piece, as fast as the other side reads."""

    def __init__(
        self, pieces: list[bytes], headers: dict[str, str], end: Callable[[], None]
    ) -> None:
        """Send *pieces*, whose length *headers* have; *end* is called when that is over."""
        super().__init__(headers=headers)
        self._pieces = pieces
        self._end = end

    async def __call__(self, _scope: Any, _receive: Any, send: Any) -> None:
        """Send the answer; what is sent is forgotten, so a slow reader holds only the rest."""
        start = {"status": self.status_code, "headers": self.raw_headers}
        self._pieces.reverse()
        try:
            await send({"type": "http.response.start", **start})
            while self._pieces:
                piece = self._pieces.pop()
                more = bool(self._pieces)
                await send({"type": "http.response.body", "body": piece, "more_body": more})
        finally:
            self._end()


class Receiver(FastAPI):
    """
    FastAPI with the push endpoint in front of it, and two ports told apart.

    Attributes:
        life: when it starts and ends.
        push_door: takes the pushes.
        jmmc_push_path: where JMMC pages push to; empty: nowhere.
        jmmc_door: takes their pushes.
        public_paths: what browsers ask for.
        connections: the places for connections, where the server is ours.
        admin_port: the local port that answers what is not for browsers, and nothing else; None
            when every port answers all.
        rules: by which pushes are checked, for the OpenAPI document.
        guarded: paths that want a bearer token, for it too.
    """

    life: Life
    push_door: Any = None
    jmmc_push_path: str = ""
    jmmc_door: Any = None
    public_paths = PUBLIC_PATHS
    connections: Any = None
    admin_port: int | None = None
    rules = make_rules()
    guarded: Sequence[str] = ()

    def is_admin(self, server: tuple[str, int | None] | None) -> bool:
        """Say whether *server*, our end of a connection, is the port for what no browser asks."""
        return self.admin_port is not None and server is not None and server[1] == self.admin_port

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Hand a push to the push door, everything else to FastAPI."""
        if scope["type"] == "http":
            scope = _at_home(scope)
            path: str = scope["path"].removeprefix(scope.get("root_path", ""))
            if self.admin_port is not None:
                is_public = path in self.public_paths
                if is_public == self.is_admin(scope.get("server")):
                    nothing = JSONResponse({"detail": "Not Found"}, 404)
                    await nothing(scope, receive, _hardened(send))
                    return
            if not self.life.is_up and (seconds := await self.life.start()):
                await self._be_away(path, scope, receive, send, seconds)
                return
            if door := self._door_of(path):
                await door(scope, receive, send)
                return
            send = _hardened(send)
        await super().__call__(scope, receive, send)

    def _door_of(self, path: str) -> Any:
        """Return what takes the pushes to *path*, None if it is for something else."""
        if path == receiver.PUSH_PATH:
            return self.push_door
        return self.jmmc_door if path and path == self.jmmc_push_path else None

    async def _be_away(
        self, path: str, scope: Any, receive: Any, send: Any, seconds: float
    ) -> None:
        """Answer a request while the service does not start; it may come again after *seconds*."""
        door = self._door_of(path)
        if door and scope["method"] == "POST":
            await door.be_away(scope, send, seconds)
            return
        again = {"retry-after": str(ceil(seconds))}
        answer = PlainTextResponse("otel_jcmc does not start: its log says why\n", 503, again)
        await answer(scope, receive, _hardened(send))

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document, the push endpoint's entry included."""
        if not self.openapi_schema:
            # Hardly anybody asks: no start-up pays for what describes it.
            from otel_jcmc.openapi import described

            made = get_openapi(title=self.title, version=self.version, routes=self.routes)
            jmmc = {self.jmmc_push_path: self.jmmc_door.parser} if self.jmmc_push_path else {}
            self.openapi_schema = described(made, self.rules, self.guarded, jmmc)
        return self.openapi_schema


def _at_home(scope: Any) -> Any:
    """
    Return *scope* with a path that begins with what we are mounted at, as ASGI wants it.

    An application that was told of a prefix which its proxy cuts off, FastAPI(root_path=...), hands
    on a path without it, and no route of what it has mounted would match.
    """
    root, path = scope.get("root_path", ""), scope["path"]
    mount = root.removeprefix(scope.get("app_root_path", ""))
    if not root or path.startswith(f"{root}/") or not path.startswith(f"{mount}/"):
        return scope
    return {**scope, "path": root + path.removeprefix(mount)}


def _hardened(send: Callable[[Any], Awaitable[None]]) -> Callable[[Any], Awaitable[None]]:
    """Return a *send* that adds the security headers which an answer does not have yet."""

    async def sending(message: Any) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", ()))
            there = {name for name, _ in headers}
            headers += [each for each in SECURITY_HEADERS if each[0] not in there]
            message = {**message, "headers": headers}
        await send(message)

    return sending
