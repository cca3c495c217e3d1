"""
Finds who was in a conference at a given time, and how each participant's call was.

`meeting_at` takes the name of a conference and a time. It returns the instance that was held at
this time, or the last instance before. The result has the sessions of the instance with their
states over time, and the journal's entries about the instance. An instance is over when no
participant has been in the conference for longer than JCMC_SESSION_GRACE.
"""

from asyncio import sleep
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from otel_jcmc.catalogue.attributes import (
    BRIDGE,
    BROWSER_NAME,
    BROWSER_VERSION,
    CONFERENCE,
    PARTICIPANT,
    REGION,
)
from otel_jcmc.sessions.asked import Asked
from otel_jcmc.sessions.blame import Spell, coarse, spells_of
from otel_jcmc.sessions.entry import outlines
from otel_jcmc.sessions.history import History, NoSuchSession
from otel_jcmc.sessions.past import PastSession
from otel_jcmc.verdict.census import Scope
from otel_jcmc.verdict.journal import Entry
from otel_jcmc.verdict.record import Record
from otel_jcmc.verdict.standing import sender_name

# About as many sessions as a large conference has in a day. If there are more, only the newest
# sessions are read.
MOST_SESSIONS: Final = 5000
MOST_PEOPLE: Final = 200
MOST_SPELLS: Final = 300


class Attendee(NamedTuple):
    """One session of an instance; *spells* are its states over time (blame.py)."""

    session: PastSession
    spells: list[Spell]


class Meeting(NamedTuple):
    """
    One instance of a conference.

    Attributes:
        from_ms: the time of the first join, Unix time in ms.
        to_ms: the last time at which a participant was there, Unix time in ms.
        goes_on: whether a participant is still there.
        people: the number of sessions of the instance.
        attendees: the first MOST_PEOPLE of these sessions, by start.
        stood_out: the entries of the journal that concern the instance.
        earlier_ms, later_ms: the start of the previous instance and of the next instance; None:
            there is no such instance.
    """

    conference: str
    from_ms: int
    to_ms: int
    goes_on: bool
    people: int
    attendees: list[Attendee]
    stood_out: list[Entry]
    earlier_ms: int | None = None
    later_ms: int | None = None


async def meeting_at(
    history: History,
    record: Record,
    conferences: Sequence[str],
    at_ms: int,
    grace_ms: int,
    interval_ms: int,
) -> Meeting:
    """
    Return the instance of a conference that was held at *at_ms*.

    *conferences* are all forms in which the conference's name may be stored. *grace_ms* is the time
    after which an instance without participants is over. *interval_ms* is the length of an entry.

    Raises:
        NoSuchSession: history has no session of this conference at that time or before.
        StoreUnavailable: Redis did not answer in time.
    """
    asked = Asked(conferences=conferences, limit=MOST_SESSIONS)
    listed, _ = await history.sessions(asked)
    instances = _instances(listed, grace_ms)
    begun = [each[0].started_ms for each in instances]
    number = bisect_right(begun, at_ms) - 1
    if number < 0:
        raise NoSuchSession
    held = instances[number]
    first, last = min(each.started_ms for each in held), max(map(_until_ms, held))
    entries = await record.read(first, last)
    chosen = sorted(held, key=lambda one: (one.started_ms, one.sid))[:MOST_PEOPLE]
    attendees = []
    async with history.turn:
        for each in chosen:
            attendees.append(_attendee(each, await history.log(each.sid), entries, interval_ms))
            # Let the event loop handle pushes before the next log.
            await sleep(0)
    named = next((each.attributes[CONFERENCE.id] for each in held if each.attributes), "")
    goes_on = any(each.ended_ms is None for each in held)
    stood_out = [each for each in entries if touches(each, named, held)]
    earlier_ms = begun[number - 1] if number else None
    later_ms = begun[number + 1] if number + 1 < len(begun) else None
    told = (attendees, stood_out, earlier_ms, later_ms)
    return Meeting(named, first, last, goes_on, len(held), *told)


def _attendee(
    session: PastSession, log: Sequence[bytes], entries: Sequence[Entry], interval_ms: int
) -> Attendee:
    samples = outlines(log)
    who = session.attributes
    # Earlier versions stored only the last push of each interval, so its pushes are far apart.
    apart_ms = session.ttl_ms + (0 if any(each.pushes for each in samples) else interval_ms)
    names = who.get(CONFERENCE.id, ""), who.get(PARTICIPANT.id, "")
    return Attendee(session, coarse(spells_of(samples, apart_ms, *names, entries), MOST_SPELLS))


def _instances(sessions: Iterable[PastSession], grace_ms: int) -> list[list[PastSession]]:
    """Return a list for each instance with its *sessions*; both are sorted by start."""
    found: list[list[PastSession]] = []
    until_ms = 0
    for each in sorted(sessions, key=lambda one: one.started_ms):
        if not found or each.started_ms > until_ms + grace_ms:
            found.append([])
        found[-1].append(each)
        until_ms = max(until_ms, _until_ms(each))
    return found


def _until_ms(session: PastSession) -> int:
    """Return the last known time at which the participant of *session* was there, Unix ms."""
    return max(session.last_ms, session.ended_ms or 0)


def touches(entry: Entry, conference: str, held: Sequence[PastSession]) -> bool:
    """
    Say whether *entry* of the journal concerns an instance of *conference*.

    *held* are the sessions of the instance.
    """
    if entry.scope in (Scope.CONFERENCE, Scope.FLEET):
        return entry.scope == Scope.FLEET or entry.name == conference
    if entry.scope == Scope.SENDER:
        return entry.name.startswith(sender_name(conference, ""))
    if entry.scope == Scope.BROWSER:
        return any(entry.name == _browser(each) for each in held)
    row = {Scope.REGION.value: REGION, Scope.BRIDGE.value: BRIDGE}.get(entry.scope)
    return row is not None and any(entry.name == each.attributes.get(row.id) for each in held)


def _browser(session: PastSession) -> str:
    """Return the browser's name and major version, such as `Firefox 144`, as the journal has it."""
    who = session.attributes
    major = (who.get(BROWSER_VERSION.id) or "").partition(".")[0]
    return f"{who.get(BROWSER_NAME.id, '')} {major}".strip()
