"""
Makes `/conferences/NAME`: the participants of a conference, their times, and how each call was.

The input is the conference's name and a time. The output is a page that shows all sessions of the
conference on one axis of time, and above them the things that stood out.
"""

from functools import partial
from typing import Any, Final, NamedTuple

from fastapi import APIRouter, Request, Response

from otel_jcmc.catalogue.attributes import BRIDGE, BROWSER_NAME
from otel_jcmc.intake.privacy import Privacy
from otel_jcmc.pages.answering import answer_page
from otel_jcmc.pages.charts import WIDTH, Stripe, ticks, timeline
from otel_jcmc.pages.door import Door
from otel_jcmc.pages.happenings import end_text
from otel_jcmc.pages.past import TICKS, band, name_of
from otel_jcmc.pages.routes import page_router
from otel_jcmc.pages.templating import large_page, page
from otel_jcmc.pages.words import STATES
from otel_jcmc.sessions.blame import coarse
from otel_jcmc.sessions.card import totals_of
from otel_jcmc.sessions.history import History, NoSuchSession
from otel_jcmc.sessions.meeting import Attendee, Meeting, meeting_at
from otel_jcmc.sessions.totals import judged
from otel_jcmc.verdict.record import Record
from otel_jcmc.web.query import BadQuery
from otel_jcmc.web.session_query import read_at, read_conference

# A band is a coloured bar for a time in one state. All sessions of a page together have at most
# this many bands, which make a page of 1 MB.
MOST_BANDS: Final = 8_000
_LEAST_BANDS: Final = 40
_NONE: Final = (
    "History has no conference with exactly this name, at that time or before. The search also"
    " finds a part of a name."
)


class Row(NamedTuple):
    """One session on the page: its participant, its id, its states over time and overall."""

    name: str
    sid: str
    detail: str
    is_live: bool
    end: str
    state: str
    cause: str
    bands: list[Stripe]


def conference_page_routes(
    history: History | None,
    record: Record,
    door: Door,
    privacy: Privacy,
    grace_ms: int,
    interval_ms: int,
) -> APIRouter:
    """
    Return the route of this page; *door* checks callers.

    A conference ends when it has had no participants for *grace_ms*.
    """
    router = page_router()

    @router.get("/conferences")
    @router.get("/conferences/{name:path}")
    async def conference(request: Request) -> Response:
        """Return the page; the query has the conference's name if a path cannot contain it."""
        by_query = "name" not in request.path_params
        name: str = (request.query_params if by_query else request.path_params).get("name", "")

        async def read(of: History) -> Response:
            now_ms = await of.now_ms()
            # Empty fields of the form are ignored.
            pairs = [each for each in request.query_params.multi_items() if each[1].strip()]
            if by_query:
                pairs = [each for each in pairs if each[0] != "name"]
            asked = dict(pairs)
            told: dict[str, Any] = {"asked": asked, "wrong": "", "name": name, "meeting": None}
            told["by_query"] = by_query
            try:
                at_ms = read_at(pairs if "at" in asked else _without_zone(pairs), now_ms)
                names = read_conference(name, privacy)
            except BadQuery as wrong:
                return page(request, "conference.html", told | {"wrong": str(wrong)}, 400)
            try:
                meeting = await meeting_at(of, record, names, at_ms, grace_ms, interval_ms)
            except NoSuchSession:
                return page(request, "conference.html", told | {"wrong": _NONE}, 404)
            telling = partial(_told, meeting, now_ms, at_ms if "at" in asked else None, told)
            return await large_page(request, "conference.html", telling, of.turn)

        return await answer_page(request, door, history, read, _NONE)

    return router


def _without_zone(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return *pairs* without the time zone: without a time in the query, the zone has no use."""
    return [each for each in pairs if each[0] != "tz"]


def _told(
    meeting: Meeting, now_ms: int, at_ms: int | None, asked: dict[str, Any]
) -> dict[str, Any]:
    """Return the values for the template: *asked* and those for the time *at_ms* (None: now)."""
    from_ms = meeting.from_ms
    to_ms = max(now_ms, meeting.to_ms) if meeting.goes_on else meeting.to_ms
    is_within = at_ms is not None and from_ms < at_ms < to_ms
    share = ((at_ms or 0) - from_ms) / max(1, to_ms - from_ms)
    most = max(_LEAST_BANDS, MOST_BANDS // max(1, len(meeting.attendees)))
    return asked | {
        "meeting": meeting,
        "to_ms": to_ms,
        "rows": [_row(each, from_ms, to_ms, most) for each in meeting.attendees],
        "live": sum(each.session.ended_ms is None for each in meeting.attendees),
        "stood_out": timeline(meeting.stood_out, from_ms, to_ms),
        "ticks": ticks(from_ms, to_ms, TICKS),
        "at_x": round(share * WIDTH, 1) if is_within else None,
    }


def _row(attendee: Attendee, from_ms: int, to_ms: int, most: int) -> Row:
    session = attendee.session
    who = session.attributes
    totals = totals_of(session.card)
    state, cause = judged(totals)[:2] if totals is not None else (None, "")
    return Row(
        name_of(session),
        session.sid,
        ", ".join(filter(None, (who.get(BROWSER_NAME.id), who.get(BRIDGE.id)))),
        session.ended_ms is None,
        end_text(session),
        STATES[state],
        cause,
        [band(each, from_ms, to_ms) for each in coarse(attendee.spells, most)],
    )
