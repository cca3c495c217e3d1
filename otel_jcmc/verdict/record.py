"""
Keeps the journal in Redis: the things that stand out now, and those that stood out before.

Entries are kept as long as history. A look is one search for what stands out. The keys:

    jcmc:{verdict}:lease     the replica that makes the looks
    jcmc:{verdict}:now       the result of the last look, in msgpack
    jcmc:{verdict}:over      the entries that are over, sorted by their end (ms of Redis's clock)
    jcmc:{verdict}:told      the time (ms) of the last look for which all events have been made

Only the replica with the lease writes `now` and `over` (journal.lua). The process that sends events
writes `told` (logs/onsets.py). All processes of all replicas read the same journal.
"""

from collections.abc import Callable
from hashlib import sha1
from typing import Any, Final

import msgspec

from otel_jcmc.store.cluster import open_link
from otel_jcmc.store.commands import Command, expect_all
from otel_jcmc.store.scripts import run_scripts, script
from otel_jcmc.verdict.journal import Entry

# A look is used up to this age. The last look becomes older only if the next two looks have failed.
FRESH_MS: Final = 30_000
MOST_OVER: Final = 10_000
_SCRIPT: Final = script("verdict/journal", touches_stays=False)
_FORGET: Final = script("verdict/forget", touches_stays=False)


class Look(msgspec.Struct, array_like=True, gc=False):
    """
    The result of one search for what stands out among all live participants.

    Redis holds looks in this form, so add fields only at the end.

    Attributes:
        at_ms: time of the look, by Redis's clock.
        entries: the things that stand out and have not ended.
        causes: `conference/participant` -> id of the cause, for each participant whose cause
            settling.py has found with the help of other participants.
    """

    at_ms: int
    entries: list[Entry] = []
    causes: dict[str, int] = {}

    def is_fresh(self, now_ms: int) -> bool:
        """Say whether the look is young enough for use at *now_ms*, by Redis's clock."""
        return now_ms - self.at_ms <= FRESH_MS


class Record:
    """
    Reads and writes the journal in one Redis, under one key prefix.

    Concurrency: use it from one event loop.
    """

    def __init__(self, url: str, key_prefix: str, keep_ms: int) -> None:
        """Prepare, and connect at the first use; entries that are over are kept for *keep_ms*."""
        self._link = open_link(url)
        self._keep_ms = keep_ms
        base = f"{key_prefix}:{{verdict}}:"
        self.lease_key = f"{base}lease"
        self._now, self._over = f"{base}now", f"{base}over"
        self._told = f"{base}told"
        # The last look that this object has read or written, as Redis has it.
        self._read: bytes | None = None

    async def read_look(self) -> tuple[Look | None, int]:
        """
        Return the last look and Redis's clock in ms.

        The look is None if Redis has no look, or if this version can't read it.

        Raises:
            StoreUnavailable: Redis did not answer in time.
        """
        stored, time = expect_all(await self._link.run([("GET", self._now), ("TIME",)]))
        self._read = stored
        return _decoded(stored, Look), int(time[0]) * 1000 + int(time[1]) // 1000

    async def read_fresh(self) -> Look | None:
        """
        Return the last look; None if it is missing, unreadable, or older than FRESH_MS.

        Raises:
            StoreUnavailable: Redis did not answer in time.
        """
        look, now_ms = await self.read_look()
        return look if look is not None and look.is_fresh(now_ms) else None

    async def write(self, holder: str, look: Look, over: list[Entry]) -> bool:
        """
        Write *look*, and the entries that are *over* since the last look that this object read.

        Return True if both are written. Return False, and write nothing, if *holder* no longer has
        the lease, or if the look in Redis is no longer the one that was read: a client was erased.

        Raises:
            StoreUnavailable: Redis did not answer in time.
        """
        ended: list[Any] = []
        for each in over:
            ended += (each.seen_ms, _encode(each))
        packed = _encode(look)
        command: Command = (
            *("EVALSHA", _SCRIPT.sha, 3, self.lease_key, self._now, self._over, holder),
            *(packed, self._keep_ms, look.at_ms - self._keep_ms, MOST_OVER),
            *(sha1(self._read or b"", usedforsecurity=False).hexdigest(), *ended),
        )
        (written,) = expect_all(await run_scripts(self._link, [command], [_SCRIPT]))
        if written:
            self._read = packed
        return bool(written)

    async def read(self, since_ms: int, until_ms: int) -> list[Entry]:
        """
        Return the entries of things that stood out at any time from *since_ms* to *until_ms*.

        Entries that are not over come last.

        Raises:
            StoreUnavailable: Redis did not answer in time.
        """
        replies = expect_all(
            await self._link.run(
                [("ZRANGEBYSCORE", self._over, since_ms, "+inf"), ("GET", self._now)]
            )
        )
        found = [_decoded(each, Entry) for each in replies[0]]
        look = _decoded(replies[1], Look)
        going = look.entries if look else []
        return [
            each
            for each in (*found, *going)
            if each is not None and each.since_ms <= until_ms and each.seen_ms >= since_ms
        ]

    async def read_told(self) -> int | None:
        """
        Return the time (ms) of the last look for which all events have been made; None: no look.

        Raises:
            StoreUnavailable: Redis did not answer in time.
        """
        (told,) = expect_all(await self._link.run([("GET", self._told)]))
        return int(told) if told else None

    async def write_told(self, at_ms: int) -> None:
        """
        Store *at_ms* as the time of the last look for which all events have been made.

        Raises:
            StoreUnavailable: Redis did not answer in time.
        """
        expect_all(await self._link.run([("SET", self._told, at_ms, "PX", self._keep_ms)]))

    async def forget(
        self, is_entry: Callable[[Entry], bool], is_sender: Callable[[str], bool]
    ) -> None:
        """
        Remove each entry that *is_entry* accepts, and each cause whose key *is_sender* accepts.

        Raises:
            StoreUnavailable: Redis did not answer in time; some entries may already be removed.
        """
        while True:
            over, stored = expect_all(
                await self._link.run([("ZRANGE", self._over, 0, -1), ("GET", self._now)])
            )
            gone = [each for each in over if (of := _decoded(each, Entry)) and is_entry(of)]
            look, left = _decoded(stored, Look), None
            if look is not None:
                entries = [each for each in look.entries if not is_entry(each)]
                causes = {name: id_ for name, id_ in look.causes.items() if not is_sender(name)}
                if (entries, causes) != (look.entries, look.causes):
                    left = _encode(Look(look.at_ms, entries, causes))
            command: Command = (
                *("EVALSHA", _FORGET.sha, 2, self._now, self._over),
                *((stored, left) if left else ("", "")),
                *gone,
            )
            (done,) = expect_all(await run_scripts(self._link, [command], [_FORGET]))
            if done:
                return

    async def close(self) -> None:
        """Close the connection to Redis."""
        await self._link.close()


_encode = msgspec.msgpack.Encoder().encode


def _decoded(stored: bytes | None, kind: Any) -> Any:
    """Return *stored* decoded as a *kind*; None if it is None, or if it can't be decoded."""
    if stored is None:
        return None
    try:
        return msgspec.msgpack.decode(stored, type=kind)
    except msgspec.MsgspecError:
        return None
