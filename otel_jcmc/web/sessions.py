"""
Answers requests for sessions: the list of sessions, one session, and the erasure of sessions.

FastAPI routes answer callers that may read pages. Pages of other origins can't read the answers,
because they have no CORS headers. The routes take the request and return responses. If a route had
typed parameters or results, FastAPI would make a model, and import all of pydantic's version 1
(40 ms, 2 MiB).
"""

from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from otel_jcmc.intake.privacy import Privacy
from otel_jcmc.sessions.erasure import Erasure
from otel_jcmc.sessions.history import History
from otel_jcmc.sessions.scopes import scopes_of
from otel_jcmc.verdict.record import Record
from otel_jcmc.web.readers import Readers
from otel_jcmc.web.reading import HEADERS, answer_read, line
from otel_jcmc.web.session_about import list_text
from otel_jcmc.web.session_document import ERASED, ERASURE, FOUND, LISTED, LISTING, ONE
from otel_jcmc.web.session_export import JSON_LINES, exported
from otel_jcmc.web.session_query import read_asked, read_erased, read_view
from otel_jcmc.web.session_text import CSV, JSON, session_text

_NONE: Final = "no such session, or history no longer has it"


def session_routes(
    history: History | None,
    erasure: Erasure | None,
    record: Record,
    readers: Readers,
    privacy: Privacy,
    interval_ms: int,
) -> APIRouter:
    """
    Return the routes of sessions, for callers that *readers* admit.

    Without *history*, the routes answer 404 and name the setting that turns history on. *record* is
    the journal of what stood out: it tells the scope of a session's bad time. *erasure* is None if
    the service keeps no data of sessions, not even spans that wait to be sent. *interval_ms* is the
    time that an entry of the log covers.
    """
    router = APIRouter(default_response_class=Response)

    @router.get("/sessions", responses=LISTED, openapi_extra=LISTING)
    async def sessions(request: Request) -> Response:
        """Return the sessions that match the query, the newest or the worst first."""

        async def read(of: History) -> Response:
            query = request.query_params.multi_items()
            asked, kind = read_asked(query, privacy, await of.now_ms())
            if kind != "json":
                total, lines = await exported(of, record, asked, is_csv=kind == "csv")
                headers = HEADERS | {"x-total-count": str(total)}
                return StreamingResponse(lines, 200, headers, CSV if kind == "csv" else JSON_LINES)
            found, after = await of.sessions(asked)
            scopes = await scopes_of(of, record, found)
            return Response(list_text(found, scopes, after), 200, HEADERS, JSON)

        return await answer_read(request, readers, history, read, _NONE)

    @router.get("/sessions/{sid}", responses=FOUND, openapi_extra=ONE)
    async def session(request: Request) -> Response:
        """Return one session: its participant, its times, and its samples in the order of time."""

        async def read(of: History) -> Response:
            view = read_view(request.query_params.multi_items(), request.headers.get("accept", ""))
            found, entries = await of.session(request.path_params["sid"])
            scope = (await scopes_of(of, record, [found])).get(found.sid)
            # Starlette makes the pieces in a thread, one at a time, as fast as the client reads.
            pieces = session_text(found, entries, view, interval_ms, scope)
            return StreamingResponse(pieces, 200, HEADERS, CSV if view.is_csv else JSON)

        return await answer_read(request, readers, history, read, _NONE)

    @router.delete("/sessions", responses=ERASED, openapi_extra=ERASURE)
    async def erase(request: Request) -> Response:
        """Erase all data of a client that the service keeps in Redis."""

        async def erased(of: Erasure) -> Response:
            # Our own pages never send this request. So a request with Origin comes from a page of
            # another site, which reaches us by a host name that points to our address.
            if "origin" in request.headers:
                return line(
                    "a web page may not erase sessions: send the request without Origin", 403
                )
            who = read_erased(request.query_params.multi_items(), privacy)
            return JSONResponse({"deleted": await of.erase(*who)}, 200, HEADERS)

        return await answer_read(request, readers, erasure, erased, _NONE)

    return router
