"""
Describes the route of summaries for the OpenAPI document: its parameters and its answers.

summary_query.py checks the parameters. summaries.py passes the description to FastAPI.
"""

from typing import Any, Final

from otel_jcmc.sessions.counts import By, Per
from otel_jcmc.web.schemas import (
    FORWARDED,
    JSON,
    SENT_AWAY,
    TEXT,
    Responses,
    answer,
    asked,
    header,
)
from otel_jcmc.web.summary_query import DAYS

_IS_DAY: Final = {"anyOf": [{"pattern": "^-[0-9]{1,4}d$"}, {"format": "date"}]}
ASKING: Final = {
    "parameters": [
        asked("from", f"The first day, in UTC; default -{DAYS}d.", "-30d", _IS_DAY),
        asked("to", "The last day, in UTC; default today.", "2026-11-29", _IS_DAY),
        asked("by", "Each group has one value of this.", "bridge", {"enum": [*By]}),
        asked("per", "The time that one group covers.", "week", {"enum": [*Per]}),
        asked("format", "The form of the answer.", "json", {"enum": ["json", "csv"]}),
        header("Accept", "text/csv means format=csv."),
        *FORWARDED,
    ]
}
_GROUPS: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"groups": {"type": "array", "items": {"type": "object"}}},
    "required": ["from", "to", "by", "per", "groups"],
}
COUNTED: Final[Responses] = {
    200: answer("Groups, sorted by period, then by the number of sessions.", "text/csv"),
    400: answer("The query is wrong; the text says how to correct it.", TEXT),
    **SENT_AWAY,
    404: answer("The service keeps no summaries.", TEXT),
    503: answer("Redis does not answer; try again later.", TEXT),
}
COUNTED[200]["content"][JSON] = {"schema": _GROUPS}
