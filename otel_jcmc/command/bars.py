"""
Draws how a call was over time, as a line of characters.

The input is bands, each a time in which the call had one state. The output is a line; each of its
characters stands for an equal part of the time, and shows the worst state in it. Each state has its
own character, and on a terminal with colours also its own colour (https://no-color.org).
"""

import os
import sys
from collections.abc import Iterable, Mapping
from typing import Final

# A band of time: its start and its end in seconds, and the state of the call.
Stretch = tuple[float, float, str]
WORST_FIRST: Final = ("bad", "fair", "good", "unknown")
BARS: Final = {"bad": "█", "fair": "▄", "good": "▁", "unknown": "░"}
ASCII_BARS: Final = {"bad": "#", "fair": "+", "good": "-", "unknown": "?"}
_COLOURS: Final = {"bad": "31", "fair": "33", "good": "32", "unknown": "90"}


def bar(
    bands: Iterable[Stretch],
    start: float,
    end: float,
    count: int,
    signs: Mapping[str, str],
    *,
    is_coloured: bool = False,
) -> str:
    """
    Return the time from *start* to *end*, in seconds, as a line of at most *count* characters.

    *signs* has the character for each state.

    A blank means that the participant was not in the conference.
    """
    seconds = max(end - start, 1e-9) / count
    cells: list[str] = [""] * count
    for since, until, state in bands:
        first = max(0, int((since - start) / seconds))
        # If a band ends exactly where a character's time begins, that character does not show it.
        last = min(count - 1, max(first, int((until - start) / seconds - 1e-9)))
        for index in range(first, last + 1):
            if not cells[index] or WORST_FIRST.index(state) < WORST_FIRST.index(cells[index]):
                cells[index] = state
    drawn = [signs[state] if state else " " for state in cells]
    if is_coloured:
        drawn = [_painted(sign, state) for sign, state in zip(drawn, cells, strict=True)]
    return "".join(drawn).rstrip()


def legend(signs: Mapping[str, str]) -> str:
    """Return a line that explains each of *signs*."""
    told = [f"{signs[state]} {state}" for state in reversed(WORST_FIRST[:3])]
    return "  ".join([*told, f"{signs['unknown']} not known", "blank: not there"])


def signs_here() -> Mapping[str, str]:
    """Return BARS if the terminal's encoding can show them, otherwise ASCII_BARS."""
    return BARS if can_show("".join(BARS.values())) else ASCII_BARS


def can_show(text: str) -> bool:
    """Say whether the terminal's encoding can show all of *text*."""
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def has_colours() -> bool:
    """Say whether to use colours: on a terminal, unless NO_COLOR is set."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def _painted(sign: str, state: str) -> str:
    """Return *sign* in the colour of its *state*."""
    return f"\x1b[{_COLOURS[state]}m{sign}\x1b[0m" if state else sign
