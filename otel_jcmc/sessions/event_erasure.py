"""
Erases the waiting events of an erased client, and the data about its outages.

A waiting event of a participant contains the participant's member (events.py). A waiting event
which says that a sender stands out contains the digest of the sender's client. A process may have
noticed an event, or read an event from the journal, and not have sent it to Redis yet: events.lua
refuses such events after the erasure.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from typing import Any, Final

from otel_jcmc.catalogue.events import NAME, SCOPE
from otel_jcmc.sessions.events import WaitingEvent, read_waiting
from otel_jcmc.sessions.theirs import Theirs
from otel_jcmc.store.commands import Command
from otel_jcmc.store.keys import Keys
from otel_jcmc.store.participant import client_digest
from otel_jcmc.store.scripts import script
from otel_jcmc.store.sid import sid_member
from otel_jcmc.verdict.journal import Entry

EVENTS: Final = "events"
AWAY: Final = script("sessions/event_erasure", touches_stays=False)
# For how long events.lua refuses events about erased clients. No process takes so long from reading
# the journal to sending an event to Redis.
_AWAY_MS: Final = 60_000

Run = Callable[[list[Command]], Awaitable[list[Any]]]
# Returns the items of the list with a given key in Redis, some at a time, and maybe an item twice.
ReadList = Callable[[str], AsyncIterator[list[bytes]]]


async def members_of_events(keys: Keys, read: ReadList, clients: Collection[bytes]) -> set[str]:
    """Return the members whose waiting events are about *clients* (digests of client ids)."""
    found = set()
    for base in keys.bases:
        async for items in read(f"{base}{EVENTS}"):
            for event in filter(None, map(_read, items)):
                if event.member and event.payload.client in clients:
                    found.add(event.member)
    return found


async def erase_events(keys: Keys, run: Run, read: ReadList, theirs: Theirs) -> None:
    """
    Erase the waiting events about the clients of *theirs*, and the data about outages.

    Only outages of these clients are erased, both those that go on and those that are over.

    Raises:
        StoreUnavailable: Redis did not answer in time; some of this data may be erased already.
    """
    bases = {keys.base_of(member) for member in theirs.members}
    # Events about senders that stand out, and about places that stand out, wait in the first
    # partition.
    clients = [client_digest(each).hex() for each in theirs.clients]
    if clients:
        first = keys.bases[0]
        await run([("EVALSHA", AWAY.sha, 1, first, _AWAY_MS, *clients)])
    for base in {*bases, keys.bases[0]}:
        async for items in read(f"{base}{EVENTS}"):
            gone: list[Command] = [
                ("LREM", f"{base}{EVENTS}", 1, item)
                for item in items
                if (event := _read(item)) is not None and _is_theirs(event, theirs)
            ]
            if gone:
                await run(gone)
    for base in bases:
        members = [each for each in theirs.members if keys.base_of(each) == base]
        names, over = await run(
            [("HKEYS", f"{base}outages:how"), ("ZRANGE", f"{base}outages:over", 0, -1)]
        )
        commands: list[Command] = [("HDEL", f"{base}{EVENTS}:minute", *members)]
        for name in names:
            if sid_member(name.decode()) in theirs.members:
                commands += [("HDEL", f"{base}outages:how", name), ("ZREM", f"{base}outages", name)]
        commands += [
            ("ZREM", f"{base}outages:over", name)
            for name in over
            if sid_member(name.decode()) in theirs.members
        ]
        await run(commands)


def _is_theirs(event: WaitingEvent, theirs: Theirs) -> bool:
    """Say whether *event* is about a participant of *theirs*, also as a sender that stands out."""
    if event.member:
        return event.member in theirs.members
    told = event.payload.told
    scope, name = told.get(SCOPE), told.get(NAME)
    if not scope or not name:
        return False
    client = event.payload.client.hex()
    return theirs.is_told_of(Entry(scope, name, "", 0, 0, 0.0, (0, 0, 0, 0), 0.0, client))


def _read(item: bytes) -> WaitingEvent | None:
    """Return the waiting event in *item*; None: this version can't read it."""
    try:
        return read_waiting(item)
    except ValueError:
        return None
