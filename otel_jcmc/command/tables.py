"""
Makes the texts and the aligned columns of tables on a terminal.

The input is answers of the service, the output is texts. Names are shortened, and characters that
could control the terminal are replaced.
"""

import re
import shutil
import sys
from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import Any, Final

from otel_jcmc.command.running_service import printable

# A participant's name is cut to this length, so that there is room for the other columns.
_LONGEST: Final = 40
_BETWEEN: Final = 2


def columns(rows: Sequence[Sequence[str]], cut: Sequence[int], most: int) -> str:
    """
    Return *rows* as lines of aligned columns, at most *most* characters wide.

    If they are too wide, the first of the columns *cut* is shortened, but not below 8 characters.
    If that is not enough, the next of *cut* is shortened, and so on.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    beyond = sum(widths) + _BETWEEN * (len(widths) - 1) - most
    for column in cut:
        less = max(0, min(beyond, widths[column] - 8))
        widths[column], beyond = widths[column] - less, beyond - less
    lines = (
        (" " * _BETWEEN).join(f"{cell[:to]:<{to}}" for cell, to in zip(row, widths, strict=True))
        for row in rows
    )
    # If the columns are still too wide, the ends of lines are cut.
    return "\n".join(line[:most].rstrip() if beyond > 0 else line.rstrip() for line in lines)


def without_empty(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """Return *rows* without the columns that have no value; the first row has their names."""
    told = [any(column[1:]) for column in zip(*rows, strict=True)]
    return [[cell for cell, is_told in zip(row, told, strict=True) if is_told] for row in rows]


def width() -> int:
    """Return the width for a table, in characters: the terminal's, or 100 without a terminal."""
    return shutil.get_terminal_size((100, 24)).columns if sys.stdout.isatty() else 100


def local_time(text: str, zone: tzinfo | None, form: str) -> str:
    """Return *text*, a time in the service's answer, in *zone* and in strftime's format *form*."""
    return datetime.fromisoformat(text).astimezone(zone).strftime(form)


def verdict_text(told: dict[str, Any]) -> str:
    """Return how a session's call was, and why: `bad: uplink`; empty if not known."""
    verdict = told.get("verdict") or {}
    return ": ".join(filter(None, [verdict.get("state"), verdict.get("cause")]))


def scope_text(told: dict[str, Any]) -> str:
    """Return the scope of a session's verdict; empty if nothing was wrong, or if not known."""
    return (told.get("verdict") or {}).get("scope") or ""


def vital_text(told: dict[str, Any], name: str, form: str = ".3g") -> str:
    """Return mean and worst value of quality, loss or round trip: `2.1/28`; empty if not known."""
    of = (told.get("summary") or {}).get(name) or {}
    if of.get("mean") is None or of.get("worst") is None:
        return ""
    return f"{of['mean']:{form}}/{of['worst']:{form}}"


def lasted_text(told: dict[str, Any]) -> str:
    """
    Return how long a session's call was bad, and how long the session lasted: `2m/1:05h`.

    A plus at the end means that the session has not ended.
    """
    seconds = (told.get("seconds") or {}).get("bad")
    whole = told["duration_seconds"]
    # The first push also covers time before the session, so the bad time may be longer than the
    # session.
    bad = "-" if seconds is None else briefly(min(seconds, whole)) if seconds else "0"
    return f"{bad}/{briefly(whole)}" + ("" if told["end_reason"] else "+")


def end_text(told: dict[str, Any]) -> str:
    """Return why a session ended, and the cause of a failure; empty if it has not ended."""
    # An earlier version of the service sends no cause.
    return ": ".join(filter(None, [told["end_reason"], told.get("end_cause")]))


def role_text(session: dict[str, Any]) -> str:
    """Return the role of a session's page in brackets; empty for an ordinary participant."""
    # An earlier version of the service sends no role.
    return f"({role})" if (role := session.get("role")) else ""


def rating_text(session: dict[str, Any]) -> str:
    """Return the rating that the user gave the call: `rated 4`; empty if there is no rating."""
    return f"rated {rating:g}" if (rating := session.get("rating")) else ""


def who_text(session: dict[str, Any]) -> str:
    """Return the participant's name, or its id if the name is not known, and its role."""
    name = session.get("name") or session["participant_id"] or "?"
    return printable(" ".join(filter(None, [name[:_LONGEST], role_text(session)])))


def brief(browser: str | None) -> str:
    """Return *browser* with only the first number of its version: `Chrome 131`."""
    return printable(re.sub(r"(\d+)\.[\d.]*$", r"\1", browser or ""))


def lasted(seconds: float) -> str:
    """Return a duration in the form for a sentence: `20 s`, `3 min`, `1:05 h`."""
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    return f"{minutes // 60}:{minutes % 60:02d} h" if minutes >= 60 else f"{minutes} min"


def briefly(seconds: float) -> str:
    """Return a duration in the form for a table: `20s`, `3m`, `1:05h`."""
    return lasted(seconds).replace(" min", "m").replace(" ", "")


def joined(between: str, *texts: str | None) -> str:
    """Return *texts* that are not empty, joined by *between*."""
    return between.join(printable(each) for each in texts if each)
