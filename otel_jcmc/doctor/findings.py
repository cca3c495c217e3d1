"""What doctor finds: a line each, for a terminal or as JSON."""

import json
import re
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

# What a terminal would obey.
_CONTROL: Final = re.compile(r"[^\x20-\x7e\xa0-\U0010ffff]+")


class Mark(StrEnum):
    """What a finding comes to: WELL, WRONG, or OPEN, where it could not or need not be told."""

    WELL = "well"
    WRONG = "wrong"
    OPEN = "open"


_SIGNS: Final = {Mark.WELL: "✓", Mark.WRONG: "✗", Mark.OPEN: "-"}
_PLAIN_SIGNS: Final = {Mark.WELL: "ok", Mark.WRONG: "NOT", Mark.OPEN: "-"}


class Finding(NamedTuple):
    """
    One thing that was looked at.

    Attributes:
        topic: which link of the chain: settings, store, service, pushes, page, scrape, otlp,
            traces, logs, prometheus.
        text: what was found.
        remedy: what to do about it; empty where there is nothing to do.
    """

    topic: str
    mark: Mark
    text: str
    remedy: str = ""


def well(topic: str, text: str) -> Finding:
    """Return that something is as it should be."""
    return Finding(topic, Mark.WELL, text)


def wrong(topic: str, text: str, remedy: str) -> Finding:
    """Return that something is not as it should be, and what to do."""
    return Finding(topic, Mark.WRONG, text, remedy)


def left_open(topic: str, text: str, remedy: str = "") -> Finding:
    """Return that nobody can tell, or that it is for the operator to say whether it is well."""
    return Finding(topic, Mark.OPEN, text, remedy)


def listed(names: Sequence[str], most: int = 6, between: str = ", ") -> str:
    """Return some of *names*, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return between.join(names[:most]) + more


def as_text(findings: Iterable[Finding], *, is_utf: bool = True) -> str:
    """Return *findings* as lines, a remedy in a line of its own."""
    signs = _SIGNS if is_utf else _PLAIN_SIGNS
    wide = max(map(len, signs.values()))
    lines = []
    for each in findings:
        lines.append(f"{signs[each.mark]:{wide}} {each.topic:<10} {_shown(each.text)}")
        if each.remedy:
            lines.append(f"{'':{wide}} {'':<10} -> {_shown(each.remedy)}")
    return "\n".join(lines)


def as_json(findings: Iterable[Finding]) -> str:
    """Return *findings* as one JSON document."""
    found = [*findings]
    shown = [
        {"topic": each.topic, "mark": each.mark, "text": each.text, "remedy": each.remedy}
        for each in found
    ]
    return json.dumps({"ok": exit_code(found) == 0, "findings": shown})


def exit_code(findings: Iterable[Finding]) -> int:
    """Return 0, or 1 if something is wrong; what is left open is not."""
    return int(any(each.mark is Mark.WRONG for each in findings))


def _shown(text: str) -> str:
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)
