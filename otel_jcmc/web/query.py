"""
What every request that asks by a query is held to: known parameters, each once.

In goes the query as it was sent, out comes a dictionary, or one line that says what would be right.
"""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Final

# A query as it was sent: names with their texts.
Pairs = Sequence[tuple[str, str]]
# Not so low that each wrong word is taken for another one.
_NEAR: Final = 0.7


class BadQuery(Exception):
    """The query can't be answered; the message is one line that says what would be right."""


def read_once(pairs: Pairs, known: tuple[str, ...]) -> dict[str, str]:
    """
    Return the parameters.

    Raises:
        BadQuery: what is misspelt or there twice would do nothing, and is refused.
    """
    query: dict[str, str] = {}
    for name, text in pairs:
        if name not in known:
            raise BadQuery(f"there are {', '.join(known)}, and nothing else to ask by")
        if name in query:
            raise BadQuery(f"{name} is there twice: one is wanted")
        query[name] = text
    return query


def meant(word: str, known: Iterable[str]) -> str:
    """Return a question that names the one of *known* nearest to *word*; empty if none is near."""
    # A query may be long, and to compare long texts takes long.
    near = get_close_matches(word[:64], [*known], 1, _NEAR)
    return f"; is {near[0]} meant?" if near else ""
