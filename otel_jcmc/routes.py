"""
Everything that is served beside the push endpoint: scrape, client file, health.

FastAPI routes, wired by app.py. Only the client file answers with CORS. They read headers from the
request and return responses: for a parameter or a result with a type FastAPI makes a model, and
imports all of pydantic's version 1 to see that it is none of those (40 ms, 2 MiB).
"""

from collections.abc import Sequence
from typing import Any, Final

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi
from fastapi.responses import PlainTextResponse
from prometheus_client.exposition import gzip_accepted

from otel_jcmc import __version__, receiver
from otel_jcmc.access import Cors, Network, is_private
from otel_jcmc.client_file import ClientFile
from otel_jcmc.faults import StoreUnavailable
from otel_jcmc.scrape import Scraper
from otel_jcmc.store import Store

# Browsers ask again after five minutes and mostly hear 304: a new version is out within that.
_CACHE: Final = "public, max-age=300"
_JAVASCRIPT: Final = "text/javascript; charset=utf-8"


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


def client_routes(client: ClientFile, cors: Cors) -> APIRouter:
    """Return the routes of the browser's file, to be loaded by pages of other origins."""
    router = APIRouter()

    def cors_headers(request: Request) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in cors.answer(request.headers.raw)}

    @router.get("/client-file")
    async def client_file(request: Request) -> Response:
        headers = cors_headers(request) | {"etag": client.etag, "cache-control": _CACHE}
        headers["vary"] = ", ".join(["accept-encoding", *filter(None, [headers.get("vary")])])
        known = request.headers.get("if-none-match", "")
        tags = {tag.strip().removeprefix("W/") for tag in known.split(",")}
        if client.etag.removeprefix("W/") in tags or "*" in tags:
            return Response(status_code=304, headers=headers)
        headers["x-content-type-options"] = "nosniff"
        # A page that isolates itself (COEP) loads a script of another origin only with this.
        headers["cross-origin-resource-policy"] = "cross-origin"
        if not gzip_accepted(request.headers.get("accept-encoding", "")):
            return Response(client.body, headers=headers, media_type=_JAVASCRIPT)
        headers["content-encoding"] = "gzip"
        return Response(client.gzipped, headers=headers, media_type=_JAVASCRIPT)

    @router.options("/client-file", include_in_schema=False)
    async def preflight(request: Request) -> Response:
        response = Response(status_code=204)
        response.raw_headers += cors.preflight(request.headers.raw, b"GET")
        return response

    return router


def scrape_routes(
    scraper: Scraper | None, trusted: Sequence[Network], *, private_only: bool
) -> APIRouter:
    """Return the route of the scrape; without a *scraper* it says how to get one."""
    router = APIRouter()

    @router.get("/metrics")
    async def metrics(request: Request) -> Response:
        if private_only and not is_private(request.scope, trusted):
            return PlainTextResponse("only private addresses may scrape\n", 403)
        if scraper is None:
            return PlainTextResponse("OTEL_METRICS_EXPORTER does not name prometheus\n", 404)
        asked = request.headers
        exposition = await scraper.scrape(asked.get("accept", ""), asked.get("accept-encoding", ""))
        return _Pieces(exposition.pieces, exposition.headers)

    return router


class _Pieces(Response):
    """An answer whose body is sent piece by piece, as fast as the other side reads."""

    def __init__(self, pieces: list[bytes], headers: dict[str, str]) -> None:
        """Send *pieces*; *headers* have their length."""
        super().__init__(headers=headers)
        self._pieces = pieces

    async def __call__(self, _scope: Any, _receive: Any, send: Any) -> None:
        """Send the answer; what is sent is forgotten, so a slow reader holds only the rest."""
        start = {"status": self.status_code, "headers": self.raw_headers}
        await send({"type": "http.response.start", **start})
        self._pieces.reverse()
        while self._pieces:
            piece = self._pieces.pop()
            more = bool(self._pieces)
            await send({"type": "http.response.body", "body": piece, "more_body": more})


class Receiver(FastAPI):
    """FastAPI with the push endpoint in front of it."""

    push_door: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Hand a push to the push door, everything else to FastAPI."""
        if scope["type"] == "http" and self.push_door is not None:
            path: str = scope["path"]
            if path.endswith(receiver.PUSH_PATH):
                root = scope.get("root_path", "")
                if path.removeprefix(root) == receiver.PUSH_PATH:
                    await self.push_door(scope, receive, send)
                    return
        await super().__call__(scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document, the push endpoint's entry included."""
        if not self.openapi_schema:
            schema = get_openapi(title=self.title, version=self.version, routes=self.routes)
            schema["paths"][receiver.PUSH_PATH] = receiver.OPENAPI
            self.openapi_schema = schema
        return self.openapi_schema
