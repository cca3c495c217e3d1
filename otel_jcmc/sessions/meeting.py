"""
Finds the instance of a conference at a given time, its participants, and how their calls were.

`meeting_at` gets a conference's name and a time. It returns the instance that was held at that
time, or the last instance before that time. A `Meeting` has the sessions of all participants on one
time axis, and the entries of the journal (verdict/journal.py) about the instance. An instance ends
when no participant has been in the conference for the grace of a session (`JCMC_SESSION_GRACE`).
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

# At most so many sessions of a conference are read, the newest first: a large conference has about
# so many sessions in a day.
MOST_SESSIONS: Final = 5000
MOST_PEOPLE: Final = 200
MOST_SPELLS: Final = 300


class Attendee(NamedTuple):
    """One session of an instance, with its states over time: one `Spell` for each state."""

    session: PastSession
    spells: list[Spell]


class Meeting(NamedTuple):
    """
    One instance of a conference.

    Attributes:
        from_ms, to_ms: from the first join until a participant was last there, Unix time in ms.
        people: how many sessions the instance has.
        attendees: the first MOST_PEOPLE sessions of the instance, by their start.
        stood_out: the entries of the journal that concern the instance.
        earlier_ms: when the conference's instance before this instance began; None: there is no
            earlier instance.
        later_ms: when the conference's instance after this instance began; None: there is no later
            instance.
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
    Return the instance of a conference that was held at *at_ms*, or the last instance before.

    *conferences* has all forms in which the conference's name may be stored.

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
            # Let the event loop handle pushes before the next log is read.
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
    # A log of an earlier version has only the last push of each interval. Its samples may therefore
    # be a whole interval further apart.
    apart_ms = session.ttl_ms + (0 if any(each.pushes for each in samples) else interval_ms)
    names = who.get(CONFERENCE.id, ""), who.get(PARTICIPANT.id, "")
    return Attendee(session, coarse(spells_of(samples, apart_ms, *names, entries), MOST_SPELLS))


def _instances(sessions: Iterable[PastSession], grace_ms: int) -> list[list[PastSession]]:
    """Split *sessions* into one list for each instance; sort instances and sessions by start."""
    found: list[list[PastSession]] = []
    until_ms = 0
    for each in sorted(sessions, key=lambda one: one.started_ms):
        if not found or each.started_ms > until_ms + grace_ms:
            found.append([])
        found[-1].append(each)
        until_ms = max(until_ms, _until_ms(each))
    return found


def _until_ms(session: PastSession) -> int:
    """Return when the participant of *session* was last known to be there, Unix time in ms."""
    return max(session.last_ms, session.ended_ms or 0)


def touches(entry: Entry, conference: str, held: Sequence[PastSession]) -> bool:
    """
    Say whether *entry* of the journal concerns the *conference*.

    *held* has the sessions of one instance of the conference.
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
    """Return the browser's name and major version as the journal writes them: `Chrome 120`."""
    who = session.attributes
    major = (who.get(BROWSER_VERSION.id) or "").partition(".")[0]
    return f"{who.get(BROWSER_NAME.id, '')} {major}".strip()
