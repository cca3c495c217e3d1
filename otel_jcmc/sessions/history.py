"""
Lists the sessions in Redis, newest or worst first, and reads the log of one session.

A search (`Asked`) comes in; sessions (`PastSession`) and the entries of their logs go out. This
file writes nothing to Redis. store/stays.lua and log.lua describe the keys. To find sessions by
time, conference and client, `History` reads the index `sessions`, a few thousand sids at a time, in
the order of the last push. A new push always moves its session forward in this order. If a session
pushes during the read, `History` may read its sid twice, but never misses it. For all other
conditions, search.py searches the cards.
"""

import heapq
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from contextlib import suppress
from typing import Any, Final

from otel_jcmc.sessions.asked import Asked, badness_of, is_asked
from otel_jcmc.sessions.past import (
    KEYS,
    PastSession,
    batched,
    keys_of,
    may_name,
    session_of,
)
from otel_jcmc.sessions.search import (
    Found,
    Search,
    Wanted,
    from_after,
    place_of,
    sid_of,
    to_after,
)
from otel_jcmc.sessions.turn import Turn
from otel_jcmc.store.agreement import AgreedLink
from otel_jcmc.store.cluster import open_link
from otel_jcmc.store.commands import Command, expect_all
from otel_jcmc.store.keys import Keys
from otel_jcmc.store.participant import MAX_CLIENT_TTL_MS, conference_digest
from otel_jcmc.store.scripts import Script, run_scripts
from otel_jcmc.store.sid import began_ms, by_time, from_by_time, is_sid

READ_SECONDS: Final = 2.0
# How many items one exchange with Redis reads. Each such exchange takes Redis some ms.
# INDEX_CHUNK: sids of the index. ABOUT_CHUNK: attributes of sessions. SESSION_CHUNK: whole
# sessions. ENTRY_CHUNK: entries of a log.
INDEX_CHUNK: Final = 4000
ABOUT_CHUNK: Final = 1000
SESSION_CHUNK: Final = 50
ENTRY_CHUNK: Final = 5000
# How many reads of logs may wait for an earlier read to end. Each read takes a second at most.
MOST_WAITING: Final = 20
# An entry may have a time up to this long before its session's start, because a process only
# estimates Redis's clock.
LATE_MS: Final = 1000


class NoSuchSession(Exception):
    """History never had a session with this sid, or has dropped the session."""


class History:
    """
    Reads the sessions in one Redis, under one key prefix.

    Attributes:
        keys: the names of the keys of the sessions.
        turn: a lock that every task takes before it works on a log. Only one task at a time works
            on a log, so that pushes never wait for more than one such task.

    Concurrency: any number of tasks of one event loop may call the methods at the same time.
    """

    def __init__(self, url: str, keys: Keys, interval_ms: int, expiration_ms: int = 0) -> None:
        """
        Prepare to read logs with an entry each *interval_ms*; no connection is opened yet.

        A push keeps its participant live for at least *expiration_ms*.
        """
        self._link = AgreedLink(open_link(url), keys, writes=False)
        self.keys = keys
        self.turn = Turn(MOST_WAITING)
        # The index may have a time for a session that is this much earlier than the time when its
        # participant was last live. A client can choose for how long a push keeps it live.
        self._behind_ms = interval_ms + max(expiration_ms, MAX_CLIENT_TTL_MS)

    async def now_ms(self) -> int:
        """
        Return the time of Redis's clock, Unix time in ms.

        Raises:
            StoreUnavailable: Redis did not answer in time.
        """
        ((seconds, us),) = await self.run([("TIME",)])
        return int(seconds) * 1000 + int(us) // 1000

    async def sessions(self, asked: Asked) -> tuple[list[PastSession], str | None]:
        """
        Return the first sessions that meet *asked*, at most `asked.limit`.

        Also return the value of `Asked.after` for the next call; None: there are no more sessions.

        Raises:
            StoreUnavailable: Redis did not answer in time.
        """
        if asked.to_ms is not None and asked.to_ms < (asked.from_ms or 0):
            return [], None
        if asked.is_of_cards:
            places, _ = await self.search(asked._replace(limit=asked.limit + 1))
            page = places[: asked.limit]
            found = [each async for each in self.described(map(sid_of, page))]
            return found, to_after(page[-1]) if len(places) > asked.limit else None
        floor_ms = await self._floor(asked)
        found, after = await self._page(asked, floor_ms)
        if after is None and floor_ms is not None:
            # The page is not full, because some of the sessions by which the floor was chosen are
            # gone or do not meet *asked*. Read the page again, without a floor.
            return await self._page(asked, None)
        return found, after

    async def search(self, asked: Asked) -> Found:
        """
        Return the places (search.py) of the first sessions that meet *asked*, and how many meet it.

        Raises:
            StoreUnavailable: Redis did not answer in time.
        """
        if asked.to_ms is not None and asked.to_ms < (asked.from_ms or 0):
            return Found([], 0)
        wanted = Wanted(
            asked.conditions,
            asked.end,
            asked.from_ms,
            asked.to_ms,
            self._behind_ms,
            asked.by_badness,
            from_after(asked.after),
            asked.limit,
            # A card has names in lower case, and long names are cut, so a card is not enough to
            # decide whether a name matches.
            bool(asked.clients or asked.conferences),
        )

        async def look(sids: list[str]) -> list[str]:
            return [
                place_of(each.sid, badness_of(each) if asked.by_badness else None)
                async for each in self.described(sids)
                if is_asked(each, asked)
            ]

        return await Search(self.run, self.keys, wanted, look).run()

    async def described(self, sids: Iterable[str]) -> AsyncIterator[PastSession]:
        """
        Return the sessions with these *sids*, without sessions that are gone or damaged.

        Raises:
            StoreUnavailable: Redis did not answer in time.
        """
        for some in batched(sids, SESSION_CHUNK):
            for each in await self._describe(some):
                yield each

    async def session(self, sid: str) -> tuple[PastSession, list[bytes]]:
        """
        Return the session with this *sid*, and the entries of its log in the order of writing.

        Raises:
            NoSuchSession: history has no session with this sid.
            StoreUnavailable: Redis did not answer in time.
        """
        if not is_sid(sid):
            raise NoSuchSession
        # The log is read first. The session's attributes are read after the log, so they include
        # the attributes of all entries that were read.
        log = await self.log(sid)
        found = await self._describe([sid])
        if not found:
            raise NoSuchSession
        return found[0], log

    async def _floor(self, asked: Asked) -> int | None:
        """
        Return a time T so that each session of the answer has pushed at T or later.

        Sessions that last pushed before `after` also began before `after`. T is chosen so that
        enough of these sessions to fill the answer began at T or later. The answer has the newest
        sessions, so all of its sessions began at T or later, and pushed after that.

        Return None if there are too few such sessions, or if *asked* names conferences, clients or
        a `from_ms`.
        """
        if asked.clients or asked.conferences or asked.from_ms is not None:
            return None
        most = asked.limit + 1
        before = began_ms(asked.after) if asked.after else "+inf"
        listed = await self.run(
            [
                ("ZREVRANGEBYSCORE", key, before, "-inf", "LIMIT", 0, most)
                for key in self.keys.each("sessions")
            ]
        )
        began = sorted(began_ms(sid.decode()) for sids in listed for sid in sids)
        return began[-most] - LATE_MS if len(began) >= most else None

    async def _page(
        self, asked: Asked, floor_ms: int | None
    ) -> tuple[list[PastSession], str | None]:
        """
        Return the answer to *asked*, and the next `after` if there are more sessions.

        Only sessions that pushed at *floor_ms* or later are read; None: all sessions.
        """
        found: list[PastSession] = []
        async for session in self._find(asked, floor_ms):
            if len(found) == asked.limit:
                return found, found[-1].sid
            found.append(session)
        return found, None

    async def _find(self, asked: Asked, floor_ms: int | None) -> AsyncIterator[PastSession]:
        """Return all sessions that meet *asked* and pushed at *floor_ms* or later, newest first."""
        # Without clients, nearly all sessions that are read meet *asked*, so few are read at once.
        # To find a client, the attributes of many sessions must be read.
        size = ABOUT_CHUNK if asked.clients else min(SESSION_CHUNK, asked.limit + 1)
        for listed in batched(await self._index(asked, floor_ms), size):
            sids = await self._of_clients(listed, asked.clients) if asked.clients else listed
            async for session in self.described(sids):
                if is_asked(session, asked):
                    yield session

    async def _index(self, asked: Asked, floor_ms: int | None) -> Iterable[str]:
        """Return the sids of sessions whose start and conference meet *asked*, newest first."""
        digests = tuple(conference_digest(name).encode() for name in asked.conferences)
        indexes = self.keys.each("sessions")
        if digests:
            wanted = {self.keys.partition_of(digest.decode()) for digest in digests}
            indexes = self.keys.each("sessions", [*wanted])
        if asked.from_ms is not None:
            floor_ms = asked.from_ms - self._behind_ms
        first = "-inf" if floor_ms is None else str(floor_ms)
        latest = b"g" if asked.to_ms is None else b"%011x" % max(0, asked.to_ms + 1)
        before = min(latest, by_time(asked.after.encode())) if asked.after else latest
        found: list[list[bytes]] = []
        for key in indexes:
            async for sids in self.read_index(key, first):
                mine = [sid for sid in sids if sid.startswith(digests)] if digests else sids
                # Each piece is sorted separately, so that a push never waits until all sids are
                # sorted.
                turned = sorted(filter(before.__gt__, map(by_time, mine)), reverse=True)
                found.append(turned)
        return _each_once(heapq.merge(*found, reverse=True))

    async def read_index(self, key: str, first: str) -> AsyncIterator[list[bytes]]:
        """
        Return the items of the sorted set *key* from the score *first* on, some at a time.

        Raises:
            StoreUnavailable: Redis did not answer in time.
        """
        skip = 0
        while True:
            (listed,) = await self.run(
                [("ZRANGEBYSCORE", key, first, "+inf", "WITHSCORES", "LIMIT", skip, INDEX_CHUNK)]
            )
            yield listed[::2]
            if len(listed) < 2 * INDEX_CHUNK:
                return
            # Continue at the score of the last item, because more items may have the same score.
            last = listed[-1].decode()
            skip = skip + INDEX_CHUNK if last == first else 0
            first = last

    async def _of_clients(self, sids: Sequence[str], clients: Collection[str]) -> list[str]:
        """Return those of *sids* whose sessions may belong to one of *clients*."""
        by_base: dict[str, list[str]] = {}
        for sid in sids:
            by_base.setdefault(self.keys.base_of(sid), []).append(sid)
        commands: list[Command] = [
            ("MGET", *[f"{base}about:{sid}" for sid in some]) for base, some in by_base.items()
        ]
        abouts: dict[str, bytes | None] = {}
        for some, values in zip(by_base.values(), await self.run(commands), strict=True):
            abouts.update(zip(some, values, strict=True))
        # If a session has just begun, only the participant's own key has its attributes. This
        # function does not read that key, so it returns the session's sid.
        return [sid for sid in sids if (about := abouts[sid]) is None or may_name(about, clients)]

    async def _describe(self, sids: Sequence[str]) -> list[PastSession]:
        """Return the sessions with these *sids*, without sessions that are gone or damaged."""
        wanted = [keys_of(sid, self.keys.base_of(sid)) for sid in sids]
        replies = await self.run([command for commands in wanted for command in commands])
        found = []
        for sid, told in zip(sids, batched(replies, KEYS), strict=True):
            with suppress(ValueError):
                if told[0]:
                    found.append(session_of(sid, *told))
        return found

    async def log(self, sid: str) -> list[bytes]:
        """
        Return the entries in the log of the session *sid*, in the order of writing.

        Raises:
            StoreUnavailable: Redis did not answer in time.
        """
        key = f"{self.keys.base_of(sid)}samples:{sid}"
        found: list[bytes] = []
        oldest = None
        while True:
            start = len(found)
            some, first = await self.run(
                [("LRANGE", key, start, start + ENTRY_CHUNK - 1), ("LINDEX", key, 0)]
            )
            if start and first != oldest:
                # The oldest entry of the log was removed during the read, because the log is full
                # or the entry was too old. All indexes in the list have changed, so read again.
                found = []
                continue
            found += some
            oldest = first
            if len(some) < ENTRY_CHUNK:
                return found

    async def run(self, commands: Sequence[Command], scripts: Sequence[Script] = ()) -> list[Any]:
        """
        Return the replies to *commands*, which may call *scripts*.

        Raises:
            StoreUnavailable: Redis did not answer in time, or refused a command.
        """
        if not commands:
            return []
        return expect_all(await run_scripts(self._link, commands, scripts, READ_SECONDS))

    async def close(self) -> None:
        """Close the connection."""
        await self._link.close()


def _each_once(turned: Iterable[bytes]) -> Iterable[str]:
    """Return each sid once; *turned* has the sids sorted, and in the form that `by_time` makes."""
    before = b""
    for each in turned:
        if each != before:
            yield from_by_time(each)
        before = each
