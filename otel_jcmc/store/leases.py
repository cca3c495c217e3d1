"""
Which of several replicas does which share of what they do together: a lease for each share.

All replicas that are there have as many, but for one. Who comes or goes makes the others give up or
take over; a share is nobody's for some seconds then, and never two replicas'. leases.lua has the
rule. Where one replica does everything it is a `Lease`, whose words these are.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Final

from otel_jcmc.catalogue.reasons import StoreUnavailable
from otel_jcmc.store.cluster import open_link
from otel_jcmc.store.lease import LEASE_MS, keep_renewing
from otel_jcmc.store.scripts import run_scripts, script

log = logging.getLogger(__name__)

_SCRIPT: Final = script("store/leases", touches_stays=False)


class Leases:
    """
    The right to do some shares of one thing, for LEASE_MS after each successful `hold`.

    Attributes:
        count: how many shares there are.
    """

    def __init__(self, url: str, base: str, holder: str, count: int) -> None:
        """
        Name the keys, which begin with *base* and are in one slot, and us; nothing is taken yet.

        Replicas with another *count* share out all of it among themselves.
        """
        self._link = open_link(url)
        self._holders, self._replicas = f"{base}{count}:shares", f"{base}{count}:replicas"
        self._holder = holder
        self.count = count
        self._held: tuple[int, ...] = ()
        self._until = 0.0

    @property
    def held(self) -> tuple[int, ...]:
        """Which shares are ours still, from 0 on, by the time since we asked."""
        return self._held if monotonic() < self._until else ()

    async def hold(self) -> tuple[int, ...]:
        """Take, renew and give up; return what is ours, nothing if Redis does not answer."""
        asked = monotonic()
        command = (
            *("EVALSHA", _SCRIPT.sha, 2, self._holders, self._replicas),
            *(self._holder, LEASE_MS, self.count),
        )
        try:
            (told,) = await run_scripts(self._link, [command], [_SCRIPT])
        except StoreUnavailable:
            told = None
        self._held = tuple(told) if isinstance(told, list) else ()
        self._until = asked + LEASE_MS / 1000
        return self.held

    async def keep(self, line: str, does: str, lost: Callable[[], None]) -> None:
        """
        Take, renew and give up for ever; log it when our shares change, as *line* has it.

        *lost* is called when the first share, with which all of it is counted, is another's.
        """

        def say(before: tuple[int, ...], now: tuple[int, ...]) -> None:
            numbers = ", ".join(str(share + 1) for share in now)
            log.info(line, f"{does} {numbers} of {self.count}" if now else "leaves it to others")
            if 0 in before and 0 not in now:
                lost()

        nothing: tuple[int, ...] = ()
        await keep_renewing(self.hold, say, nothing)

    async def release(self) -> None:
        """Give up what is ours, so that other replicas need not wait; then close."""
        self._until = 0.0
        with suppress(StoreUnavailable):
            await self._link.run([("ZREM", self._replicas, self._holder)])
        await self._link.close()
