"""
Describes the routes of sessions for the OpenAPI document: their parameters and their answers.

session_query.py checks the parameters. It accepts more forms of times than this file describes.
sessions.py and conferences.py pass the descriptions to FastAPI.
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
from otel_jcmc.web.session_export import JSON_LINES
from otel_jcmc.web.session_query import CAUSES, ENDS, FORMATS, LIMIT, MAX_LIMIT, SORTS, STATES
from otel_jcmc.web.times import EXAMPLES

_SID: Final = "3fd3c1ab52e0f5ae04ad5ee3a1b0c7f2019363a4d2f0c81b"
_IS_SID: Final = {"pattern": "^[0-9a-f]{48}$"}
_IS_NEXT: Final = {"pattern": "^([0-9a-f]{48})?$"}
_IS_NAME: Final = {"pattern": r"^[^\u0000]+$"}
_AGO: Final = {"pattern": "^-[0-9]{1,7}[smhdw]$"}
_UNIX: Final = {"pattern": r"^[0-9]{5,10}(\.[0-9]{1,3})?$"}
_DAY: Final = {"pattern": "^(yesterday|today|monday) ([01][0-9]|2[0-3]):[0-5][0-9]$"}
_IS_TIME: Final = {"anyOf": [_AGO, _UNIX, _DAY, {"format": "date-time"}]}
_TIME: Final = f"In one of these forms: {EXAMPLES}."
_ZONE: Final = asked(
    "tz",
    "The time zone of times that have no offset: an IANA name, or an offset.",
    "Europe/Berlin",
    {"enum": ["UTC", "Europe/Berlin", "+02:00"]},
)
_IS_LIMIT: Final = {"type": "integer", **within(1, MAX_LIMIT)}
_FIELD: Final = "|".join(row.field for row in METRICS)
_IS_FIELDS: Final = {"pattern": f"^({_FIELD})(,({_FIELD}))*$"}
_FILL: Final = "If a JMMC page left a value out because it had not changed, fill it in."
_GUID: Final = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
_CLIENT: Final = asked("client_id", "The client's id, or its hash.", _GUID, _IS_NAME)
_HASHED: Final = "If the service hashes it: the whole value, or the hash"


def _some(name: str, of: str, example: str) -> dict[str, Any]:
    """Return the description of the parameter *name*, which searches for a part of *of*."""
    return asked(name, f"A part of {of}, in upper or lower case. {_HASHED}.", example, _IS_NAME)


def _asking(*parameters: dict[str, Any]) -> dict[str, Any]:
    """
    Return *parameters* and the headers of proxies, in the form of `openapi_extra`.

    FastAPI can't find these headers and parameters, because the routes read them from the request.
    """
    return {"parameters": [*parameters, *FORWARDED]}


LISTING: Final = _asking(
    _some("conference", "the name of the conference", "board"),
    _some("participant", "the participant's id, or of the display name if kept", "8c87"),
    _some("browser", "the browser's name and major version", "firefox"),
    _CLIENT,
    asked("region", "Region of the bridge, in upper or lower case.", "eu-west", _IS_NAME),
    asked("bridge", "The bridge, in upper or lower case.", "jvb-3", _IS_NAME),
    asked("end", "Why the session ended; live: it goes on.", "failed", {"enum": [*ENDS]}),
    asked("state", "The state of the call as a whole.", "bad", {"enum": [*STATES]}),
    asked(
        "cause", "The cause of most of the time that was not good.", "uplink", {"enum": [*CAUSES]}
    ),
    asked("from", f"Sessions that ended then or later. {_TIME}", "yesterday 14:00", _IS_TIME),
    asked("to", f"Sessions that began then or earlier. {_TIME}", "-2h", _IS_TIME),
    _ZONE,
    asked("sort", "Which sessions come first.", "newest", {"enum": [*SORTS]}),
    asked("limit", f"The most sessions in the answer; default {LIMIT}.", "50", _IS_LIMIT),
    asked("after", "The `next` of the previous page; empty: the first page.", _SID, _IS_NEXT),
    asked("format", "json: one page; csv, jsonl: all sessions.", "json", {"enum": [*FORMATS]}),
)
MEETING: Final = _asking(
    asked("name", "Name of the conference, or its hash.", "standup", _IS_NAME)
    | {"in": "path", "required": True},
    asked("at", f"When it was held; default now. {_TIME}", "yesterday 14:00", _IS_TIME),
    _ZONE,
)
ONE: Final = _asking(
    asked("sid", "The `id` of the session in the list.", _SID, _IS_SID)
    | {"in": "path", "required": True},
    asked("metrics", "Only these fields, in this order.", "connectionquality", _IS_FIELDS),
    asked("format", "The form of the answer.", "json", {"enum": ["json", "csv"]}),
    asked("fill", _FILL, "true", {"enum": ["true", "false"]}),
    header("Accept", "text/csv means format=csv."),
)
ERASURE: Final = _asking(
    asked("conference", "Name of the conference, or its hash.", "standup", _IS_NAME),
    _CLIENT | {"required": True},
    header("Origin", "Must be absent: a web page may not erase sessions."),
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
    400: answer("The query is wrong; the text says how to correct it.", TEXT),
    **SENT_AWAY,
    404: answer("There is no such session, or no history is kept.", TEXT),
    503: answer("Redis does not answer; try again later.", TEXT),
}
LISTED: Final[Responses] = {
    200: answer("Sessions. In JSON, `next` is null if no more follow.", "text/csv"),
    **_NOT_THERE,
    404: answer("No history is kept.", TEXT),
}
LISTED[200]["content"] |= {JSON: {"schema": _PAGE}, JSON_LINES: {"schema": {"type": "string"}}}
LISTED[200]["headers"] = {
    "X-Total-Count": {
        "description": "The number of sessions found; only with CSV and JSON lines.",
        "schema": {"type": "integer"},
    }
}
_HELD: Final = {
    "type": "object",
    "properties": {"people": _SOME, "stood_out": _SOME},
    "required": ["conference", "from", "to", "people", "stood_out"],
}
HELD: Final[Responses] = {
    200: answer("Its participants, their states over time, what stood out.", JSON, schema=_HELD),
    **_NOT_THERE,
    404: answer("History has no such conference, or no history is kept.", TEXT),
}
FOUND: Final[Responses] = {200: answer("The session.", "text/csv"), **_NOT_THERE}
FOUND[200]["content"][JSON] = {"schema": _SAMPLES}
ERASED: Final[Responses] = {
    200: answer("How many sessions were erased.", JSON, schema=_DELETED),
    **_NOT_THERE,
    400: answer("The query is wrong, or `client_id` is missing.", TEXT),
    404: answer("The service keeps no data of sessions.", TEXT),
}
