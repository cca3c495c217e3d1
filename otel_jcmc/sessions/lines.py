"""
Makes the lines of a card from a session's attributes, and conditions that these lines must meet.

A line is text, for example `c=standup` for the conference. A `Condition` says what one of the lines
must contain. search.lua checks the lines of cards inside Redis. `is_met` does the same check in
this process, also for sessions without a card.
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

# How many characters of an attribute a line has at most.
LONGEST: Final = 100
# The character with which each kind of line begins.
CONFERENCE_LINE, PARTICIPANT_LINE, NAME_LINE, CLIENT_LINE = "c", "p", "n", "i"
REGION_LINE, BRIDGE_LINE, BROWSER_LINE = "r", "b", "w"
STATE_LINE, CAUSE_LINE, END_LINE = "s", "u", "e"
# The attributes that have their own line: the first character of the line, and the attribute's id.
_LINES: Final = (
    (CONFERENCE_LINE, CONFERENCE.id),
    (PARTICIPANT_LINE, PARTICIPANT.id),
    (NAME_LINE, USERNAME.id),
    (CLIENT_LINE, CLIENT.id),
    (REGION_LINE, REGION.id),
    (BRIDGE_LINE, BRIDGE.id),
)
_no_controls: Final = re.compile(r"[\x00-\x1f\x7f]+").sub
# Two of the ends for which a search may ask. LIVE: the session has not ended. EXPIRED: the
# participant's pushes stopped without a leave.
LIVE, EXPIRED = "live", "expired"


class How(StrEnum):
    """How a line of a card must match a text: contain it, equal it, or not exist."""

    PART = "part"
    WHOLE = "whole"
    NONE = "none"


class Way(NamedTuple):
    """
    One way to meet a condition: the line that begins with *mark* matches *text*.

    *how* says whether the line must contain *text*, must equal *text*, or must not exist.
    """

    mark: str
    text: str
    how: How


# A condition is met if at least one of its ways is met.
Condition = tuple[Way, ...]


def text_of(attributes: Mapping[int, Any]) -> str:
    """Return the lines for *attributes* as text, with a newline before and after each line."""
    lines = [(mark, attributes[id_]) for mark, id_ in _LINES if attributes.get(id_)]
    if browser := attributes.get(BROWSER_NAME.id):
        major = (attributes.get(BROWSER_VERSION.id) or "").partition(".")[0]
        lines.append((BROWSER_LINE, f"{browser} {major}".rstrip()))
    return "\n" + "".join(f"{mark}={folded(text)}\n" for mark, text in lines)


def folded(text: str) -> str:
    """
    Return *text* in the form that lines have: lower case, no control characters, cut to LONGEST.

    The text of a search must be brought into this form too, before it is compared with a line.
    """
    return _no_controls(" ", text.lower())[:LONGEST]


def part_of(text: str, *marks: str) -> Condition:
    """
    Return the condition that a line contains *text*, in upper or lower case.

    The line must begin with one of *marks*.
    """
    return tuple(Way(mark, folded(text), How.PART) for mark in marks)


def whole_of(texts: Collection[str], *marks: str) -> Condition:
    """
    Return the condition that a line equals one of *texts*, in upper or lower case.

    The line must begin with one of *marks*.
    """
    return tuple(Way(mark, folded(text), How.WHOLE) for mark in marks for text in texts)


def none_of(mark: str) -> Condition:
    """Return the condition that no line of the card begins with *mark*."""
    return (Way(mark, "", How.NONE),)


def is_met(condition: Condition, text: str) -> bool:
    """Say whether the lines in *text* meet *condition*; search.lua has the same rules for cards."""
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
