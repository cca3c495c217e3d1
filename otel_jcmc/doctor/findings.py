"""Makes the findings of doctor, and writes them as lines for a terminal or as JSON."""

import json
import re
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

# Control characters are replaced before printing, because a terminal would act on them.
_CONTROL: Final = re.compile(r"[^\x20-\x7e\xa0-\U0010ffff]+")


class Mark(StrEnum):
    """The result of a check: it works (WELL), it fails (WRONG), doctor does not decide (OPEN)."""

    WELL = "well"
    WRONG = "wrong"
    OPEN = "open"


_SIGNS: Final = {Mark.WELL: "✓", Mark.WRONG: "✗", Mark.OPEN: "-"}
_PLAIN_SIGNS: Final = {Mark.WELL: "ok", Mark.WRONG: "NOT", Mark.OPEN: "-"}


class Finding(NamedTuple):
    """
    The result of one check.

    Attributes:
        topic: what was checked: settings, store, service, pushes, page, scrape, otlp, traces,
            logs or prometheus.
        text: what doctor found.
        remedy: what the operator can do; empty if there is nothing to do.
    """

    topic: str
    mark: Mark
    text: str
    remedy: str = ""


def well(topic: str, text: str) -> Finding:
    """Return the finding that *topic* works; *text* gives the details."""
    return Finding(topic, Mark.WELL, text)


def wrong(topic: str, text: str, remedy: str) -> Finding:
    """Return the finding that *topic* fails: *text* is the error, *remedy* how to mend it."""
    return Finding(topic, Mark.WRONG, text, remedy)


def left_open(topic: str, text: str, remedy: str = "") -> Finding:
    """Return the finding that doctor does not decide if *topic* works; *text* gives the reason."""
    return Finding(topic, Mark.OPEN, text, remedy)


def listed(names: Sequence[str], most: int = 6, between: str = ", ") -> str:
    """Return a text with the first *most* of *names* and the number of the remaining names."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return between.join(names[:most]) + more


def as_text(findings: Iterable[Finding], *, is_utf: bool = True) -> str:
    """Return *findings* as lines of text; each remedy has a line after its finding."""
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
    """Return doctor's exit code: 1 if a finding is WRONG, otherwise 0."""
    return int(any(each.mark is Mark.WRONG for each in findings))


def _shown(text: str) -> str:
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)
