"""
Reads the summaries in Redis by days, limits their size, and erases the summaries of clients.

moves.lua writes the summaries. Each partition has a list for each day: `past:2026-11-29`, or
`named:2026-11-29` if the summaries have names. The partition's hash `past` holds the size of each
list in bytes. Redis expires the lists. If the lists of all partitions together take too many bytes,
`bound` removes the oldest summaries of the oldest day first.
"""

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from datetime import date
from typing import Any, Final, NamedTuple

import msgspec

from otel_jcmc.sessions.past import batched
from otel_jcmc.sessions.summary import BESIDES_BYTES, LENGTHS, NAMED, Summary, read_summary, short
from otel_jcmc.store.commands import Command
from otel_jcmc.store.keys import Keys
from otel_jcmc.store.participant import client_digest
from otel_jcmc.store.scripts import Script, script

# A row is a stored summary. ROWS_AN_EXCHANGE: most rows that are read from Redis in one exchange,
# because the exchange itself takes as long as a hundred rows. ROWS_AT_ONCE: most rows that are
# handled before pushes get their turn. GO_AT_ONCE: most rows that a call of summaries.lua removes.
ROWS_AN_EXCHANGE: Final = 1000
ROWS_AT_ONCE: Final = 200
GO_AT_ONCE: Final = 1000

_SCRIPT: Final = script("sessions/summaries", touches_stays=False)


# Runs commands in Redis, some of which may call scripts; raises StoreUnavailable if Redis fails.
Run = Callable[[Sequence[Command], Sequence[Script]], Awaitable[list[Any]]]


class DayList(NamedTuple):
    """A day's list of summaries: day, prefix of its partition's keys, name, size in bytes."""

    day: date
    base: str
    name: str
    bytes: int


class Summaries:
    """
    Reads, limits and erases the summaries in one Redis under one key prefix.

    Concurrency: any number of tasks of one event loop may call.
    """

    def __init__(self, run: Run, keys: Keys) -> None:
        """Keep *run*, which sends commands to Redis, and the names of *keys*; send nothing yet."""
        self._ask = run
        self._bases = keys.bases

    async def lists(self) -> list[DayList]:
        """
        Return the lists of summaries of all partitions, the oldest day first.

        Raises:
            StoreUnavailable: Redis did not answer in time.
        """
        replies = await self._run([("HGETALL", f"{base}past") for base in self._bases])
        found = []
        for base, told in zip(self._bases, replies, strict=True):
            for name, size in zip(told[::2], told[1::2], strict=True):
                # A later version may have lists with other names: skip such lists.
                with suppress(ValueError):
                    day = date.fromisoformat(name.decode().partition(":")[2])
                    found.append(DayList(day, base, name.decode(), int(size)))
        return sorted(found)

    async def read(self, first: date, last: date) -> AsyncIterator[tuple[date, list[Summary]]]:
        """
        Yield the summaries of sessions that ended from the day *first* to the day *last*.

        Each item is a day and at most ROWS_AT_ONCE of its summaries, so a day may come several
        times. The oldest day comes first. Damaged summaries are left out.

        Raises:
            StoreUnavailable: Redis did not answer in time.
        """
        for each in await self.lists():
            if first <= each.day <= last:
                async for rows in self._rows(each):
                    yield each.day, [found for row in rows if (found := _read(row)) is not None]

    async def _rows(self, of: DayList) -> AsyncIterator[Sequence[bytes]]:
        """Yield the rows of the list *of*, at most ROWS_AT_ONCE at a time."""
        for start in itertools.count(0, ROWS_AN_EXCHANGE):
            (rows,) = await self._run(
                [("LRANGE", of.base + of.name, start, start + ROWS_AN_EXCHANGE - 1)]
            )
            for some in batched(rows, ROWS_AT_ONCE):
                yield some
            if len(rows) < ROWS_AN_EXCHANGE:
                return

    async def bound(self, most_bytes: int, first: date) -> int:
        """
        Remove all summaries of days before *first*.

        Then remove the oldest summaries until the others together take at most *most_bytes*. Return
        how many bytes the remaining summaries take.

        Raises:
            StoreUnavailable: Redis did not answer in time.
        """
        lists = await self.lists()
        held = sum(each.bytes for each in lists)
        for each in lists:
            left = each.bytes
            while left > 0 and (each.day < first or held > most_bytes):
                before = left
                wanted = left if each.day < first else held - most_bytes
                left = await self._shorten(each, wanted)
                held -= before - left
        return held

    async def _shorten(self, of: DayList, wanted: int) -> int:
        """
        Remove the oldest rows of the list *of*, at most GO_AT_ONCE, until *wanted* bytes are free.

        Return how many bytes the list still has.
        """
        args = of.name, BESIDES_BYTES, wanted, GO_AT_ONCE
        (left,) = await self._run([("EVALSHA", _SCRIPT.sha, 1, f"{of.base}past", *args)])
        return int(left)

    async def erase(self, conferences: Collection[str], clients: Collection[str]) -> list[Summary]:
        """
        Erase the summaries of *clients*, and return the erased summaries.

        Only summaries with names can be found. If *conferences* are given, only summaries of these
        conferences are erased.

        Raises:
            StoreUnavailable: Redis did not answer in time; some summaries may be erased already.
        """
        digests = {client_digest(client) for client in clients}
        rooms = {short(name, length) for name in conferences for length in LENGTHS}
        erased = []
        for each in await self.lists():
            if not each.name.startswith(NAMED):
                continue
            theirs = []
            async for rows in self._rows(each):
                for row in rows:
                    found = _read(row)
                    who = found and found.who
                    if who and who.digest in digests and (not rooms or who.conference in rooms):
                        theirs.append((row, found))
            for row, found in theirs:
                if found is not None and await self._take_out(each, row):
                    erased.append(found)
        return erased

    async def _take_out(self, of: DayList, row: bytes) -> int:
        """Remove *row* from the list *of*; return 1, or 0 if the list no longer has the row."""
        (gone,) = await self._run([("LREM", of.base + of.name, 1, row)])
        if gone:
            size = -(len(row) + BESIDES_BYTES)
            await self._run([("HINCRBY", f"{of.base}past", of.name, size)])
        return int(gone)

    async def _run(self, commands: Sequence[Command]) -> list[Any]:
        """Return the replies to *commands*; raise StoreUnavailable if a reply is an error."""
        if not commands:
            return []
        return await self._ask(commands, [_SCRIPT])


def _read(row: bytes) -> Summary | None:
    """Return the summary in *row*; None if the row is damaged."""
    try:
        return read_summary(row)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
