"""
What every request that asks by a query is held to: known parameters, each once.

In goes the query as it was sent, out comes a dictionary, or one line that says what would be right.
"""

from collections.abc import Sequence

# A query as it was sent: names with their texts.
Pairs = Sequence[tuple[str, str]]


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
