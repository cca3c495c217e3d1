"""
Finds sessions by their cards (card.py), in one pass over all cards in Redis.

A search takes conditions on cards, and returns sort keys. A sort key is a text by which results are
sorted; it contains the sid. Variables with sort keys are called `place`. Redis keeps cards in no
order. Therefore search.lua checks all cards inside Redis, a few in each call, so that no push waits
long. search.lua returns only sessions that may be among the first `limit` results. cardless.lua
returns the sessions that have no card. If a card is not enough to decide, the caller reads the
session.
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
# The number of cards that one call of search.lua checks. A call takes Redis some tenths of a
# millisecond. The next number says how many partitions are asked at the same time.
CARDS_AT_ONCE: Final = 250
_PARTITIONS_AT_ONCE: Final = 4
_INDEX_AT_ONCE: Final = 1000
# The latest start that a sid can contain, Unix time in ms.
_LATEST_MS: Final = 16**11 - 1
_GOES_ON: Final = {LIVE: "1", EXPIRED: "0"}


class Wanted(NamedTuple):
    """
    Conditions on cards.

    Attributes:
        conditions: conditions on the lines of a card; a card must meet all of them.
        end: the reason for which the session ended, or LIVE or EXPIRED; empty: any.
        from_ms, to_ms: the participant was there between these times, Unix time in ms; None: any
            time.
        behind_ms: a session may continue for this time after the last push that its card counts.
        by_badness: whether the worst sessions come first; otherwise the newest sessions come first.
        after: only results after this sort key are returned; empty: all results.
        limit: at most this number of results is returned.
        is_unsure: whether cards are not enough to decide, so that the caller reads the sessions.
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
        places: the sort keys of the first results, in order.
        total: the number of all matching sessions after `Wanted.after`.
    """

    places: list[str]
    total: int


def sid_of(place: str) -> str:
    """Return the sid in the sort key *place*."""
    return from_by_time(place[-48:].encode())


def place_of(sid: str, badness: int | None) -> str:
    """Return the sort key of *sid*; give *badness* if the worst sessions come first."""
    turned = by_time(sid.encode()).decode()
    return turned if badness is None else f"{badness:04x}{turned}"


def to_after(place: str) -> str:
    """Return the sort key *place* in the form for callers, which has the sid in its usual form."""
    return place[:-48] + sid_of(place)


def from_after(after: str) -> str:
    """Return the sort key for *after*, which `to_after` made; empty if *after* is empty."""
    return after[:-48] + place_of(after[-48:], None) if after else ""


# A function that takes sids whose cards are not enough to decide. It reads these sessions, and
# returns the sort keys of the sessions that match.
Look = Callable[[list[str]], Awaitable[list[str]]]


class Search:
    """One search: a pass over all cards. Make a new object for each search."""

    def __init__(
        self,
        run: Callable[[Sequence[Command], Sequence[Script]], Awaitable[list[Any]]],
        keys: Keys,
        wanted: Wanted,
        look: Look,
    ) -> None:
        """
        Prepare to search for *wanted*.

        *run* sends commands to Redis. *look* decides for sessions whose cards are not enough.
        """
        self._run = run
        self._keys = keys
        self._wanted = wanted
        self._look = look
        self._count = 0
        # The sort keys of the first results found so far: a heap with the last result on top.
        self._best: list[str] = []
        self._kept: set[str] = set()
        self._looked_up: set[str] = set()
        self._args = _args_of(wanted)

    async def run(self) -> Found:
        """
        Search, and return the results.

        Raises:
            StoreUnavailable: Redis did not answer in time.
        """
        # Sessions without a card are read first. If a session gets a card meanwhile, the search
        # still finds it by the card.
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
        """Return the command that checks further cards of a partition, from *cursor* on."""
        above = self._best[0] if len(self._best) >= self._wanted.limit else ""
        order, below, *rest = self._args
        keys = (f"{base}cards", f"{base}live")
        return ("EVALSHA", _SEARCH.sha, 2, *keys, cursor, CARDS_AT_ONCE, order, below, above, *rest)

    def _take(self, count: int, places: list[str]) -> None:
        """Add *count* to the matching sessions, and keep *places* that are among the first."""
        self._count += count
        for place in places:
            # HSCAN may return the same card twice.
            if place in self._kept:
                continue
            self._kept.add(place)
            if len(self._best) < self._wanted.limit:
                heapq.heappush(self._best, place)
            else:
                self._kept.discard(heapq.heappushpop(self._best, place))

    async def _look_up(self, sids: list[str]) -> None:
        """Ask *look* which of *sids* match, and take these sessions as results."""
        new = [sid for sid in dict.fromkeys(sids) if sid not in self._looked_up]
        self._looked_up.update(new)
        if new:
            after = self._wanted.after
            places = [each for each in await self._look(new) if not after or each < after]
            self._take(len(places), places)

    async def _without(self) -> list[str]:
        """Return the sids of sessions without a card; the index has them, the cards do not."""
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
    """Return the arguments of search.lua that are the same in each call of a search."""
    latest = "" if wanted.to_ms is None else f"{min(max(0, wanted.to_ms), _LATEST_MS):011x}"
    # Rounded up to tenths of a second, because a tenth that contains *from_ms* begins before it.
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
