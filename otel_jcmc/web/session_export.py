"""
Sends all sessions that a search finds, as lines of CSV or JSON.

The search first reads only the place of each session in the list, with its sid, for 10,000 sessions
at a time. The service makes the line of a session only when the caller is ready to read it. So the
service's memory does not grow with the number of sessions.
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
# How many places of sessions one search returns, which take about 1 MB of memory. If there are more
# sessions, another search reads all cards again.
PLACES: Final = 10_000


async def exported(
    history: History, record: Record, asked: Asked, *, is_csv: bool
) -> tuple[int, AsyncIterator[bytes]]:
    """
    Return the number of sessions that match *asked*, and their lines, at most `asked.limit`.

    Raises:
        StoreUnavailable: Redis did not answer in time. If this happens while the lines are sent,
            the lines stop there.
    """
    first = await history.search(asked._replace(limit=min(asked.limit, PLACES)))
    return first.total, _lines(history, record, asked, first, is_csv=is_csv)


async def _lines(
    history: History, record: Record, asked: Asked, found: Found, *, is_csv: bool
) -> AsyncIterator[bytes]:
    """Make the lines of the sessions in *found*, then of further sessions up to `asked.limit`."""
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
