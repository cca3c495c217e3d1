"""
Answers people and probes: whether the service is up, and the OpenAPI document.

The routes read headers from the request and return responses. For a parameter or a result with a
type, FastAPI would make a model, and import all of pydantic's version 1 (40 ms, 2 MiB).
"""

from collections.abc import Callable
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from otel_jcmc.store.live import Store
from otel_jcmc.version import __version__
from otel_jcmc.web.readers import Readers
from otel_jcmc.web.schemas import TEXT, Responses, answer

_UP: Final[Responses] = {200: answer("It is up.", TEXT)}
_READY: Final[Responses] = {
    200: answer("It takes pushes.", TEXT),
    503: answer("Redis does not answer, or refuses writes; one line says why.", TEXT),
}


def health_routes(store: Store) -> APIRouter:
    """Return the routes that say whether the service is up and ready."""
    router = APIRouter(default_response_class=Response)

    @router.get("/", responses=_UP)
    async def index() -> Response:
        """Say that the service is up; first in the words of the original, which probes look for."""
        return PlainTextResponse(f"JCMC IS UP\notel_jcmc {__version__} is up.\n")

    @router.get("/-/healthy", responses=_UP)
    async def healthy() -> Response:
        """Say that the service is up, without asking Redis."""
        return PlainTextResponse("healthy\n")

    @router.get("/-/ready", responses=_READY)
    async def ready() -> Response:
        """Say whether the service accepts pushes, which it does while Redis accepts writes."""
        if why := await store.why_not_ready():
            return PlainTextResponse(f"not ready: {why}\n", 503)
        return PlainTextResponse("ready\n")

    return router


def description_routes(describe: Callable[[], dict[str, Any]], readers: Readers) -> APIRouter:
    """Return the route of the OpenAPI document, which *describe* makes, behind *readers*."""
    router = APIRouter()

    @router.get("/openapi.json", include_in_schema=False)
    async def description(request: Request) -> Response:
        if refusal := readers.refuse(request.scope):
            return refusal.response()
        document = describe()
        if mount := request.scope.get("root_path"):
            document = {**document, "servers": [{"url": mount}]}
        return JSONResponse(document)

    return router
