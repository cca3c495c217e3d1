"""
Finds sessions by their cards, in one pass over all cards in Redis.

Conditions on cards come in; places go out. A place is the text by which the results are sorted,
with the sid in it. Cards have no order, so search.lua looks at all of them inside Redis, some at a
time so that no push waits long. It returns only sessions that may be among the first `limit`
results. cardless.lua names the sessions that have no card. If a card is not enough to decide, the
caller reads the session itself.
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
# Cards in one call, which takes Redis some tenths of a millisecond; and partitions asked at once.
CARDS_AT_ONCE: Final = 250
_PARTITIONS_AT_ONCE: Final = 4
_INDEX_AT_ONCE: Final = 1000
# No sid has a later start.
_LATEST_MS: Final = 16**11 - 1
_GOES_ON: Final = {LIVE: "1", EXPIRED: "0"}


class Wanted(NamedTuple):
    """
    Conditions on cards.

    Attributes:
        conditions: conditions on the card's lines, all of which must be met.
        end: how the session ended: a reason, LIVE or EXPIRED; empty: any.
        from_ms, to_ms: the participant was there in this time, Unix time in ms.
        behind_ms: a session may go on for this long after the last push that its card counts.
        by_badness: whether the worst sessions come first; otherwise the newest do.
        after: the place after which to continue; empty: from the start.
        limit: how many results are returned at most.
        is_unsure: whether cards are not enough to decide.
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
    """The first places that were found, in order, and how many match after `after`."""

    places: list[str]
    total: int


def sid_of(place: str) -> str:
    """Return the sid of a *place*."""
    return from_by_time(place[-48:].encode())


def place_of(sid: str, badness: int | None) -> str:
    """Return the place of *sid*; it has *badness* if the worst sessions come first."""
    turned = by_time(sid.encode()).decode()
    return turned if badness is None else f"{badness:04x}{turned}"


def to_after(place: str) -> str:
    """Return the `after` of a *place*, which callers get: it has the sid in its usual form."""
    return place[:-48] + sid_of(place)


def from_after(after: str) -> str:
    """Return the place from *after*, which `to_after` returned for it."""
    return after[:-48] + place_of(after[-48:], None) if after else ""


# Takes sids whose cards can't decide, and returns the places of those that meet the search.
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
        """Search for *wanted* with commands by *run*; *look* decides where a card can't."""
        self._run = run
        self._keys = keys
        self._wanted = wanted
        self._look = look
        self._count = 0
        # The first places so far, a heap with the last of them on top.
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
        # Sessions without a card are read first: a session that gets its card meanwhile is found by
        # the card.
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
        """Return the command that looks through more cards of a partition."""
        above = self._best[0] if len(self._best) >= self._wanted.limit else ""
        order, below, *rest = self._args
        keys = (f"{base}cards", f"{base}live")
        return ("EVALSHA", _SEARCH.sha, 2, *keys, cursor, CARDS_AT_ONCE, order, below, above, *rest)

    def _take(self, count: int, places: list[str]) -> None:
        """Count so many matching sessions, and keep those of *places* that are among the first."""
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
        """Count and keep those of *sids* that match; *look* decides."""
        new = [sid for sid in dict.fromkeys(sids) if sid not in self._looked_up]
        self._looked_up.update(new)
        if new:
            after = self._wanted.after
            places = [each for each in await self._look(new) if not after or each < after]
            self._take(len(places), places)

    async def _without(self) -> list[str]:
        """Return the sids without a card: the index has more sessions than there are cards."""
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
    # Rounded up: the tenth in which *from_ms* lies may begin before it.
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
