"""
Shows how the calls of days and weeks were, for `otel-jcmc summary`.

The input is the arguments. The output is JSON, CSV, or a table, in which a bar shows the share of
bad time. The command asks the running service by HTTP, like `otel-jcmc sessions`.
"""

import json
import sys
from argparse import Namespace
from typing import Any, Final

from otel_jcmc.command.asking import ask_service
from otel_jcmc.command.running_service import RunningService, printable
from otel_jcmc.config.settings import Settings

# A full bar has this many characters. It is drawn in steps of an eighth of a character.
_CELLS: Final = 10
_EIGHTHS: Final = " ▏▎▍▌▋▊▉█"
# A bar is full at this share. Most shares are small, and hardly visible on a scale up to 1.
_FULL: Final = 0.5
_LONGEST_NAME: Final = 40


def show_summary(arguments: Namespace, settings: Settings) -> int:
    """Show summaries of the service at --url, or of the service in *settings*."""
    return ask_service(_show, arguments, settings)


def _show(arguments: Namespace, service: RunningService) -> None:
    """Show the summaries that the arguments ask for."""
    query = {
        "from": _day(arguments.since),
        "to": _day(arguments.to),
        "by": arguments.by,
        "per": arguments.per,
        "format": "csv" if arguments.csv else "json",
    }
    if arguments.csv:
        sys.stdout.buffer.write(service.ask("/summaries", query))
        return
    told = service.read("/summaries", query)
    print(json.dumps(told, indent=1) if arguments.json else table(told, is_utf=_has_blocks()))


def _day(text: str | None) -> str | None:
    """Return the day in *text* in the form of the service's API: `30d` becomes `-30d`."""
    return f"-{text}" if text and text[:-1].isdecimal() and text.endswith("d") else text


def table(told: dict[str, Any], *, is_utf: bool = True) -> str:
    """Return a table of the groups of sessions in the service's answer *told*."""
    groups, by = told["groups"], told["by"]
    if not groups:
        return f"no sessions ended from {told['from']} to {told['to']}"
    has_period = told["per"] != "all"
    head = [told["per"]] if has_period else []
    head += [by] if by else []
    head += [
        "sessions",
        "hours",
        "bad of time",
        "",
        "bad calls",
        "most by",
        "quality",
        "loss",
        "MOS",
    ]
    rows = [head]
    before = None
    for each in groups:
        row = [each["period"] if each["period"] != before else ""] if has_period else []
        row += [printable(str(each[by] or "?"))[:_LONGEST_NAME]] if by else []
        rows.append(row + _cells(each, is_utf=is_utf))
        before = each["period"]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    names = len(head) - 9
    lines = (
        "  ".join(
            f"{cell:<{width}}" if at < names or at in (names + 3, names + 5) else f"{cell:>{width}}"
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def _cells(group: dict[str, Any], *, is_utf: bool) -> list[str]:
    """Return the cells of a group's row, except those of its period and its name."""
    states = group["states"]
    judged = group["sessions"] - states["unknown"]
    cause = next(iter(group["causes"]), "")
    share = group["bad_share"]
    return [
        str(group["sessions"]),
        f"{group['hours']:.1f}",
        "" if share is None else f"{100 * share:.1f} %",
        "" if share is None else bar(share, is_utf=is_utf),
        f"{states['bad']} of {judged}" if judged else "",
        cause,
        _number(group["quality"]["average"], "{:.0f}"),
        _number(group["loss"]["average"], "{:.2f} %"),
        _number(group["audio_mos"], "{:.2f}"),
    ]


def bar(share: float, *, is_utf: bool = True) -> str:
    """Return a bar for a *share* of time, 0 to 1; it is full at a half."""
    eighths = min(8 * _CELLS, round(8 * _CELLS * share / _FULL))
    if not is_utf:
        return "#" * round(eighths / 8)
    return ("█" * (eighths // 8) + _EIGHTHS[eighths % 8]).rstrip()


def _number(value: float | None, form: str) -> str:
    """Return *value* as text in the format *form*; empty if it is None, not known."""
    return "" if value is None else form.format(value)


def _has_blocks() -> bool:
    """Say whether the terminal's encoding can show the characters of the bars."""
    try:
        _EIGHTHS.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
