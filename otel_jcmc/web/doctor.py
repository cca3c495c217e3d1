"""
`/-/doctor`: what the service says of itself, for `otel-jcmc doctor`.

A request comes in; one JSON document goes out (service/portrait.py), if the caller may read pages.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from otel_jcmc.web.readers import Readers

DOCTOR_PATH: Final = "/-/doctor"

# Only for callers that ask for it, because it needs a read of all participants.
MORE: Final = ("tests", "series")
# Makes the document, with those of MORE that are asked for.
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
