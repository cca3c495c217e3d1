"""
Decides which of several replicas does a task that only one may do, or which shares of a task.

A lease is a key in Redis that one replica holds for a few seconds and renews; a replica that can't
renew it has lost it. One of the replicas on a Redis exports OTLP, and one makes and sends spans.
A task that is shared out has a lease for each share, and the numbers of shares that replicas have
differ by one at most. When a replica comes or goes, others give up or take over shares. For some
seconds then a share may have no replica, but it never has two. lease.lua has the rule.
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

# The sum of both is less than ten seconds: within this time another replica takes over from a
# replica that has died.
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
    The right to do a task alone, for LEASE_MS after each successful `hold`.

    Attributes:
        holder: the name of this replica.
        count: always 1, the number of shares; see Leases.
    """

    count: Final = 1

    def __init__(self, url: str, key: str, holder: str) -> None:
        """Prepare a lease on *key* for the replica *holder*; nothing is taken yet."""
        self._link = open_link(url)
        self._key = key
        self.holder = holder
        self._until = 0.0

    @property
    def is_ours(self) -> bool:
        """Whether we still have the lease, by the time since we asked Redis for it."""
        return monotonic() < self._until

    @property
    def held(self) -> tuple[int, ...]:
        """The numbers of the shares that we still have: number 0, the only one, or none."""
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
        Take or renew the lease for ever; log each change with *line* and what this replica *does*.

        *lost* is called when this replica no longer has the lease.
        """

        def say(_before: bool, is_ours: bool) -> None:  # noqa: FBT001  # before and now
            log.log(level, line, does if is_ours else "leaves it to another")
            if not is_ours:
                lost()

        await keep_renewing(self.hold, say, False)  # not ours before

    async def release(self) -> None:
        """Give up the lease if it is ours, so that another replica need not wait; then close."""
        self._until = 0.0
        with suppress(StoreUnavailable):
            await self._link.run([("EVAL", _RELEASE, 1, self._key, self.holder)])
        await self._link.close()


async def keep_renewing(
    hold: Callable[[], Awaitable[T]], say: Callable[[T, T], None], before: T
) -> None:
    """
    Call *hold* every RENEW_SECONDS, for ever.

    When its outcome changes, call *say* with the old and the new outcome; *before* is the first old
    outcome.
    """
    while True:
        now = await hold()
        if now != before:
            say(before, now)
        before = now
        await asyncio.sleep(RENEW_SECONDS)


class Leases:
    """
    The right to do some shares of a task, for LEASE_MS after each successful `hold`.

    Attributes:
        count: how many shares there are.
    """

    def __init__(self, url: str, base: str, holder: str, count: int) -> None:
        """
        Prepare leases for the replica *holder*; nothing is taken yet.

        All keys begin with *base* and are in one slot. Replicas with different *count* do not know
        of each other: the replicas with one *count* share out the whole task.
        """
        self._link = open_link(url)
        self._holders, self._replicas = f"{base}{count}:shares", f"{base}{count}:replicas"
        self._holder = holder
        self.count = count
        self._held: tuple[int, ...] = ()
        self._until = 0.0

    @property
    def held(self) -> tuple[int, ...]:
        """The numbers of the shares that we still have, by the time since we asked; from 0."""
        return self._held if monotonic() < self._until else ()

    async def hold(self) -> tuple[int, ...]:
        """Take, renew and give up shares; return ours, () if Redis does not answer."""
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
        Take, renew and give up shares for ever; log each change of our shares with *line*.

        *lost* is called when this replica no longer has share 0: its holder also counts the totals
        of the whole task.
        """

        def say(before: tuple[int, ...], now: tuple[int, ...]) -> None:
            numbers = ", ".join(str(share + 1) for share in now)
            log.info(line, f"{does} {numbers} of {self.count}" if now else "leaves it to others")
            if 0 in before and 0 not in now:
                lost()

        nothing: tuple[int, ...] = ()
        await keep_renewing(self.hold, say, nothing)

    async def release(self) -> None:
        """Give up our shares, so that other replicas need not wait; then close."""
        self._until = 0.0
        with suppress(StoreUnavailable):
            await self._link.run([("ZREM", self._replicas, self._holder)])
        await self._link.close()
