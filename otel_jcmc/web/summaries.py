"""
Answers requests for summaries: sessions counted by days or weeks, and by a common attribute.

A FastAPI route answers them for the readers of pages, never with CORS.
"""

import asyncio
from datetime import UTC, datetime

from fastapi import APIRouter, Request, Response

from otel_jcmc.sessions.counts import Counts
from otel_jcmc.sessions.summaries import Summaries
from otel_jcmc.web.readers import Readers
from otel_jcmc.web.reading import HEADERS, answer_read, line
from otel_jcmc.web.session_text import CSV, JSON
from otel_jcmc.web.summary_document import ASKING, COUNTED
from otel_jcmc.web.summary_query import AskedSummaries, read_asked_summaries
from otel_jcmc.web.summary_text import groups_csv, groups_json

_OFF = "JCMC_SUMMARY_DAYS is 0: no summaries are kept"


def summary_routes(summaries: Summaries | None, readers: Readers) -> APIRouter:
    """Return the route of *summaries*, behind *readers*; without them it says what to set."""
    router = APIRouter(default_response_class=Response)

    @router.get("/summaries", responses=COUNTED, openapi_extra=ASKING)
    async def counted(request: Request) -> Response:
        """Return sessions in groups."""

        async def read(of: Summaries | None) -> Response:
            if of is None:
                return line(_OFF, 404)
            query = request.query_params.multi_items()
            today = datetime.now(UTC).date()
            asked = read_asked_summaries(query, request.headers.get("accept", ""), today)
            return await _counted(of, asked)

        # In a tuple, because the 404 text for missing summaries differs from that for history.
        return await answer_read(request, readers, (summaries,), lambda of: read(of[0]), _OFF)

    return router


async def _counted(of: Summaries, asked: AskedSummaries) -> Response:
    """Return the answer with the groups that the request has *asked* for."""
    counts = Counts(asked.by, asked.per)
    async for day, some in of.read(asked.first, asked.last):
        counts.add(day, some)
        await asyncio.sleep(0)
    groups = counts.groups()
    if asked.is_csv:
        return Response(groups_csv(asked, groups), 200, HEADERS, CSV)
    return Response(groups_json(asked, groups), 200, HEADERS, JSON)
