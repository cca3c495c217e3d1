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
        asked("from", f"It ended on that day or later; default -{DAYS}d.", "-30d", _IS_DAY),
        asked("to", "It ended on that day or before; default today.", "2026-11-29", _IS_DAY),
        asked("by", "What to group sessions by.", "bridge", {"enum": [*By]}),
        asked("per", "The time that one group covers.", "week", {"enum": [*Per]}),
        asked("format", "As JSON or CSV.", "json", {"enum": ["json", "csv"]}),
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
    200: answer("Sessions in groups, by time and then by size.", "text/csv"),
    400: answer("The query is wrong; the text says what would be right.", TEXT),
    **SENT_AWAY,
    404: answer("No summaries are kept.", TEXT),
    503: answer("Redis does not answer; try again later.", TEXT),
}
COUNTED[200]["content"][JSON] = {"schema": _GROUPS}
