"""
Reads the summaries in Redis by days, keeps them below a limit, and erases those with names.

moves.lua writes the summaries. Each partition has a list of summaries for each day, such as
`past:2026-11-29`, or `named:2026-11-29` for summaries with names. The hash `past` has the number of
bytes of each list. Redis expires old lists automatically. If all lists together have too many
bytes, this file removes summaries of the oldest day first, in any partition.
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

# A row is a stored summary. ROWS_AN_EXCHANGE: one command to Redis reads this number of rows of one
# list; a command takes as long as a hundred rows. ROWS_AT_ONCE: after this number of rows, the
# event loop handles pushes.
ROWS_AN_EXCHANGE: Final = 1000
ROWS_AT_ONCE: Final = 200
GO_AT_ONCE: Final = 1000

_SCRIPT: Final = script("sessions/summaries", touches_stays=False)


# A function that sends commands to Redis and returns the replies. The commands may call scripts. If
# Redis does not answer, the function raises StoreUnavailable.
Run = Callable[[Sequence[Command], Sequence[Script]], Awaitable[list[Any]]]


class DayList(NamedTuple):
    """
    One list of summaries.

    Attributes:
        day: the day on which the sessions ended.
        base: the prefix of the keys of the list's partition.
        name: the name of the list's key, without this prefix.
        bytes: the number of bytes of all its rows.
    """

    day: date
    base: str
    name: str
    bytes: int


class Summaries:
    """
    The summaries of one Redis under one key prefix.

    Concurrency: any number of tasks of one event loop may call its methods.
    """

    def __init__(self, run: Run, keys: Keys) -> None:
        """Keep the arguments; the methods send their commands by *run*."""
        self._ask = run
        self._bases = keys.bases

    async def lists(self) -> list[DayList]:
        """
        Return all lists of summaries, sorted by day, the oldest day first.

        Raises:
            StoreUnavailable: Redis did not answer in time.
        """
        replies = await self._run([("HGETALL", f"{base}past") for base in self._bases])
        found = []
        for base, told in zip(self._bases, replies, strict=True):
            for name, size in zip(told[::2], told[1::2], strict=True):
                # A later version may have lists with other names. This version leaves them alone.
                with suppress(ValueError):
                    day = date.fromisoformat(name.decode().partition(":")[2])
                    found.append(DayList(day, base, name.decode(), int(size)))
        return sorted(found)

    async def read(self, first: date, last: date) -> AsyncIterator[tuple[date, list[Summary]]]:
        """
        Yield (day, summaries of some sessions that ended on this day), the oldest day first.

        The days are from *first* to *last*. Damaged summaries are left out.

        Raises:
            StoreUnavailable: Redis did not answer in time.
        """
        for each in await self.lists():
            if first <= each.day <= last:
                async for rows in self._rows(each):
                    yield each.day, [found for row in rows if (found := _read(row)) is not None]

    async def _rows(self, of: DayList) -> AsyncIterator[Sequence[bytes]]:
        """Yield the rows of a list, at most ROWS_AT_ONCE at a time."""
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
        Remove summaries of days before *first*; return the number of bytes of those that remain.

        If more than *most_bytes* would remain, remove the oldest of them too.

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
        """Remove rows of a list, about *wanted* bytes; return the bytes that the list still has."""
        args = of.name, BESIDES_BYTES, wanted, GO_AT_ONCE
        (left,) = await self._run([("EVALSHA", _SCRIPT.sha, 1, f"{of.base}past", *args)])
        return int(left)

    async def erase(self, conferences: Collection[str], clients: Collection[str]) -> list[Summary]:
        """
        Erase the summaries with names that belong to *clients*, and return these summaries.

        If *conferences* is not empty, erase only summaries of these conferences.

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
        """Remove *row* from a list; return 1, or 0 if the list did not have it."""
        (gone,) = await self._run([("LREM", of.base + of.name, 1, row)])
        if gone:
            size = -(len(row) + BESIDES_BYTES)
            await self._run([("HINCRBY", f"{of.base}past", of.name, size)])
        return int(gone)

    async def _run(self, commands: Sequence[Command]) -> list[Any]:
        """Return the replies to *commands*; raise StoreUnavailable if one of them is an error."""
        if not commands:
            return []
        return await self._ask(commands, [_SCRIPT])


def _read(row: bytes) -> Summary | None:
    """Return the summary in *row*; None if the row is damaged."""
    try:
        return read_summary(row)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
