"""
Erases everything about a client: its sessions, its last pushes, and its waiting spans and events.

Only a session's attributes name its client, so the attributes of all sessions are read. Live
participants, waiting spans (span_marks.py) and waiting events (event_erasure.py) are read too,
because history may have dropped their sessions already. Then, for each participant of the client,
erasure.lua removes all its sessions and its last push in one step. Processes may have gathered
entries about the participant and not written them yet: log.lua refuses these entries. Each summary
with names contains the digest of its client. `Summaries.erase` finds the summary by this digest
(summaries.py).
"""

import re
from collections.abc import AsyncIterator, Collection
from typing import Any, Final, NamedTuple

from otel_jcmc.catalogue.attributes import CLIENT
from otel_jcmc.sessions.asked import Asked
from otel_jcmc.sessions.event_erasure import AWAY, erase_events, members_of_events
from otel_jcmc.sessions.history import History
from otel_jcmc.sessions.past import batched, is_of, may_name, participant_of
from otel_jcmc.sessions.sources import SOURCES, forget_sources
from otel_jcmc.sessions.span_ids import session_span_id
from otel_jcmc.sessions.span_marks import mark_of, span_id_of
from otel_jcmc.sessions.summaries import Summaries
from otel_jcmc.sessions.theirs import Theirs
from otel_jcmc.store.commands import Command
from otel_jcmc.store.keeping import Keeping
from otel_jcmc.store.participant import Stay, client_digest, conference_digest
from otel_jcmc.store.scripts import script
from otel_jcmc.store.sid import began_ms, sid_conference, sid_member
from otel_jcmc.verdict.record import Record

_SCRIPT: Final = script("sessions/erasure")
_AT_ONCE: Final = 100
_READ_AT_ONCE: Final = 1000
_WAITING_AT_ONCE: Final = 500
# A recorder makes the entries that are due once a second, so it may make an entry this much later.
_TICK_MS: Final = 2000
_MANY: Final = 2**63
# Matches a session id if it has the form of the ids that this service gives to JMMC pages.
_is_hex: Final = re.compile(r"[0-9a-f]{16,64}").fullmatch


class _Erased(NamedTuple):
    """One erased leg of a session; *instance* is empty if sessions do not become spans."""

    sid: str
    session: str
    instance: str
    leg: str


class Erasure:
    """Erases everything about given clients in the Redis of one `History`."""

    def __init__(
        self, history: History, keeping: Keeping, interval_ms: int, record: Record | None = None
    ) -> None:
        """
        Prepare; nothing is erased yet.

        An entry of a log covers *interval_ms*. *record* is used to remove names from the journal;
        None: the journal is not changed.
        """
        self._history = history
        self._record = record
        self._keeping = keeping.to_args()
        self._behind_ms = interval_ms + _TICK_MS
        self._summaries = Summaries(history.run, history.keys)

    async def erase(self, conferences: Collection[str], clients: Collection[str]) -> int:
        """
        Erase everything about *clients*; return the number of erased sessions.

        If *conferences* are given, only data about these conferences is erased. If a participant of
        the clients pushes during or after the erasure, a new session begins.

        Raises:
            StoreUnavailable: Redis did not answer in time; some sessions may be erased already. The
                caller may call `erase` again.
        """
        asked = Asked(conferences, clients, limit=_MANY)
        found, _ = await self._history.sessions(asked)
        live = await self._live(asked)
        members = {
            *(sid_member(each.sid) for each in found),
            *live,
            *await self._waiting(asked),
        }
        known = [*(of.attributes for of in found), *(of.attributes for of in live.values())]
        spelled = {each[CLIENT.id] for each in known if CLIENT.id in each}
        theirs = Theirs({*clients, *spelled}, conferences, members)
        gone: list[_Erased] = []
        for member, sids in (await self._sids(members)).items():
            for some in [*batched(sids, _AT_ONCE)] or [()]:
                gone += await self._erase(member, some)
        await self._erase_jmmc(
            {*(of.session for of in live.values()), *(each.session for each in gone)}
        )
        await self._erase_ends(members)
        await erase_events(self._history.keys, self._run, self._read_list, theirs)
        # Sessions that history had dropped already are counted by their spans or summaries.
        spans = await self._erase_spans(members, gone)
        erased = len(gone) + max(spans, await self._erase_summaries(asked, gone))
        # This is done last, because a Redis that is out of memory refuses to replace a value.
        await self._erase_names(theirs)
        return erased

    async def _sids(self, members: Collection[str]) -> dict[str, set[str]]:
        """Return member -> sids of all its sessions, also of sessions without attributes."""
        found: dict[str, set[str]] = {member: set() for member in members}
        for base in {self._history.keys.base_of(member) for member in members}:
            async for listed in self._history.read_index(f"{base}sessions", "-inf"):
                for sid in map(bytes.decode, listed):
                    if (member := sid_member(sid)) in found:
                        found[member].add(sid)
        return found

    async def _live(self, asked: Asked) -> dict[str, Stay]:
        """
        Return member -> stay of all live participants that belong to the clients of *asked*.

        This method reads the last pushes of live participants. It therefore also finds participants
        without a session in history.
        """
        found = {}
        for base in self._history.keys.bases:
            async for listed in self._history.read_index(f"{base}live", "-inf"):
                for some in batched(listed, _READ_AT_ONCE):
                    keys = [f"{base}participant:{each.decode()}" for each in some]
                    (values,) = await self._run([("MGET", *keys)])
                    for member, value in zip(some, values, strict=True):
                        if value is None or not may_name(value, asked.clients):
                            continue
                        stay = participant_of(value)
                        if (
                            stay is not None
                            and is_of(stay.attributes, asked.clients)
                            and (not asked.conferences or stay.conference in asked.conferences)
                        ):
                            found[member.decode()] = stay
        return found

    async def _waiting(self, asked: Asked) -> set[str]:
        """
        Return the members that match *asked* and have waiting events or spans.

        History may have dropped the sessions of these members already.
        """
        clients = {client_digest(client) for client in asked.clients}
        conferences = {conference_digest(name) for name in asked.conferences}
        found = await members_of_events(self._history.keys, self._read_list, clients)
        for base in self._history.keys.bases:
            async for spans in self._read_list(f"{base}outbox"):
                marks = [mark for mark in map(mark_of, spans) if mark is not None]
                found |= {mark.member for mark in marks if mark.client in clients}
        return {each for each in found if not conferences or sid_conference(each) in conferences}

    async def _erase(self, member: str, sids: tuple[str, ...]) -> list[_Erased]:
        """Erase one participant and its sessions *sids*; return the sessions that existed."""
        key = f"{self._history.keys.base_of(member)}live"
        args = (*self._keeping, member, self._behind_ms, *sids)
        (gone,) = await self._run([("EVALSHA", _SCRIPT.sha, 1, key, *args)])
        told = [part.decode() for part in gone]
        return [_Erased(*each) for each in batched(told, 4)]

    async def _erase_jmmc(self, sessions: Collection[str]) -> None:
        """Erase the keys of the JMMC pages whose session ids are in *sessions*."""
        commands: list[Command] = []
        for session in filter(_is_hex, sessions):
            key, index = self._history.keys.jmmc(session)
            commands += [("UNLINK", key), ("ZREM", index, session)]
        if commands:
            await self._run(commands)

    async def _erase_ends(self, members: Collection[str]) -> None:
        """Erase the sessions of *members* from `ended`, by which Redis refuses late pushes."""
        for base in {self._history.keys.base_of(member) for member in members}:
            theirs: list[bytes] = []
            async for listed in self._history.read_index(f"{base}ended", "-inf"):
                theirs += [each for each in listed if sid_member(each.decode()) in members]
            for some in batched(theirs, _READ_AT_ONCE):
                await self._run([("ZREM", f"{base}ended", *some)])

    async def _erase_names(self, theirs: Theirs) -> None:
        """
        Erase the names of *theirs* from the sessions of other participants and from the journal.

        In both places a name says which participant spoiled the calls of other participants.
        """
        digests = {sid_conference(each) for each in theirs.members}
        for base in {self._history.keys.base_of(digest) for digest in digests}:
            async for listed in self._history.read_index(f"{base}sessions", "-inf"):
                for sid in map(bytes.decode, listed):
                    if sid_conference(sid) in digests:
                        await forget_sources(self._run, base, sid, theirs)
        if self._record is not None:
            await self._record.forget(theirs.is_told_of, theirs.is_named)

    async def _erase_spans(self, members: Collection[str], gone: list[_Erased]) -> int:
        """
        Erase the waiting spans of *members*; return how many do not belong to a session in *gone*.

        A span that an earlier version of the service made has no mark. Such a span is found by its
        span id, if its session is in *gone*.
        """
        ids = {
            session_span_id(sid, int(of), session, int(leg)) for sid, session, of, leg in gone if of
        }
        others: set[bytes] = set()
        for base in {self._history.keys.base_of(member) for member in members}:
            async for spans in self._read_list(f"{base}outbox"):
                theirs = [
                    span
                    for span in spans
                    if span_id_of(span) in ids
                    or ((mark := mark_of(span)) is not None and mark.member in members)
                ]
                await self._run([("LREM", f"{base}outbox", 1, span) for span in theirs])
                others |= {span_id_of(span) for span in theirs} - ids
        return len(others)

    async def _erase_summaries(self, asked: Asked, gone: list[_Erased]) -> int:
        """
        Erase the summaries that match *asked*; only summaries with names can match.

        Return the number of erased summaries whose sessions are not in *gone*. A summary belongs to
        a session in *gone* if both began in the same second.
        """
        erased = await self._summaries.erase(asked.conferences, asked.clients)
        began = {began_ms(each.sid) // 1000 * 1000 for each in gone}
        return sum(each.began_ms not in began for each in erased)

    async def _read_list(self, key: str) -> AsyncIterator[list[bytes]]:
        """Return the items of the list *key*, some at a time; some items may be returned twice."""
        start = 0
        while True:
            items, length = await self._run(
                [("LRANGE", key, start, start + _WAITING_AT_ONCE - 1), ("LLEN", key)]
            )
            yield items
            if len(items) < _WAITING_AT_ONCE:
                return
            (left,) = await self._run([("LLEN", key)])
            # Meanwhile the caller erases items and replicas send items, so the other items move
            # forward in the list. To miss none, some are read twice.
            start = max(0, start + _WAITING_AT_ONCE // 2 - max(0, length - left))

    async def close(self) -> None:
        """Close the connection of the record; the history closes its own connection."""
        if self._record is not None:
            await self._record.close()

    async def _run(self, commands: list[Command]) -> list[Any]:
        """Return the replies to *commands*, which may call the scripts of an erasure."""
        return await self._history.run(commands, [_SCRIPT, SOURCES, AWAY])
