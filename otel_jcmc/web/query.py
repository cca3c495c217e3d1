"""
Checks a query for history: only known parameters are allowed, each at most once.

The query as it was sent comes in; a dictionary goes out, or a line that says how to correct it.
"""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Final

# A query as it was sent: the names of parameters, and their texts.
Pairs = Sequence[tuple[str, str]]
# The least similarity of a wrong word to a known word that the error then suggests.
_NEAR: Final = 0.7


class BadQuery(Exception):
    """The query can't be answered; the message is one line that says how to correct it."""


def read_once(pairs: Pairs, known: tuple[str, ...]) -> dict[str, str]:
    """
    Return the parameters.

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
    """Return "; is WORD meant?" with the word of *known* nearest to *word*; empty: none."""
    # A query may be long, and comparing long texts takes long.
    near = get_close_matches(word[:64], [*known], 1, _NEAR)
    return f"; is {near[0]} meant?" if near else ""
