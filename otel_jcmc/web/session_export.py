"""
A whole search as CSV or lines of JSON, made as it is sent.

What is found is known by its places first, some thousands at a time, and described as the other
side reads: however many there are, the service's memory does not grow with them.
"""

from collections.abc import AsyncIterator
from typing import Final

from otel_jcmc.sessions.asked import Asked
from otel_jcmc.sessions.history import SESSION_CHUNK, History
from otel_jcmc.sessions.past import batched
from otel_jcmc.sessions.scopes import scopes_of
from otel_jcmc.sessions.search import Found, sid_of, to_after
from otel_jcmc.verdict.record import Record
from otel_jcmc.web.session_about import about, heading, rows_text

JSON_LINES: Final = "application/jsonl"
# So many places are held, a megabyte; each search for more looks at all cards again.
PLACES: Final = 10_000


async def exported(
    history: History, record: Record, asked: Asked, *, is_csv: bool
) -> tuple[int, AsyncIterator[bytes]]:
    """
    Return how many are found of what is *asked* for, and the lines of as many as it has a limit.

    Raises:
        StoreUnavailable: Redis did not answer in time; while lines are read it ends them too soon.
    """
    first = await history.search(asked._replace(limit=min(asked.limit, PLACES)))
    return first.total, _lines(history, record, asked, first, is_csv=is_csv)


async def _lines(
    history: History, record: Record, asked: Asked, found: Found, *, is_csv: bool
) -> AsyncIterator[bytes]:
    """Return the lines of those *found*, and of those after them."""
    if is_csv:
        yield heading()
    left = asked.limit
    while found.places:
        for some in batched(found.places, SESSION_CHUNK):
            described = [each async for each in history.described(map(sid_of, some))]
            scopes = await scopes_of(history, record, described)
            yield rows_text(
                (about(each, scopes.get(each.sid)) for each in described), is_csv=is_csv
            )
        left -= len(found.places)
        if not left or len(found.places) < PLACES:
            return
        after = to_after(found.places[-1])
        found = await history.search(asked._replace(after=after, limit=min(left, PLACES)))
