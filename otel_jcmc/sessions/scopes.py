"""
Finds the scope of the trouble in each session of a list: which participants had the same trouble.

A scope is for example `participant`, if only this participant's call was bad, or `bridge`, if many
calls on its bridge were bad (verdict/census.py). The bad times of one session may have different
scopes; `scopes_of` returns the scope of most of its bad time. `scopes_of` compares the log of the
session with the journal (verdict/journal.py): the list of the places and senders that stood out,
and when. It reads the log only if the journal has an entry from the time of the session.
"""

from asyncio import sleep
from collections.abc import Sequence

from otel_jcmc.catalogue.attributes import CONFERENCE, PARTICIPANT
from otel_jcmc.sessions.blame import bad_by_scope
from otel_jcmc.sessions.card import totals_of
from otel_jcmc.sessions.entry import outlines
from otel_jcmc.sessions.history import History
from otel_jcmc.sessions.past import PastSession
from otel_jcmc.sessions.totals import tenths_by_state
from otel_jcmc.verdict.census import Scope
from otel_jcmc.verdict.journal import Entry
from otel_jcmc.verdict.record import Record
from otel_jcmc.verdict.rules import State


async def scopes_of(
    history: History, record: Record, sessions: Sequence[PastSession]
) -> dict[str, str]:
    """
    Return for each session that was ever bad: its sid -> the scope of most of its bad time.

    A session whose log is needed but no longer exists is left out.

    Raises:
        StoreUnavailable: Redis did not answer in time.
    """
    bad = [each for each in sessions if _was_bad(each)]
    if not bad:
        return {}
    first, last = min(each.started_ms for each in bad), max(map(_until_ms, bad))
    entries = await record.read(first, last)
    found = {}
    for each in bad:
        meanwhile = [entry for entry in entries if _touches(entry, each)]
        scope: str | None = Scope.PARTICIPANT.value
        if meanwhile:
            scope = await _scope_of(history, each, meanwhile)
            # A list may have sessions with long logs: the event loop can handle pushes here.
            await sleep(0)
        if scope is not None:
            found[each.sid] = scope
    return found


async def _scope_of(history: History, session: PastSession, entries: Sequence[Entry]) -> str | None:
    """Return the scope of most of the bad time of *session*; None: its log shows no bad time."""
    who = session.attributes
    conference, participant = who.get(CONFERENCE.id, ""), who.get(PARTICIPANT.id, "")
    async with history.turn:
        samples = outlines(await history.log(session.sid))
        ordered = bad_by_scope(samples, conference, participant, entries)
    return ordered[0][0] if ordered else None


def _was_bad(session: PastSession) -> bool:
    """Say whether the state of *session* was ever bad; False if it has no card."""
    totals = totals_of(session.card)
    return totals is not None and bool(tenths_by_state(totals).get(State.BAD))


def _until_ms(session: PastSession) -> int:
    """Return when the participant of *session* was last known to be there, Unix time in ms."""
    return max(session.last_ms, session.ended_ms or 0)


def _touches(entry: Entry, session: PastSession) -> bool:
    """Say whether the time of *entry*, an entry of the journal, overlaps the time of *session*."""
    return entry.since_ms <= _until_ms(session) and entry.seen_ms >= session.started_ms
