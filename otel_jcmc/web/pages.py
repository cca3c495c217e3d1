"""
Answers requests of people and probes: whether the service is up or ready, and the OpenAPI document.

The routes read headers from the request and return responses. If a route had typed parameters or
results, FastAPI would make a model, and import all of pydantic's version 1 (40 ms, 2 MiB).
"""

from collections.abc import Callable
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from otel_jcmc.store.live import Store
from otel_jcmc.version import __version__
from otel_jcmc.web.readers import Readers
from otel_jcmc.web.schemas import TEXT, Responses, answer

_UP: Final[Responses] = {200: answer("The service is up.", TEXT)}
_READY: Final[Responses] = {
    200: answer("The service takes pushes.", TEXT),
    503: answer("Redis does not answer, or refuses writes; one line says why.", TEXT),
}


def health_routes(store: Store) -> APIRouter:
    """Return the routes that say whether the service is up and ready."""
    router = APIRouter(default_response_class=Response)

    @router.get("/", responses=_UP)
    async def index() -> Response:
        """Say that the service is up; probes made for the original JCMC look for the first line."""
        return PlainTextResponse(f"JCMC IS UP\notel_jcmc {__version__} is up.\n")

    @router.get("/-/healthy", responses=_UP)
    async def healthy() -> Response:
        """Say that the process runs; Redis is not asked."""
        return PlainTextResponse("healthy\n")

    @router.get("/-/ready", responses=_READY)
    async def ready() -> Response:
        """Say whether the service takes pushes: it does if Redis answers and accepts writes."""
        if why := await store.why_not_ready():
            return PlainTextResponse(f"not ready: {why}\n", 503)
        return PlainTextResponse("ready\n")

    return router


def description_routes(describe: Callable[[], dict[str, Any]], readers: Readers) -> APIRouter:
    """Return the route that sends the OpenAPI document to callers that *readers* admit."""
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
