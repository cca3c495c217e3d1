"""
Answers a browser's request for a push token.

A request from a page comes in. A token goes out, or a status with the reason why there is no token.
The routes read headers from the request and return responses. If a route had typed parameters or
results, FastAPI would make a model, and import all of pydantic's version 1 (40 ms, 2 MiB).
"""

from collections.abc import Callable, Sequence
from math import ceil
from time import monotonic
from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from otel_jcmc.catalogue.reasons import Fault, PushRefused, Reason, StoreUnavailable
from otel_jcmc.intake.callers import Header
from otel_jcmc.intake.heads import Lines
from otel_jcmc.intake.limits import Limits, TooFast
from otel_jcmc.metrics.own import ACCEPTED, FAILED, REFUSED
from otel_jcmc.web.answers import RETRY_AFTER_SECONDS, listing
from otel_jcmc.web.cors import Cors
from otel_jcmc.web.schemas import (
    JSON,
    Responses,
    answer,
    because,
    header,
    later,
    object_of,
    refused,
)

# The second path begins with the path of pushes, for pages that know only the address for pushes.
PUSH_TOKEN_PATHS: Final = ("/push-token", "/metrics/push-token")
_ISSUED: Final = object_of(
    {
        "token": {
            "type": "string",
            "description": "Send it with each push: as bearer token, or as `token` in the body.",
        },
        "expires_in": {
            "type": "integer",
            "minimum": 1,
            "description": "How many seconds the token is valid.",
        },
    },
    required=["token", "expires_in"],
)
_ANSWERS: Final[Responses] = {
    200: answer("A token.", JSON, schema=_ISSUED),
    403: refused(f"{because(Reason.ORIGIN_NOT_ALLOWED)} Or the request has no Origin."),
    429: later(because(Reason.ADDRESS_RATE)),
    503: later("No token can be issued now."),
}
_ORIGIN: Final = header("Origin", "The origin of the page, as browsers send it.")


def push_token_routes(
    issue: Callable[[Sequence[Header]], dict[str, str | int]],
    cors: Cors,
    limits: Limits,
    count: Callable[..., None],
) -> APIRouter:
    """
    Return the routes at which a page gets a token, and later a new one.

    *issue* makes the token from the headers of the request. *count* is called for each answer with
    its result and reason. In the limit of pushes for an address, a request for a token counts as a
    push.
    """
    router = APIRouter(default_response_class=Response)

    async def push_token(request: Request) -> Response:
        """Return a token for the pushes of the page that sends the request."""
        headers = cors.answer_as_text(request.headers.raw) | {"cache-control": "no-store"}
        peer = request.client.host if request.client else ""
        now = monotonic()
        crowd = limits.find(peer, Lines(request.headers.raw).forwarded(), now)
        try:
            limits.admit(crowd, now)
            issued = issue(request.headers.raw)
        except TooFast as fast:
            count(REFUSED, fast.reason)
            limits.refusals.add(fast.reason)
            headers["retry-after"] = str(ceil(fast.seconds))
            return JSONResponse(listing("errors", [Fault("", fast.reason)]), 429, headers)
        except PushRefused as refused:
            count(REFUSED, refused.reason)
            return JSONResponse(listing("errors", refused.faults), 403, headers)
        except StoreUnavailable as away:
            count(FAILED, away.reason)
            headers["retry-after"] = str(RETRY_AFTER_SECONDS)
            return JSONResponse(listing("errors", [Fault("", away.reason)]), 503, headers)
        count(ACCEPTED)
        return JSONResponse(issued, headers=headers)

    async def preflight(request: Request) -> Response:
        response = Response(status_code=204)
        response.raw_headers += cors.preflight(request.headers.raw, b"POST")
        return response

    for path in PUSH_TOKEN_PATHS:
        told = router.post(path, responses=_ANSWERS, openapi_extra={"parameters": [_ORIGIN]})
        told(push_token)
        router.options(path, include_in_schema=False)(preflight)
    return router
