"""
Answers requests for summaries: counts sessions by day or week, and by an attribute such as region.

A FastAPI route answers callers that may read pages. Pages of other origins can't read the answers,
because they have no CORS headers.
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
    """
    Return the route of *summaries*, for callers that *readers* admit.

    Without *summaries*, the route answers 404 and names the setting that turns summaries on.
    """
    router = APIRouter(default_response_class=Response)

    @router.get("/summaries", responses=COUNTED, openapi_extra=ASKING)
    async def counted(request: Request) -> Response:
        """Return groups of sessions with their counts."""

        async def read(of: Summaries | None) -> Response:
            if of is None:
                return line(_OFF, 404)
            query = request.query_params.multi_items()
            today = datetime.now(UTC).date()
            asked = read_asked_summaries(query, request.headers.get("accept", ""), today)
            return await _counted(of, asked)

        # If answer_read got None, it would answer that no history is kept. A tuple is never None,
        # so `read` can answer that no summaries are kept.
        return await answer_read(request, readers, (summaries,), lambda of: read(of[0]), _OFF)

    return router


async def _counted(of: Summaries, asked: AskedSummaries) -> Response:
    """Count the summaries that the request has *asked* for, and return the groups."""
    counts = Counts(asked.by, asked.per)
    async for day, some in of.read(asked.first, asked.last):
        counts.add(day, some)
        await asyncio.sleep(0)
    groups = counts.groups()
    if asked.is_csv:
        return Response(groups_csv(asked, groups), 200, HEADERS, CSV)
    return Response(groups_json(asked, groups), 200, HEADERS, JSON)
