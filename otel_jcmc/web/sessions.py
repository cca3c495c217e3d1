"""
What is served of sessions: the list, one of them, and their erasure.

FastAPI routes behind the readers of what people read, never with CORS. They take the request
and return responses: for a parameter or a result with a type FastAPI makes a model, and imports
all of pydantic's version 1 to see that it is none of those (40 ms, 2 MiB).
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse

from otel_jcmc.catalogue.reasons import StoreUnavailable
from otel_jcmc.intake.privacy import Privacy
from otel_jcmc.sessions.erasure import Erasure
from otel_jcmc.sessions.history import History, NoSuchSession
from otel_jcmc.web.readers import Readers
from otel_jcmc.web.session_document import ERASED, ERASURE, FOUND, LISTED, LISTING, ONE
from otel_jcmc.web.session_query import BadQuery, read_asked, read_erased, read_view
from otel_jcmc.web.session_text import CSV, JSON, list_text, session_text

# Who was in which conference is nothing for a cache on the way.
_HEADERS: Final = {"cache-control": "no-store"}
_OFF: Final = "JCMC_HISTORY_HOURS is 0: no history is kept"
_AWAY: Final = "Redis does not answer"
_NONE: Final = "there is no such session, or no more"
_RETRY: Final = {"retry-after": "5"}

_T = TypeVar("_T")


def session_routes(
    history: History | None,
    erasure: Erasure | None,
    readers: Readers,
    privacy: Privacy,
    interval_ms: int,
) -> APIRouter:
    """
    Return the routes of sessions, behind *readers*; without *history* they say how to get one.

    Without *erasure* nothing is kept of sessions, not for spans either.
    """
    router = APIRouter(default_response_class=Response)

    @router.get("/sessions", responses=LISTED, openapi_extra=LISTING)
    async def sessions(request: Request) -> Response:
        """Return the sessions that are asked for, newest first."""

        async def read(of: History) -> Response:
            asked = read_asked(request.query_params.multi_items(), privacy, await of.now_ms())
            return Response(list_text(*await of.sessions(asked)), 200, _HEADERS, JSON)

        return await _answer(request, readers, history, read)

    @router.get("/sessions/{sid}", responses=FOUND, openapi_extra=ONE)
    async def session(request: Request) -> Response:
        """Return one session: who, when, and its samples in the order of their times."""

        async def read(of: History) -> Response:
            view = read_view(request.query_params.multi_items(), request.headers.get("accept", ""))
            found, entries = await of.session(request.path_params["sid"])
            # Made in a thread, a piece at a time, as fast as the other side reads.
            pieces = session_text(found, entries, view, interval_ms)
            return StreamingResponse(pieces, 200, _HEADERS, CSV if view.is_csv else JSON)

        return await _answer(request, readers, history, read)

    @router.delete("/sessions", responses=ERASED, openapi_extra=ERASURE)
    async def erase(request: Request) -> Response:
        """Erase all that is kept of a client's sessions."""

        async def erased(of: Erasure) -> Response:
            # No page has a button for it: it is another site's, by a name that leads here.
            if "origin" in request.headers:
                return _line("no page may erase: a request without Origin is wanted", 403)
            who = read_erased(request.query_params.multi_items(), privacy)
            return JSONResponse({"deleted": await of.erase(*who)}, 200, _HEADERS)

        return await _answer(request, readers, erasure, erased)

    return router


async def _answer(
    request: Request,
    readers: Readers,
    of: _T | None,
    read: Callable[[_T], Awaitable[Response]],
) -> Response:
    """Return what *read* makes *of* something, or why it can't be had."""
    if refusal := readers.refuse(request.scope):
        return _line(refusal.text, refusal.status, refusal.headers)
    if of is None:
        return _line(_OFF, 404)
    try:
        return await read(of)
    except BadQuery as bad:
        return _line(str(bad), 400)
    except NoSuchSession:
        return _line(_NONE, 404)
    except StoreUnavailable:
        return _line(_AWAY, 503, _RETRY)


def _line(text: str, status: int, headers: dict[str, Any] | None = None) -> Response:
    """Return an answer of one line."""
    return PlainTextResponse(f"{text}\n", status, _HEADERS | (headers or {}))
