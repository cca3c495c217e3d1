"""
Searches all participants every ten seconds for groups that stand out, and stores the result.

Only one of the replicas on a Redis holds the lease and searches; all replicas read its result. If
Redis is away, nothing is stored, and after half a minute no replica knows what stands out.
"""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Final

from otel_jcmc.catalogue.reasons import StoreUnavailable
from otel_jcmc.metrics.reading import SnapshotReader
from otel_jcmc.metrics.seen import everybody_in
from otel_jcmc.metrics.snapshot import Snapshot
from otel_jcmc.store.lease import Lease
from otel_jcmc.verdict.census import Scope
from otel_jcmc.verdict.journal import Entry, continue_with
from otel_jcmc.verdict.record import Look, Record
from otel_jcmc.verdict.settling import Settling
from otel_jcmc.verdict.standing import standing_out

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 10.0
# A look at 100,000 participants takes the thread that makes the text of scrapes for a second. A
# scraper has a time-out, so a look waits until no scrape is being answered: at most for this time,
# both before it reads and before it needs the thread.
MOST_WAIT_SECONDS: Final = 5.0
_WAIT_STEP_SECONDS: Final = 0.05
_LOGGED: Final = (Scope.FLEET, Scope.REGION, Scope.BRIDGE, Scope.RELAY, Scope.BROWSER)


class Watch:
    """
    Searches for groups that stand out, regularly while this replica holds the lease.

    Concurrency: call `run` only once.
    """

    def __init__(
        self,
        reader: SnapshotReader,
        record: Record,
        lease: Lease,
        settling: Settling,
        count: Callable[[str], None] = lambda _outcome: None,
    ) -> None:
        """Search while we have *lease*; *count* gets each outcome: ok, failed, lost (no lease)."""
        self._reader = reader
        self._record = record
        self._lease = lease
        self._settling = settling
        self._count = count
        self._looked_at = 0.0

    async def run(self) -> None:
        """Search again and again while this replica has the lease; never return."""
        line, does = "verdict: this replica %s", "looks for what stands out"
        keeping = asyncio.create_task(
            self._lease.keep(line, does, lambda: None, level=logging.DEBUG)
        )
        try:
            self._looked_at = monotonic()
            while True:
                # Counted from the time after the wait: so the next looks come between scrapes.
                await asyncio.sleep(max(0.0, self._looked_at + LOOK_SECONDS - monotonic()))
                await self._wait_for_scrapes()
                self._looked_at = monotonic()
                if self._lease.is_ours:
                    self._count(await self.look())
        finally:
            keeping.cancel()
            await self._lease.release()
            await self._record.close()

    async def _wait_for_scrapes(self) -> None:
        """Wait until no scrape is being answered, at most MOST_WAIT_SECONDS."""
        until = monotonic() + MOST_WAIT_SECONDS
        while self._reader.answering and monotonic() < until:  # noqa: ASYNC110  # it has an end
            await asyncio.sleep(_WAIT_STEP_SECONDS)

    async def look(self) -> str:
        """Search once, store the result, and return the outcome: ok, failed or lost."""
        try:
            # Read the last result first. If a client is erased after that, `write` refuses the new
            # result, so no erased client is stored again.
            before, now_ms = await self._record.read_look()
            taken = await self._reader.take()
            if taken.unread:
                # A result for some partitions may be wrong for all participants.
                return "failed"
            await self._wait_for_scrapes()
            self._looked_at = monotonic()
            # To free the snapshot takes long too. Without a reference here, the thread frees it.
            find = partial(self._find, [taken], before, now_ms)
            del taken
            look, over = await self._reader.in_thread(find)
            is_written = await self._record.write(self._lease.holder, look, over)
        except StoreUnavailable:
            return "failed"
        _log_changes(look, before, over)
        return "ok" if is_written else "lost"

    def _find(
        self, taken: list[Snapshot], before: Look | None, now_ms: int
    ) -> tuple[Look, list[Entry]]:
        """Search the snapshot in *taken*; return the result and the ended entries of *before*."""
        everybody = everybody_in(taken.pop())
        settled = self._settling.settle(now_ms, everybody)
        found = standing_out(everybody._replace(ill=settled.ill)) + settled.senders
        entries, over = continue_with(before.entries if before else (), now_ms, found)
        return Look(now_ms, entries, settled.causes), over


def _log_changes(look: Look, before: Look | None, over: list[Entry]) -> None:
    """Log groups that begin or cease to stand out; conferences and people are private: not them."""
    known = {(each.scope, each.name) for each in before.entries} if before else set()
    for each in look.entries:
        if (each.scope, each.name) not in known and each.scope in _LOGGED:
            share = round(100 * each.share)
            log.warning("verdict: %s %s stands out, %d %% bad", each.scope, each.name, share)
    for each in over:
        if each.scope in _LOGGED:
            log.warning("verdict: %s %s stands out no longer", each.scope, each.name)
