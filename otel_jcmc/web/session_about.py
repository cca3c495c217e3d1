"""
Describes sessions: the participant, the times and the quality, as JSON or as a row of a table.

Sessions of history come in, with the scope of each: how far its trouble reached. Objects for JSON,
lines of JSON and rows of CSV go out. All three name a metric like its field in a push, and an
attribute like its label.
"""

import csv
import io
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from otel_jcmc.catalogue.attributes import (
    ATTRIBUTES,
    BRIDGE,
    BROWSER_NAME,
    BROWSER_VERSION,
    CLIENT,
    CONFERENCE,
    OS_NAME,
    OS_VERSION,
    PARTICIPANT,
    REGION,
    ROLE,
    USERNAME,
)
from otel_jcmc.catalogue.metrics import LIST_ID, METRICS
from otel_jcmc.intake.privacy import name_of
from otel_jcmc.sessions.card import totals_of
from otel_jcmc.sessions.past import PastSession
from otel_jcmc.sessions.span_ids import session_span_id, trace_id
from otel_jcmc.sessions.totals import (
    Totals,
    average,
    bad_share,
    cause_of,
    state_of,
    tenths_by_state,
    worst,
)
from otel_jcmc.sessions.vitals import COUNTED_FIELDS, VITALS
from otel_jcmc.store.sid import sid_conference
from otel_jcmc.verdict.rules import UNKNOWN, State

_FIELD: Final = {row.id: row.field for row in METRICS}
_NAME: Final = {row.id: name_of(row) for row in ATTRIBUTES}
# A spreadsheet takes a cell that begins with one of these characters for a formula or for a new
# cell (OWASP, CSV injection).
_FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r")
_STATES: Final[tuple[State | None, ...]] = (*State, None)
_encode: Final = msgspec.json.Encoder().encode

# The columns of CSV: paths in the result of `about`, with dots between the names of the members.
COLUMNS: Final = (
    *("id", "conference", "client_id", "participant_id", "name", "session_id"),
    *("started", "last_push", "ended", "end_reason", "end_cause", "duration_seconds"),
    *("verdict.state", "verdict.cause", "verdict.scope"),
    *(f"summary.{vital}.{what}" for vital in VITALS for what in ("mean", "worst", "bad_share")),
    *(f"seconds.{word}" for word in ("good", "fair", "bad", "unknown")),
    *("outages", *(f"counts.{field}" for field in COUNTED_FIELDS)),
    *("browser", "system", "region", "bridge", "role", "rating", "feedback"),
    *("samples_count", "leg", "previous", "trace_id", "span_id"),
)


def about(session: PastSession, scope: str | None = None) -> dict[str, Any]:
    """
    Return the participant, the times and the totals of *session*, ready for JSON.

    *scope* says how far the trouble reached during most of its bad time; None: not known.
    """
    known = session.attributes
    until_ms = session.last_ms if session.ended_ms is None else session.ended_ms
    paths = known.get(LIST_ID, [])
    return {
        "id": session.sid,
        "conference": known.get(CONFERENCE.id),
        "client_id": known.get(CLIENT.id),
        "participant_id": known.get(PARTICIPANT.id),
        "name": known.get(USERNAME.id),
        "session_id": session.session_id,
        "started": time_text(session.started_ms),
        "last_push": time_text(session.last_ms),
        "ended": None if session.ended_ms is None else time_text(session.ended_ms),
        "end_reason": session.reason,
        "end_cause": session.cause or None,
        "duration_seconds": max(0, until_ms - session.started_ms) / 1000,
        "samples_count": session.samples,
        **how(totals_of(session.card), scope),
        "browser": _joined(known, BROWSER_NAME.id, BROWSER_VERSION.id),
        "system": _joined(known, OS_NAME.id, OS_VERSION.id),
        "region": known.get(REGION.id),
        "bridge": known.get(BRIDGE.id),
        "role": known.get(ROLE.id),
        "rating": session.rating,
        "feedback": session.feedback,
        "transports": [named(path) for path in paths],
        "leg": session.leg,
        "previous": session.previous or None,
        **_span(session),
    }


def how(totals: Totals | None, scope: str | None) -> dict[str, Any]:
    """
    Return verdict, summary, seconds, outages and counts of a session with these *totals*.

    Without *totals*, these members of the result are None. *scope* says how far the trouble reached
    during most of the bad time; None: not known.
    """
    if totals is None:
        return dict.fromkeys(("verdict", "summary", "seconds", "outages", "counts"))
    state = state_of(totals)
    tenths = tenths_by_state(totals)
    return {
        "verdict": None
        if state is None
        else {"state": state.name.lower(), "cause": cause_of(totals) or None, "scope": scope},
        "summary": {
            name: {
                "mean": _round(average(totals, index)),
                "worst": worst(totals, index),
                "bad_share": _round(bad_share(totals, index), 4),
            }
            for index, name in enumerate(VITALS)
        },
        "seconds": {
            UNKNOWN if each is None else each.name.lower(): tenths.get(each, 0) / 10
            for each in _STATES
        },
        "outages": totals.outages,
        "counts": dict(zip(COUNTED_FIELDS, totals.counts, strict=False)),
    }


def _span(session: PastSession) -> dict[str, str | None]:
    """Return the trace id and span id of *session* in hex; None if it does not become a span."""
    if not session.instance.isdigit():
        return {"trace_id": None, "span_id": None}
    instance, sid = int(session.instance), session.sid
    return {
        "trace_id": trace_id(sid_conference(sid), instance).hex(),
        "span_id": session_span_id(sid, instance, session.session, session.leg).hex(),
    }


def list_text(found: Iterable[PastSession], scopes: Mapping[str, str], after: str | None) -> bytes:
    """
    Return the sessions *found*, one page of a list, as JSON.

    *scopes*: sid -> how far the trouble of the session reached. *after* is where the next page
    begins; None: there is no next page.
    """
    listed = [about(each, scopes.get(each.sid)) for each in found]
    return _encode({"sessions": listed, "next": after}) + b"\n"


def rows_text(told: Iterable[Mapping[str, Any]], *, is_csv: bool) -> bytes:
    """Return *told*, results of `about`, as lines of CSV (RFC 4180) or of JSON."""
    if not is_csv:
        return b"".join(_encode(each) + b"\n" for each in told)
    page = io.StringIO()
    writer = csv.writer(page)
    writer.writerows([_cell(each, path) for path in COLUMNS] for each in told)
    return page.getvalue().encode()


def heading() -> bytes:
    """Return the first line of CSV, with the names of the columns."""
    return (",".join(COLUMNS) + "\r\n").encode()


def _cell(told: Mapping[str, Any], path: str) -> Any:
    """Return the value at *path* in *told*; a text like a formula gets an apostrophe before it."""
    value: Any = told
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    if isinstance(value, str) and value.startswith(_FORMULAS):
        return f"'{value}"
    return value


def named(attributes: Mapping[int, Any]) -> dict[str, Any]:
    """
    Return name -> value for *attributes*, which are id -> value.

    The ids are those of the catalogue. The result omits ids that this version does not know.
    """
    return {
        _NAME[id_] if id_ in _NAME else _FIELD[id_]: [named(each) for each in value]
        if isinstance(value, list)
        else value
        for id_, value in attributes.items()
        if id_ in _NAME or id_ in _FIELD
    }


def time_text(ms: int) -> str:
    """Return *ms*, a Unix time in ms, as text in the form of RFC 3339 and in UTC."""
    whole = datetime.fromtimestamp(ms / 1000, UTC)
    return whole.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _joined(known: Mapping[int, Any], *ids: int) -> str | None:
    """Return the texts in *known* for *ids*, separated by spaces; None if *known* has none."""
    return " ".join(known[id_] for id_ in ids if known.get(id_)) or None


def _round(value: float | None, digits: int = 2) -> float | None:
    """Return *value* rounded to this number of decimal *digits*; None if *value* is None."""
    return None if value is None else round(value, digits)
