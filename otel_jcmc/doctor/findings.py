"""Shows the findings of doctor: on a terminal one line for each, or all in one JSON document."""

import json
import re
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

# Control characters: a terminal would obey them, so doctor prints a replacement character instead.
_CONTROL: Final = re.compile(r"[^\x20-\x7e\xa0-\U0010ffff]+")


class Mark(StrEnum):
    """The result of a check: it is WELL or WRONG, or doctor leaves the decision OPEN."""

    WELL = "well"
    WRONG = "wrong"
    OPEN = "open"


_SIGNS: Final = {Mark.WELL: "✓", Mark.WRONG: "✗", Mark.OPEN: "-"}
_PLAIN_SIGNS: Final = {Mark.WELL: "ok", Mark.WRONG: "NOT", Mark.OPEN: "-"}


class Finding(NamedTuple):
    """
    The result of one check.

    Attributes:
        topic: which thing was checked: settings, store, service, pushes, page, scrape, otlp,
            traces, logs or prometheus.
        text: what doctor found.
        remedy: what the operator can do; empty if there is nothing to do.
    """

    topic: str
    mark: Mark
    text: str
    remedy: str = ""


def well(topic: str, text: str) -> Finding:
    """Return the finding that *topic* works; *text* describes it."""
    return Finding(topic, Mark.WELL, text)


def wrong(topic: str, text: str, remedy: str) -> Finding:
    """Return the finding that *topic* does not work; *text* says why, *remedy* how to mend it."""
    return Finding(topic, Mark.WRONG, text, remedy)


def left_open(topic: str, text: str, remedy: str = "") -> Finding:
    """Return a finding that says neither that *topic* works nor that it fails; *text* says why."""
    return Finding(topic, Mark.OPEN, text, remedy)


def listed(names: Sequence[str], most: int = 6, between: str = ", ") -> str:
    """Return a text with the first *most* of *names*, then how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return between.join(names[:most]) + more


def as_text(findings: Iterable[Finding], *, is_utf: bool = True) -> str:
    """Return a text with a line for each of *findings*, and below it a line with its remedy."""
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
    """Return 1 if at least one finding is WRONG, otherwise 0."""
    return int(any(each.mark is Mark.WRONG for each in findings))


def _shown(text: str) -> str:
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)
