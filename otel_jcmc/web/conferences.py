"""
Answers how a conference was at a time: its participants, the quality of each, and what stood out.

This is a FastAPI route for callers that may read pages. The request must have the whole name of the
conference. To search by a part of the name, use the list of sessions.
"""

from collections import Counter
from typing import Any, Final

import msgspec
from fastapi import APIRouter, Request, Response

from otel_jcmc.intake.privacy import Privacy
from otel_jcmc.sessions.blame import Spell
from otel_jcmc.sessions.history import History
from otel_jcmc.sessions.meeting import Attendee, Meeting, meeting_at
from otel_jcmc.verdict.journal import Entry
from otel_jcmc.verdict.record import Record
from otel_jcmc.web.query import Pairs
from otel_jcmc.web.readers import Readers
from otel_jcmc.web.reading import HEADERS, answer_read
from otel_jcmc.web.session_about import about, time_text
from otel_jcmc.web.session_document import HELD, MEETING
from otel_jcmc.web.session_query import read_at, read_conference

_NONE: Final = "history has no such conference at that time or before"
_encode: Final = msgspec.json.Encoder().encode
# For each participant, the answer has these members of the result of session_about.about.
_TOLD: Final = (
    *("id", "participant_id", "name", "region", "bridge", "browser", "role"),
    *("started", "ended", "end_reason", "verdict", "summary"),
)


def conference_routes(
    history: History | None,
    record: Record,
    readers: Readers,
    privacy: Privacy,
    grace_ms: int,
    interval_ms: int,
) -> APIRouter:
    """
    Return the route of conferences, for callers that *readers* admit.

    If no participant is in a conference for *grace_ms*, the instance has ended. *interval_ms* is
    the time that an entry of the log covers.
    """
    router = APIRouter(default_response_class=Response)

    @router.get("/conferences/{name:path}", responses=HELD, openapi_extra=MEETING)
    async def conference(request: Request) -> Response:
        """Return the conference that was held at a time, or the last one before that time."""

        async def read(of: History) -> Response:
            query: Pairs = request.query_params.multi_items()
            at_ms = read_at(query, await of.now_ms())
            names = read_conference(request.path_params["name"], privacy)
            meeting = await meeting_at(of, record, names, at_ms, grace_ms, interval_ms)
            return Response(meeting_text(meeting, at_ms), 200, HEADERS, "application/json")

        return await answer_read(request, readers, history, read, _NONE)

    return router


def meeting_text(meeting: Meeting, at_ms: int) -> bytes:
    """
    Return *meeting* as JSON.

    A band is a time in which the call of a participant was in one state. Its beginning and end are
    in seconds since the beginning of the instance.
    """
    return _encode(
        {
            "conference": meeting.conference,
            "at": time_text(at_ms),
            "from": time_text(meeting.from_ms),
            "to": time_text(meeting.to_ms),
            "goes_on": meeting.goes_on,
            "people_count": meeting.people,
            "people": [_attendee(each, meeting.from_ms) for each in meeting.attendees],
            "stood_out": [_entry(each) for each in meeting.stood_out],
        }
    )


def _attendee(attendee: Attendee, from_ms: int) -> dict[str, Any]:
    """Return one session, ready for JSON; its instance began at *from_ms*."""
    times: Counter[str] = Counter()
    for each in attendee.spells:
        if each.scope:
            times[each.scope] += each.to_ms - each.from_ms
    told = about(attendee.session, min(times, key=lambda one: (-times[one], one), default=None))
    return {name: told[name] for name in _TOLD} | {
        "bands": [_band(each, from_ms) for each in attendee.spells]
    }


def _band(band: Spell, from_ms: int) -> list[Any]:
    """Return *band* as a list: start and end in seconds since *from_ms*, state, cause, scope."""
    start, end = ((each - from_ms) / 1000 for each in band[:2])
    return [start, end, *band[2:]]


def _entry(entry: Entry) -> dict[str, Any]:
    """
    Return *entry* of the journal, which is about one thing that stood out, ready for JSON.

    The member `end` is the time of the last check that found this thing.
    """
    bad, known, _, _ = entry.coverage
    return {
        "scope": entry.scope,
        "name": entry.name,
        "region": entry.region or None,
        "onset": time_text(entry.since_ms),
        "end": time_text(entry.seen_ms),
        "share": round(entry.peak, 4),
        "bad": bad,
        "known": known,
    }
