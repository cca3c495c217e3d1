"""
The journal in Redis: what stands out now, and what did, for as long as history lives.

    jcmc:{verdict}:lease     who looks
    jcmc:{verdict}:now       the last look, whole, in msgpack
    jcmc:{verdict}:over      what is over, by its end (ms of Redis's clock)
    jcmc:{verdict}:told      the last look of which all is told as events, by its time (ms)

Only who holds the lease writes (journal.lua), and what is told whoever tells it (logs/onsets.py);
every reader, of every replica, reads the same.
"""

from collections.abc import Callable
from hashlib import sha1
from typing import Any, Final

import msgspec

from otel_jcmc.store.cluster import open_link
from otel_jcmc.store.commands import Command, expect_all
from otel_jcmc.store.scripts import run_scripts, script
from otel_jcmc.verdict.journal import Entry

# A look is older than this when two could not be made.
FRESH_MS: Final = 30_000
MOST_OVER: Final = 10_000
_SCRIPT: Final = script("verdict/journal", touches_stays=False)
_FORGET: Final = script("verdict/forget", touches_stays=False)


class Look(msgspec.Struct, array_like=True, gc=False):
    """
    What was found when everybody was looked at, as it is stored: fields are added at the end.

    Attributes:
        at_ms: when, by Redis's clock.
        entries: what stands out, and has not ended yet.
        causes: standing.sender_name of those whose cause was settled -> id of the cause.
    """

    at_ms: int
    entries: list[Entry] = []
    causes: dict[str, int] = {}

    def is_fresh(self, now_ms: int) -> bool:
        """Say whether it still holds at *now_ms*."""
        return now_ms - self.at_ms <= FRESH_MS


class Record:
    """
    The journal of one Redis under one key prefix.

    Concurrency: to be used from one event loop.
    """

    def __init__(self, url: str, key_prefix: str, keep_ms: int) -> None:
        """Prepare; what is over is kept for *keep_ms*."""
        self._link = open_link(url)
        self._keep_ms = keep_ms
        base = f"{key_prefix}:{{verdict}}:"
        self.lease_key = f"{base}lease"
        self._now, self._over = f"{base}now", f"{base}over"
        self._told = f"{base}told"
        # The last look as it was read or written.
        self._read: bytes | None = None

    async def read_look(self) -> tuple[Look | None, int]:
        """
        Return the last look, and Redis's clock in ms.

        None if there is none, or this version can't read it.

        Raises:
            StoreUnavailable: Redis did not answer in time.
        """
        stored, time = expect_all(await self._link.run([("GET", self._now), ("TIME",)]))
        self._read = stored
        return _decoded(stored, Look), int(time[0]) * 1000 + int(time[1]) // 1000

    async def read_fresh(self) -> Look | None:
        """
        Return the last look if it still holds.

        Raises:
            StoreUnavailable: Redis did not answer in time.
        """
        look, now_ms = await self.read_look()
        return look if look is not None and look.is_fresh(now_ms) else None

    async def write(self, holder: str, look: Look, over: list[Entry]) -> bool:
        """
        Write a *look* and what is *over* since the one that was read last.

        False if *holder* has the lease no longer, or somebody was erased meanwhile.

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
        Return what stood out at some time from *since_ms* to *until_ms*, what goes on last.

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
        Return the time of the last look of which all is told; None: nobody has told anything.

        Raises:
            StoreUnavailable: Redis did not answer in time.
        """
        (told,) = expect_all(await self._link.run([("GET", self._told)]))
        return int(told) if told else None

    async def write_told(self, at_ms: int) -> None:
        """
        Take note that all is told of the look at *at_ms*.

        Raises:
            StoreUnavailable: Redis did not answer in time.
        """
        expect_all(await self._link.run([("SET", self._told, at_ms, "PX", self._keep_ms)]))

    async def forget(
        self, is_entry: Callable[[Entry], bool], is_sender: Callable[[str], bool]
    ) -> None:
        """
        Take away each entry that *is_entry*, and of the last look each name that *is_sender*.

        Raises:
            StoreUnavailable: Redis did not answer in time; some may be gone.
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
        """Close the connection."""
        await self._link.close()


_encode = msgspec.msgpack.Encoder().encode


def _decoded(stored: bytes | None, kind: Any) -> Any:
    """Return what is *stored* as a *kind*; None if there is nothing, or it can't be read."""
    if stored is None:
        return None
    try:
        return msgspec.msgpack.decode(stored, type=kind)
    except msgspec.MsgspecError:
        return None
