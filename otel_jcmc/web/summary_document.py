"""
What the route of summaries tells the OpenAPI document: what it is asked by, what it answers.

What may be asked is checked in summary_query.py. Handed to FastAPI by summaries.py.
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
        asked("from", f"It ended on that day or later: -{DAYS}d if not said.", "-30d", _IS_DAY),
        asked("to", "It ended on that day or before: today.", "2026-11-29", _IS_DAY),
        asked("by", "What sessions are told apart by.", "bridge", {"enum": [*By]}),
        asked("per", "Of which time one group is.", "week", {"enum": [*Per]}),
        asked("format", "As JSON or CSV.", "json", {"enum": ["json", "csv"]}),
        header("Accept", "text/csv is format=csv."),
        *FORWARDED,
    ]
}
_GROUPS: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"groups": {"type": "array", "items": {"type": "object"}}},
    "required": ["from", "to", "by", "per", "groups"],
}
COUNTED: Final[Responses] = {
    200: answer("Sessions in groups, by time and those with most first.", "text/csv"),
    400: answer("What is asked for can't be; what can.", TEXT),
    **SENT_AWAY,
    404: answer("No summaries are kept.", TEXT),
    503: answer("Redis does not answer; to be asked again.", TEXT),
}
COUNTED[200]["content"][JSON] = {"schema": _GROUPS}
