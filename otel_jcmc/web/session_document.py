"""
What the routes of sessions tell the OpenAPI document: what they are asked by, what they answer.

What may be asked is checked in session_query.py; of times here are the forms that one would write.
Handed to FastAPI by sessions.py.
"""

from typing import Any, Final

from otel_jcmc.catalogue.metrics import METRICS
from otel_jcmc.web.schemas import (
    FORWARDED,
    JSON,
    SENT_AWAY,
    TEXT,
    Responses,
    answer,
    asked,
    header,
    object_of,
    within,
)
from otel_jcmc.web.session_query import LIMIT, MAX_LIMIT

_SID: Final = "3fd3c1ab52e0f5ae04ad5ee3a1b0c7f2019363a4d2f0c81b"
_IS_SID: Final = {"pattern": "^[0-9a-f]{48}$"}
_IS_NEXT: Final = {"pattern": "^([0-9a-f]{48})?$"}
_IS_NAME: Final = {"pattern": r"^[^\u0000]+$"}
_AGO: Final = {"pattern": "^-[0-9]{1,9}[smhd]$"}
_UNIX: Final = {"pattern": r"^[0-9]{1,10}(\.[0-9]{1,3})?$"}
_IS_TIME: Final = {"anyOf": [_AGO, _UNIX, {"format": "date-time"}]}
_TIME: Final = "RFC 3339, Unix seconds, or so long ago: -2h (s, m, h, d)."
_IS_LIMIT: Final = {"type": "integer", **within(1, MAX_LIMIT)}
_FIELD: Final = "|".join(row.field for row in METRICS)
_IS_FIELDS: Final = {"pattern": f"^({_FIELD})(,({_FIELD}))*$"}
_FILL: Final = "Whether what a push left out has the value before."
_GUID: Final = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
_CONFERENCE: Final = asked(
    "conference", "Name of the conference, or its hash.", "standup", _IS_NAME
)
_CLIENT: Final = asked("client_id", "The client's id, or its hash.", _GUID, _IS_NAME)


def _asking(*parameters: dict[str, Any]) -> dict[str, Any]:
    """Return what FastAPI can't know of a request with *parameters*, from behind proxies too."""
    return {"parameters": [*parameters, *FORWARDED]}


LISTING: Final = _asking(
    _CONFERENCE,
    _CLIENT,
    asked("from", f"It was there then or later: {_TIME}", "-2h", _IS_TIME),
    asked("to", f"It had begun by then: {_TIME}", "2026-03-01T09:30:00Z", _IS_TIME),
    asked("limit", f"At most so many, {LIMIT} if not said.", "50", _IS_LIMIT),
    asked("after", "The `next` of the page before; empty: of none.", _SID, _IS_NEXT),
)
ONE: Final = _asking(
    asked("sid", "The `id` of the list.", _SID, _IS_SID) | {"in": "path", "required": True},
    asked("metrics", "Fields, with commas.", "connectionquality", _IS_FIELDS),
    asked("format", "As JSON or CSV.", "json", {"enum": ["json", "csv"]}),
    asked("fill", _FILL, "true", {"enum": ["true", "false"]}),
    header("Accept", "text/csv is format=csv."),
)
ERASURE: Final = _asking(
    _CONFERENCE,
    _CLIENT | {"required": True},
    header("Origin", "No page may erase: there must be none."),
)

_SOME: Final = {"type": "array", "items": {"type": "object"}}
_PAGE: Final = {
    "type": "object",
    "properties": {"sessions": _SOME, "next": {"type": ["string", "null"]}},
    "required": ["sessions", "next"],
}
_SAMPLES: Final = {
    "type": "object",
    "properties": {"samples": _SOME},
    "required": ["id", "metrics", "samples"],
}
_DELETED: Final = object_of({"deleted": {"type": "integer", "minimum": 0}}, required=["deleted"])
_NOT_THERE: Final[Responses] = {
    400: answer("What is asked for can't be; what can.", TEXT),
    **SENT_AWAY,
    404: answer("There is no such session, or no history is kept.", TEXT),
    503: answer("Redis does not answer; to be asked again.", TEXT),
}
LISTED: Final[Responses] = {
    200: answer("Sessions, and what to go on after if there are more.", JSON, schema=_PAGE),
    **_NOT_THERE,
    404: answer("No history is kept.", TEXT),
}
FOUND: Final[Responses] = {200: answer("The session.", "text/csv"), **_NOT_THERE}
FOUND[200]["content"][JSON] = {"schema": _SAMPLES}
ERASED: Final[Responses] = {
    200: answer("How many sessions were erased.", JSON, schema=_DELETED),
    **_NOT_THERE,
    400: answer("No client is named, or something that can't be.", TEXT),
    404: answer("Nothing is kept of sessions.", TEXT),
}
