"""
Describes sessions: the participant, the times and the quality, as JSON or as a row of a table.

Sessions of history and the scopes of their bad time come in; objects, lines of JSON and rows of CSV
go out. Metrics have the names of their fields, attributes the names of their labels.
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
# First characters that a spreadsheet takes for a formula or a new cell (OWASP, CSV injection).
_FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r")
_STATES: Final[tuple[State | None, ...]] = (*State, None)
_encode: Final = msgspec.json.Encoder().encode

# The columns of a table of sessions, as paths in the result of `about`.
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
    """Return the participant, the times and the totals of *session*, ready for JSON."""
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
    """Return verdict, summary, seconds and counts of a whole session; None: not known."""
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
    """Return the ids of the session's span; None if sessions do not become spans."""
    if not session.instance.isdigit():
        return {"trace_id": None, "span_id": None}
    instance, sid = int(session.instance), session.sid
    return {
        "trace_id": trace_id(sid_conference(sid), instance).hex(),
        "span_id": session_span_id(sid, instance, session.session, session.leg).hex(),
    }


def list_text(found: Iterable[PastSession], scopes: Mapping[str, str], after: str | None) -> bytes:
    """Return one page of a list of sessions as JSON."""
    listed = [about(each, scopes.get(each.sid)) for each in found]
    return _encode({"sessions": listed, "next": after}) + b"\n"


def rows_text(told: Iterable[Mapping[str, Any]], *, is_csv: bool) -> bytes:
    """Return sessions, each *told* by `about`, as lines of CSV (RFC 4180) or of JSON."""
    if not is_csv:
        return b"".join(_encode(each) + b"\n" for each in told)
    page = io.StringIO()
    writer = csv.writer(page)
    writer.writerows([_cell(each, path) for path in COLUMNS] for each in told)
    return page.getvalue().encode()


def heading() -> bytes:
    """Return the first line of CSV."""
    return (",".join(COLUMNS) + "\r\n").encode()


def _cell(told: Mapping[str, Any], path: str) -> Any:
    """Return the value at *path*; a text that looks like a formula gets an apostrophe before it."""
    value: Any = told
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    if isinstance(value, str) and value.startswith(_FORMULAS):
        return f"'{value}"
    return value


def named(attributes: Mapping[int, Any]) -> dict[str, Any]:
    """Return *attributes* by their labels' names; a list metric has the name of its field."""
    return {
        _NAME[id_] if id_ in _NAME else _FIELD[id_]: [named(each) for each in value]
        if isinstance(value, list)
        else value
        for id_, value in attributes.items()
        if id_ in _NAME or id_ in _FIELD
    }


def time_text(ms: int) -> str:
    """Return a Unix time in ms in the form of RFC 3339."""
    whole = datetime.fromtimestamp(ms / 1000, UTC)
    return whole.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _joined(known: Mapping[int, Any], *ids: int) -> str | None:
    """Return the texts that *known* has for *ids*, separated by spaces; None if it has no text."""
    return " ".join(known[id_] for id_ in ids if known.get(id_)) or None


def _round(value: float | None, digits: int = 2) -> float | None:
    """Return *value* rounded to *digits*."""
    return None if value is None else round(value, digits)
