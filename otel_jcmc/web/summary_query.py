"""
Reads the query of a request for summaries.

The parameters come in. An `AskedSummaries` goes out, or a line that says how to correct the
parameters.
"""

import re
from datetime import date, timedelta
from typing import Final, NamedTuple

from otel_jcmc.sessions.counts import By, Per
from otel_jcmc.web.query import BadQuery, Pairs, meant, read_once

# If the query has no `from`, the first day is this number of days before today.
DAYS: Final = 30
_ago: Final = re.compile(r"-?([0-9]{1,4})d").fullmatch
_day: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}").fullmatch
_NAMES: Final = ("from", "to", "by", "per", "format")


class AskedSummaries(NamedTuple):
    """
    The checked query of a request for summaries.

    Attributes:
        first, last: the first and the last day, in UTC: sessions that ended on these days and
            between them are counted.
        by: the attribute by which sessions are put into groups; None: one group for all sessions.
        per: the time that one group covers.
        is_csv: whether the answer is CSV instead of JSON.
    """

    first: date
    last: date
    by: By | None
    per: Per
    is_csv: bool


def read_asked_summaries(pairs: Pairs, accept: str, today: date) -> AskedSummaries:
    """
    Return what the query *pairs* and the header *accept* ask for; *today* is the day in UTC.

    Raises:
        BadQuery: a parameter in *pairs* is wrong.
    """
    query = read_once(pairs, _NAMES)
    by = query.get("by")
    if by is not None and by not in [*By]:
        raise BadQuery(f"by must be one of {', '.join(By)}{meant(by, By)}")
    per = query.get("per", Per.ALL)
    if per not in [*Per]:
        raise BadQuery(f"per must be one of {', '.join(Per)}{meant(per, Per)}")
    kind = query.get("format", "csv" if "text/csv" in accept else "json")
    if kind not in ("json", "csv"):
        raise BadQuery("format must be json or csv")
    first = _read_day("from", query.get("from", f"-{DAYS}d"), today)
    last = _read_day("to", query.get("to", "-0d"), today)
    return AskedSummaries(first, last, By(by) if by else None, Per(per), kind == "csv")


def _read_day(name: str, text: str, today: date) -> date:
    """Return the day in *text*, the parameter *name*: a date, or days before *today*."""
    if ago := _ago(text):
        return today - timedelta(days=int(ago[1]))
    try:
        if _day(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise BadQuery(f"{name} must be a day, like {today.isoformat()}, or days ago, like -30d")
