"""
Finds sessions that match a search, in one pass over all cards in Redis.

`Search` gets conditions on cards, and returns one place for each session that it finds. A place is
a text by which the results are sorted; it contains the sid. Redis keeps cards in no order, so
search.lua compares all cards inside Redis with the conditions, 250 cards in each call so that no
push waits long. search.lua returns only sessions that may be among the first `limit` results.
Sessions without a card are found by cardless.lua. If a session has no card, or its card is not
enough to decide, the caller's function `look` reads the session and decides.
"""

import heapq
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, NamedTuple

from otel_jcmc.sessions.entry import EPOCH_MS
from otel_jcmc.sessions.lines import END_LINE, EXPIRED, LIVE, Condition, whole_of
from otel_jcmc.sessions.stretches import TENTH_MS
from otel_jcmc.store.commands import Command
from otel_jcmc.store.keys import Keys
from otel_jcmc.store.scripts import Script, script
from otel_jcmc.store.sid import by_time, from_by_time

_SEARCH: Final = script("sessions/search", touches_stays=False)
_CARDLESS: Final = script("sessions/cardless", touches_stays=False)
# About how many cards one call of search.lua reads: Redis needs some tenths of a millisecond.
CARDS_AT_ONCE: Final = 250
# How many partitions are searched at the same time.
_PARTITIONS_AT_ONCE: Final = 4
# How many sessions of the index one call of cardless.lua reads.
_INDEX_AT_ONCE: Final = 1000
# The latest start that a sid can have, Unix time in ms: 11 hex digits.
_LATEST_MS: Final = 16**11 - 1
_GOES_ON: Final = {LIVE: "1", EXPIRED: "0"}


class Wanted(NamedTuple):
    """
    Which sessions a search wants, and in which order.

    Attributes:
        conditions: conditions on the lines of a card; a card must meet all of them.
        end: how the session ended: a reason, LIVE or EXPIRED; empty: any end.
        from_ms, to_ms: the participant was there at some time between these two, Unix time in ms;
            None: no bound.
        behind_ms: a session may go on for so many ms after the last push that its card counts.
        by_badness: True: the worst sessions come first; False: the newest come first.
        after: only results that come after this place are wanted; empty: all results.
        limit: the most places that the search returns.
        is_unsure: True: *look* must decide on each session whose card matches.
    """

    conditions: Sequence[Condition]
    end: str
    from_ms: int | None
    to_ms: int | None
    behind_ms: int
    by_badness: bool
    after: str
    limit: int
    is_unsure: bool


class Found(NamedTuple):
    """
    The result of a search.

    Attributes:
        places: the first places that were found, in the order of the results.
        total: how many sessions match, also beyond `limit`; only those after `Wanted.after` count.
    """

    places: list[str]
    total: int


def sid_of(place: str) -> str:
    """Return the sid that a *place* contains."""
    return from_by_time(place[-48:].encode())


def place_of(sid: str, badness: int | None) -> str:
    """Return the place of the session *sid*; *badness* is None if the newest come first."""
    turned = by_time(sid.encode()).decode()
    return turned if badness is None else f"{badness:04x}{turned}"


def to_after(place: str) -> str:
    """Return `Asked.after` for *place*: the badness, if *place* has one, and then the sid."""
    return place[:-48] + sid_of(place)


def from_after(after: str) -> str:
    """Return the place for which `to_after` returned *after*; empty if *after* is empty."""
    return after[:-48] + place_of(after[-48:], None) if after else ""


# A function that reads the sessions with these sids, and returns the places of those that match.
Look = Callable[[list[str]], Awaitable[list[str]]]


class Search:
    """One search, a pass over all cards; each search needs a new object."""

    def __init__(
        self,
        run: Callable[[Sequence[Command], Sequence[Script]], Awaitable[list[Any]]],
        keys: Keys,
        wanted: Wanted,
        look: Look,
    ) -> None:
        """
        Prepare to search for *wanted*.

        Args:
            run: sends commands, with the scripts that they call, and returns Redis's replies.
            look: decides on sessions that have no card, or whose card is not enough to decide.
        """
        self._run = run
        self._keys = keys
        self._wanted = wanted
        self._look = look
        self._count = 0
        # A heap of the first `limit` places found so far; on its top is the last of them.
        self._best: list[str] = []
        self._kept: set[str] = set()
        self._looked_up: set[str] = set()
        self._args = _args_of(wanted)

    async def run(self) -> Found:
        """
        Search, and return the places that were found.

        Raises:
            StoreUnavailable: Redis did not answer in time.
        """
        # Sessions without a card are read first. If a session gets its card after that, search.lua
        # finds the card.
        await self._look_up(await self._without())
        waiting = [(base, "0") for base in self._keys.bases]
        while waiting:
            some, waiting = waiting[:_PARTITIONS_AT_ONCE], waiting[_PARTITIONS_AT_ONCE:]
            replies = await self._run([self._command(*each) for each in some], [_SEARCH])
            others: list[str] = []
            for (base, _), (cursor, count, sure, unsure) in zip(some, replies, strict=True):
                self._take(count, sure.decode().split())
                others += map(sid_of, unsure.decode().split())
                if cursor != b"0":
                    waiting.insert(0, (base, cursor.decode()))
            await self._look_up(others)
        return Found(sorted(self._best, reverse=True), self._count)

    def _command(self, base: str, cursor: str) -> Command:
        """Return the command that reads the next cards of a partition, beginning at *cursor*."""
        above = self._best[0] if len(self._best) >= self._wanted.limit else ""
        order, below, *rest = self._args
        keys = (f"{base}cards", f"{base}live")
        return ("EVALSHA", _SEARCH.sha, 2, *keys, cursor, CARDS_AT_ONCE, order, below, above, *rest)

    def _take(self, count: int, places: list[str]) -> None:
        """Add *count* to the total, and keep those *places* that are among the first `limit`."""
        self._count += count
        for place in places:
            # HSCAN may return a card twice.
            if place in self._kept:
                continue
            self._kept.add(place)
            if len(self._best) < self._wanted.limit:
                heapq.heappush(self._best, place)
            else:
                self._kept.discard(heapq.heappushpop(self._best, place))

    async def _look_up(self, sids: list[str]) -> None:
        """Ask *look* which sessions of *sids* match; count these and keep their places."""
        new = [sid for sid in dict.fromkeys(sids) if sid not in self._looked_up]
        self._looked_up.update(new)
        if new:
            after = self._wanted.after
            places = [each for each in await self._look(new) if not after or each < after]
            self._take(len(places), places)

    async def _without(self) -> list[str]:
        """Return the sids of all sessions in the index that have no card."""
        first: Any = "-inf"
        if self._wanted.from_ms is not None:
            first = self._wanted.from_ms - self._wanted.behind_ms
        found: list[str] = []
        for base in self._keys.bases:
            keys = (f"{base}sessions", f"{base}cards")
            sessions, cards = await self._run([("ZCARD", keys[0]), ("HLEN", keys[1])], [])
            missing, skip = sessions - cards, 0
            while missing > 0:
                ((looked, sids),) = await self._run(
                    [("EVALSHA", _CARDLESS.sha, 2, *keys, skip, _INDEX_AT_ONCE, first)],
                    [_CARDLESS],
                )
                some = sids.decode().split()
                found += some
                missing -= len(some)
                skip += looked
                if looked < _INDEX_AT_ONCE:
                    break
        return found


def _args_of(wanted: Wanted) -> list[Any]:
    """Return those arguments of search.lua that do not change between the calls of a search."""
    latest = "" if wanted.to_ms is None else f"{min(max(0, wanted.to_ms), _LATEST_MS):011x}"
    # Rounded up: otherwise a push up to a tenth of a second before *from_ms* would match.
    since = 0 if wanted.from_ms is None else max(0, -(-(wanted.from_ms - EPOCH_MS) // TENTH_MS))
    conditions = [*wanted.conditions]
    if wanted.end and wanted.end not in _GOES_ON:
        conditions.append(whole_of([wanted.end], END_LINE))
    return [
        int(wanted.by_badness),
        wanted.after,
        latest,
        since,
        wanted.behind_ms // TENTH_MS,
        _GOES_ON.get(wanted.end, ""),
        int(wanted.is_unsure),
        *(part for each in conditions for part in (len(each), *(x for way in each for x in way))),
    ]
