"""
Checks a query for history: each parameter must be known, and may be given only once.

The query as it was sent comes in. A dictionary goes out, or a line that says how to correct the
query.
"""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Final

# A query as it was sent: pairs of a parameter's name and its text.
Pairs = Sequence[tuple[str, str]]
# If a wrong word is at least this similar to a known word (0 to 1), the error suggests that word.
_NEAR: Final = 0.7


class BadQuery(Exception):
    """The query can't be answered; the message is one line that says how to correct it."""


def read_once(pairs: Pairs, known: tuple[str, ...]) -> dict[str, str]:
    """
    Return a dictionary of the parameters in *pairs*, whose names must be in *known*.

    Raises:
        BadQuery: a parameter is unknown, perhaps misspelt, or is given twice.
    """
    query: dict[str, str] = {}
    for name, text in pairs:
        if name not in known:
            raise BadQuery(f"unknown parameter: use any of {', '.join(known)}")
        if name in query:
            raise BadQuery(f"{name} is given twice: give it once")
        query[name] = text
    return query


def meant(word: str, known: Iterable[str]) -> str:
    """Return "; is WORD meant?" with the word of *known* most similar to *word*; empty: none is."""
    # A query may be long, and comparing long texts takes long.
    near = get_close_matches(word[:64], [*known], 1, _NEAR)
    return f"; is {near[0]} meant?" if near else ""
