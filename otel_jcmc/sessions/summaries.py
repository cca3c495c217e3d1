"""
Reads the summaries in Redis by days, keeps them below a limit, and erases those with names.

moves.lua writes them. Each partition has a list for each day: `past:2026-11-29`, or
`named:2026-11-29` for summaries with names; the hash `past` has the bytes of each list. A list
expires without our help. If all lists together take too many bytes, the oldest summaries of the
oldest day are removed first, whatever their partition.
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

# A row is a stored summary. _EXCHANGE: rows of one list in one exchange, which costs as much as a
# hundred rows do. _AT_ONCE: rows that are handled before pushes get their turn.
ROWS_AN_EXCHANGE: Final = 1000
ROWS_AT_ONCE: Final = 200
GO_AT_ONCE: Final = 1000

_SCRIPT: Final = script("sessions/summaries", touches_stays=False)


# Runs commands, which may call scripts, and raises StoreUnavailable.
Run = Callable[[Sequence[Command], Sequence[Script]], Awaitable[list[Any]]]


class DayList(NamedTuple):
    """One list: its day, the prefix of its partition's keys, its name and its bytes."""

    day: date
    base: str
    name: str
    bytes: int


class Summaries:
    """
    The summaries of one Redis under one key prefix.

    Concurrency: any number of tasks of one event loop may call.
    """

    def __init__(self, run: Run, keys: Keys) -> None:
        """Prepare to send commands by *run*; nothing is sent yet."""
        self._ask = run
        self._bases = keys.bases

    async def lists(self) -> list[DayList]:
        """
        Return all lists, the oldest first.

        Raises:
            StoreUnavailable: Redis did not answer in time.
        """
        replies = await self._run([("HGETALL", f"{base}past") for base in self._bases])
        found = []
        for base, told in zip(self._bases, replies, strict=True):
            for name, size in zip(told[::2], told[1::2], strict=True):
                # A later version may have lists with other names: they are left alone.
                with suppress(ValueError):
                    day = date.fromisoformat(name.decode().partition(":")[2])
                    found.append(DayList(day, base, name.decode(), int(size)))
        return sorted(found)

    async def read(self, first: date, last: date) -> AsyncIterator[tuple[date, list[Summary]]]:
        """
        Return the summaries of sessions that ended from the day *first* to *last*, some at a time.

        Summaries come with their day, the oldest day first; damaged summaries are left out.

        Raises:
            StoreUnavailable: Redis did not answer in time.
        """
        for each in await self.lists():
            if first <= each.day <= last:
                async for rows in self._rows(each):
                    yield each.day, [found for row in rows if (found := _read(row)) is not None]

    async def _rows(self, of: DayList) -> AsyncIterator[Sequence[bytes]]:
        """Return the rows of a list, some at a time."""
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
        Remove summaries of days before the *first*, and the oldest if all take over *most_bytes*.

        Return how many bytes the remaining summaries take.

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
        """Remove rows of a list, up to *wanted* bytes; return how many bytes it still has."""
        args = of.name, BESIDES_BYTES, wanted, GO_AT_ONCE
        (left,) = await self._run([("EVALSHA", _SCRIPT.sha, 1, f"{of.base}past", *args)])
        return int(left)

    async def erase(self, conferences: Collection[str], clients: Collection[str]) -> list[Summary]:
        """
        Erase the summaries with names of *clients*, and return them.

        If *conferences* are given, only summaries of these conferences are erased.

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
        """Remove one *row* from a list; return how many were removed."""
        (gone,) = await self._run([("LREM", of.base + of.name, 1, row)])
        if gone:
            size = -(len(row) + BESIDES_BYTES)
            await self._run([("HINCRBY", f"{of.base}past", of.name, size)])
        return int(gone)

    async def _run(self, commands: Sequence[Command]) -> list[Any]:
        """Return the replies to *commands*; an error among them raises StoreUnavailable."""
        if not commands:
            return []
        return await self._ask(commands, [_SCRIPT])


def _read(row: bytes) -> Summary | None:
    """Return the summary in a *row*; None if it is damaged."""
    try:
        return read_summary(row)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
