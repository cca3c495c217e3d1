"""
Answers `/-/doctor`: the document in which the service describes itself to `otel-jcmc doctor`.

A request comes in. If the caller may read pages, the JSON document of service/portrait.py goes out.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from otel_jcmc.web.readers import Readers

DOCTOR_PATH: Final = "/-/doctor"

# The document has these parts only if the query names them, because the service must read all
# participants to make them.
MORE: Final = ("tests", "series")
# A function that makes the document. Its argument names the parts of MORE that are wanted.
Tell = Callable[[frozenset[str]], Awaitable[dict[str, Any]]]


def doctor_routes(tell: Tell, readers: Readers) -> APIRouter:
    """Return the route that sends the document of *tell* to callers that *readers* admit."""
    router = APIRouter(default_response_class=Response)

    @router.get(DOCTOR_PATH, include_in_schema=False)
    async def doctor(request: Request) -> Response:
        """Return the document in which the service describes itself."""
        if refusal := readers.refuse(request.scope):
            return refusal.response()
        told = await tell(frozenset(MORE).intersection(request.query_params))
        return JSONResponse(told, headers={"cache-control": "no-store"})

    return router
