"""
Answers `/-/doctor`: the document in which the service describes itself to `otel-jcmc doctor`.

A request comes in; one JSON document goes out (service/portrait.py), if the caller may read pages.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from otel_jcmc.web.readers import Readers

DOCTOR_PATH: Final = "/-/doctor"

# Parts of the document that a caller must ask for, because they need a read of all participants.
MORE: Final = ("tests", "series")
# A function that makes the document, with the parts of MORE that it is given.
Tell = Callable[[frozenset[str]], Awaitable[dict[str, Any]]]


def doctor_routes(tell: Tell, readers: Readers) -> APIRouter:
    """Return the route of the document that *tell* makes, behind *readers*."""
    router = APIRouter(default_response_class=Response)

    @router.get(DOCTOR_PATH, include_in_schema=False)
    async def doctor(request: Request) -> Response:
        """Return what the service says of itself."""
        if refusal := readers.refuse(request.scope):
            return refusal.response()
        told = await tell(frozenset(MORE).intersection(request.query_params))
        return JSONResponse(told, headers={"cache-control": "no-store"})

    return router
