"""
The lines of a card: some attributes of a session, as text that can be searched for a part.

Lines are made from attributes; a `Condition` says what a line must contain. search.lua searches the
lines of cards in Redis, `is_met` the lines of a session without a card.
"""

import re
from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Any, Final, NamedTuple

from otel_jcmc.catalogue.attributes import (
    BRIDGE,
    BROWSER_NAME,
    BROWSER_VERSION,
    CLIENT,
    CONFERENCE,
    PARTICIPANT,
    REGION,
    USERNAME,
)

LONGEST: Final = 100
# The first character of each kind of line.
CONFERENCE_LINE, PARTICIPANT_LINE, NAME_LINE, CLIENT_LINE = "c", "p", "n", "i"
REGION_LINE, BRIDGE_LINE, BROWSER_LINE = "r", "b", "w"
STATE_LINE, CAUSE_LINE, END_LINE = "s", "u", "e"
# Attributes that have a line of their own, unchanged.
_LINES: Final = (
    (CONFERENCE_LINE, CONFERENCE.id),
    (PARTICIPANT_LINE, PARTICIPANT.id),
    (NAME_LINE, USERNAME.id),
    (CLIENT_LINE, CLIENT.id),
    (REGION_LINE, REGION.id),
    (BRIDGE_LINE, BRIDGE.id),
)
_no_controls: Final = re.compile(r"[\x00-\x1f\x7f]+").sub
# Ends that a search may ask for. LIVE: the session goes on. EXPIRED: its pushes stopped.
LIVE, EXPIRED = "live", "expired"


class How(StrEnum):
    """How a line of a card must match the text of a condition."""

    PART = "part"
    WHOLE = "whole"
    NONE = "none"


class Way(NamedTuple):
    """One way to meet a condition: the line that begins with *mark* matches *text*; see card.py."""

    mark: str
    text: str
    how: How


# A condition is met if one of its ways is met.
Condition = tuple[Way, ...]


def text_of(attributes: Mapping[int, Any]) -> str:
    """Return the lines for *attributes* (identity and place), with a newline before the first."""
    lines = [(mark, attributes[id_]) for mark, id_ in _LINES if attributes.get(id_)]
    if browser := attributes.get(BROWSER_NAME.id):
        major = (attributes.get(BROWSER_VERSION.id) or "").partition(".")[0]
        lines.append((BROWSER_LINE, f"{browser} {major}".rstrip()))
    return "\n" + "".join(f"{mark}={folded(text)}\n" for mark, text in lines)


def folded(text: str) -> str:
    """Return *text* in the form of a line (lower case); fold the text of a search too."""
    return _no_controls(" ", text.lower())[:LONGEST]


def part_of(text: str, *marks: str) -> Condition:
    """Return the condition that one of the lines *marks* contains *text*, in any case."""
    return tuple(Way(mark, folded(text), How.PART) for mark in marks)


def whole_of(texts: Collection[str], *marks: str) -> Condition:
    """Return the condition that one of the lines *marks* equals one of *texts*, in any case."""
    return tuple(Way(mark, folded(text), How.WHOLE) for mark in marks for text in texts)


def none_of(mark: str) -> Condition:
    """Return the condition that the card has no line *mark*."""
    return (Way(mark, "", How.NONE),)


def is_met(condition: Condition, text: str) -> bool:
    """Say whether the lines in *text* of a card meet *condition*, as search.lua does."""
    lines = dict(row.split("=", 1) for row in text.split("\n") if "=" in row)
    for mark, wanted, how in condition:
        line = lines.get(mark)
        if (
            (how is How.NONE and line is None)
            or (how is How.WHOLE and line == wanted)
            or (how is How.PART and line is not None and wanted in line)
        ):
            return True
    return False
