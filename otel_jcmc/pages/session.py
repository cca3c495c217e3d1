"""
Makes `/sessions/ID`: how one session was, from its first push to its end.

The input is the session's id, the output is a page. The page shows participant, time and verdict.
Below them, it shows on one axis of time the states of the call, the things that stood out in that
time, and charts of the numbers.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from fastapi import APIRouter, Request, Response

from otel_jcmc.catalogue.attributes import CONFERENCE, PARTICIPANT
from otel_jcmc.pages.answering import answer_page
from otel_jcmc.pages.charts import ticks, timeline
from otel_jcmc.pages.course import MEASURES, Course, course_of
from otel_jcmc.pages.door import Door
from otel_jcmc.pages.happenings import end_text, happenings
from otel_jcmc.pages.lines import charts_of
from otel_jcmc.pages.past import TICKS, band, name_of, until
from otel_jcmc.pages.routes import page_router
from otel_jcmc.pages.templating import large_page
from otel_jcmc.pages.words import bitrate, milliseconds, percent, score
from otel_jcmc.sessions.blame import coarse, spells_of
from otel_jcmc.sessions.entry import in_order
from otel_jcmc.sessions.history import History
from otel_jcmc.sessions.meeting import touches
from otel_jcmc.sessions.past import PastSession
from otel_jcmc.sessions.scopes import scopes_of
from otel_jcmc.verdict.journal import Entry
from otel_jcmc.verdict.record import Record
from otel_jcmc.web.session_about import about

MOST_BANDS: Final = 400
MOST_HAPPENINGS: Final = 200
_NONE: Final = (
    "No session has this id, or the session is too old: history is kept for a limited time."
)
# The same order as in course.MEASURES.
_WRITE: Final = ("{:.0f}".format, percent, percent, milliseconds, score, bitrate, bitrate)


class Seeing(NamedTuple):
    """
    The settings that the page of a session uses.

    Attributes:
        interval_ms: the time between two samples in history.
        bad_loss: the loss in percent beyond which a call is bad.
        trace_url: an address with {trace_id} and perhaps {span_id} in it; empty: the page links to
            no trace.
    """

    interval_ms: int
    bad_loss: float
    bad_round_trip_ms: float
    trace_url: str


def one_session_routes(
    history: History | None, record: Record, door: Door, seeing: Seeing
) -> APIRouter:
    """Return the route of one session; *door* checks callers, *record* has the journal."""
    router = page_router()

    @router.get("/sessions/{sid}")
    async def session(request: Request) -> Response:
        """Return the page."""

        async def read(of: History) -> Response:
            found, log = await of.session(request.path_params["sid"])
            now_ms = await of.now_ms()
            until_ms = until(found, now_ms)
            entries = await record.read(found.started_ms, until_ms)
            scope = (await scopes_of(of, record, [found])).get(found.sid, "")
            telling = partial(_told, found, log, entries, until_ms, seeing, scope)
            return await large_page(request, "session.html", telling, of.turn)

        return await answer_page(request, door, history, read, _NONE)

    return router


def _told(
    session: PastSession,
    log: Sequence[bytes],
    entries: list[Entry],
    until_ms: int,
    seeing: Seeing,
    scope: str,
) -> dict[str, Any]:
    """Return the values for the template; this takes longer if the log is longer."""
    samples = in_order(log)
    who = session.attributes
    conference, from_ms = who.get(CONFERENCE.id, ""), session.started_ms
    apart_ms = session.ttl_ms + seeing.interval_ms
    gap_ms = session.ttl_ms if any(each.pushes for each in samples) else apart_ms
    spells = spells_of(samples, gap_ms, conference, who.get(PARTICIPANT.id, ""), entries)
    course = course_of(samples, from_ms, until_ms, apart_ms)
    # A session may have had several bridges, and something may have stood out on any of them.
    places = [session._replace(attributes=each.attributes) for each in samples if each.attributes]
    stood_out = [each for each in entries if touches(each, conference, [session, *places])]
    happened = happenings(session, samples)
    one = about(session)
    return {
        "session": session,
        "scope": scope,
        "one": one,
        "name": name_of(session),
        "conference": conference,
        "until_ms": until_ms,
        "end": end_text(session),
        "tenths": [round((one["seconds"] or {}).get(each, 0) * 10) for each in _STATES],
        "bands": [band(each, from_ms, until_ms) for each in coarse(spells, MOST_BANDS)],
        "stood_out": timeline(stood_out, from_ms, until_ms),
        "charts": charts_of(course, seeing.bad_loss, seeing.bad_round_trip_ms),
        "ticks": ticks(from_ms, until_ms, TICKS),
        "happened": happened[:MOST_HAPPENINGS],
        "more": max(0, len(happened) - MOST_HAPPENINGS),
        "measures": [each.name for each in MEASURES],
        "rows": _rows(course),
        "trace": _trace(one, seeing.trace_url),
    }


_STATES: Final = ("good", "fair", "bad", "unknown")


def _rows(course: Course) -> list[tuple[int, list[str]]]:
    """Return the points as rows of a table; a cell is empty if its value is not known."""
    return [
        (
            each.at_ms,
            [
                "" if value is None else write(value)
                for write, value in zip(_WRITE, each.values, strict=True)
            ],
        )
        for each in course.points
    ]


def _trace(one: dict[str, Any], url: str) -> str:
    """Return the address of the session's trace; empty: the session has no trace."""
    if not url or not one["trace_id"]:
        return ""
    return url.replace("{trace_id}", one["trace_id"]).replace("{span_id}", one["span_id"])
