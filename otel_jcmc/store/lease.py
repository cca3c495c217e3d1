"""
Decides which of several replicas does a task that only one replica may do at a time.

A lease is a key in Redis. One replica holds it for a few seconds and renews it. A replica that
can't renew its lease has lost it. For example, one of the replicas on a Redis exports OTLP, and one
makes and sends spans.

Some tasks are divided into shares, and each share has a lease. Replicas have equal numbers of
shares, or numbers that differ by one. When a replica starts or ends, other replicas give up or take
over shares. Then a share may have no replica for some seconds, but it never has two. lease.lua
decides which replica gets which share.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from time import monotonic
from typing import Final, TypeVar

from otel_jcmc.catalogue.reasons import StoreUnavailable
from otel_jcmc.store.cluster import open_link
from otel_jcmc.store.scripts import run_scripts, script

T = TypeVar("T")

log = logging.getLogger(__name__)

# If a replica dies, another replica takes over its task after the sum of these two times at most,
# which is less than ten seconds.
LEASE_MS: Final = 7_000
RENEW_SECONDS: Final = 2.0

_HOLD: Final = b"""
local holder = redis.call('GET', KEYS[1])
if holder == ARGV[1] then redis.call('PEXPIRE', KEYS[1], ARGV[2]) return 1 end
if not holder then redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) return 1 end
return 0
"""
_SHARE_OUT: Final = script("store/lease", touches_stays=False)
_RELEASE: Final = b"if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end"


class Lease:
    """
    The right of this replica to do a task alone, for LEASE_MS after each successful `hold`.

    Attributes:
        holder: the name of this replica.
        count: the number of shares, always 1; Leases has more shares.
    """

    count: Final = 1

    def __init__(self, url: str, key: str, holder: str) -> None:
        """Prepare a lease on *key* for the replica *holder*; `hold` takes it."""
        self._link = open_link(url)
        self._key = key
        self.holder = holder
        self._until = 0.0

    @property
    def is_ours(self) -> bool:
        """Whether this replica still has the lease: its last request is less than LEASE_MS old."""
        return monotonic() < self._until

    @property
    def held(self) -> tuple[int, ...]:
        """The numbers of our shares: (0,) while this replica has the lease, otherwise ()."""
        return (0,) if self.is_ours else ()

    async def hold(self) -> bool:
        """Take or renew the lease; False if another replica has it or Redis does not answer."""
        asked = monotonic()
        try:
            replies = await self._link.run([("EVAL", _HOLD, 1, self._key, self.holder, LEASE_MS)])
        except StoreUnavailable:
            replies = [0]
        self._until = asked + LEASE_MS / 1000 if replies[0] == 1 else 0.0
        return self.is_ours

    async def keep(
        self, line: str, does: str, lost: Callable[[], None], level: int = logging.INFO
    ) -> None:
        """
        Take or renew the lease again and again; log when this replica gets it or loses it.

        *line* is the log message, with `%s` for the text *does* when this replica has the lease.
        *lost* is called when this replica no longer has the lease.
        """

        def say(_before: bool, is_ours: bool) -> None:  # noqa: FBT001  # before and now
            log.log(level, line, does if is_ours else "leaves it to another")
            if not is_ours:
                lost()

        await keep_renewing(self.hold, say, False)  # not ours before

    async def release(self) -> None:
        """Give up the lease if we have it, so that another replica gets it at once; then close."""
        self._until = 0.0
        with suppress(StoreUnavailable):
            await self._link.run([("EVAL", _RELEASE, 1, self._key, self.holder)])
        await self._link.close()


async def keep_renewing(
    hold: Callable[[], Awaitable[T]], say: Callable[[T, T], None], before: T
) -> None:
    """
    Call *hold* every RENEW_SECONDS, for ever.

    When *hold* returns another result than last time, call *say* with the old and the new result.
    *before* is the old result at the first call.
    """
    while True:
        now = await hold()
        if now != before:
            say(before, now)
        before = now
        await asyncio.sleep(RENEW_SECONDS)


class Leases:
    """
    The right of this replica to do some shares of a task, for LEASE_MS after each `hold`.

    Attributes:
        count: how many shares there are.
    """

    def __init__(self, url: str, base: str, holder: str, count: int) -> None:
        """
        Prepare leases for the replica *holder*; `hold` takes shares.

        All keys begin with *base* and are in one slot. Only replicas with the same *count* divide
        the shares among themselves, because the keys contain the count.
        """
        self._link = open_link(url)
        self._holders, self._replicas = f"{base}{count}:shares", f"{base}{count}:replicas"
        self._holder = holder
        self.count = count
        self._held: tuple[int, ...] = ()
        self._until = 0.0

    @property
    def held(self) -> tuple[int, ...]:
        """The numbers (from 0) of our shares; () if the last request is older than LEASE_MS."""
        return self._held if monotonic() < self._until else ()

    async def hold(self) -> tuple[int, ...]:
        """Take, renew or give up shares; return our shares, () if Redis does not answer."""
        asked = monotonic()
        command = (
            *("EVALSHA", _SHARE_OUT.sha, 2, self._holders, self._replicas),
            *(self._holder, LEASE_MS, self.count),
        )
        try:
            (told,) = await run_scripts(self._link, [command], [_SHARE_OUT])
        except StoreUnavailable:
            told = None
        self._held = tuple(told) if isinstance(told, list) else ()
        self._until = asked + LEASE_MS / 1000
        return self.held

    async def keep(self, line: str, does: str, lost: Callable[[], None]) -> None:
        """
        Take, renew and give up shares again and again; log each change of our shares.

        *line* and *does* are as in Lease.keep. *lost* is called when this replica no longer has
        share 0: the replica that has it also counts the totals of the whole task.
        """

        def say(before: tuple[int, ...], now: tuple[int, ...]) -> None:
            numbers = ", ".join(str(share + 1) for share in now)
            log.info(line, f"{does} {numbers} of {self.count}" if now else "leaves it to others")
            if 0 in before and 0 not in now:
                lost()

        nothing: tuple[int, ...] = ()
        await keep_renewing(self.hold, say, nothing)

    async def release(self) -> None:
        """Give up our shares, so that other replicas get them at once; then close."""
        self._until = 0.0
        with suppress(StoreUnavailable):
            await self._link.run([("ZREM", self._replicas, self._holder)])
        await self._link.close()
