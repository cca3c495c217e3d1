"""
One look at everybody for all who have a page open, as long as somebody has.

In goes what reads snapshots, out comes the newest `Now`. Nobody looks: nothing is read.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from functools import partial
from time import monotonic
from typing import Final

from otel_jcmc.catalogue.reasons import StoreUnavailable
from otel_jcmc.catalogue.trouble import Trouble
from otel_jcmc.metrics.reading import SnapshotReader
from otel_jcmc.metrics.snapshot import Snapshot
from otel_jcmc.pages.now import Now
from otel_jcmc.verdict.judge import Judge

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 2.0
# A look that takes long comes seldom: it is to take at most a tenth of the time.
_TIMES: Final = 10.0
# Sent where nothing is new, so that a proxy does not take the connection for dead.
_QUIET_SECONDS: Final = 15.0


class Viewing:
    """
    The newest look at everybody, shared by all viewers.

    Attributes:
        viewers: how many have a page open that updates by itself.

    Concurrency: to be used from one event loop.
    """

    def __init__(
        self, reader: SnapshotReader, judge: Judge, clock: Callable[[], float] = monotonic
    ) -> None:
        """Read from *reader*; *judge* tells what a verdict stands on."""
        self._reader, self._judge, self._clock = reader, judge, clock
        self._now: Now | None = None
        self._looked_at = -LOOK_SECONDS
        self._took = 0.0
        self._looking: asyncio.Task[Now] | None = None
        self._trouble = Trouble(log, "pages: no look: %s", "pages: looks again")
        self.viewers = 0

    async def now(self) -> Now:
        """
        Return who is live, as of a moment ago.

        Raises:
            StoreUnavailable: Redis did not answer in time.
        """
        if self._now is not None and self._clock() - self._looked_at < self.every_seconds:
            return self._now
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
            self._looking.add_done_callback(self._end)
        # Who hangs up takes the look from nobody else.
        return await asyncio.shield(self._looking)

    def _end(self, task: asyncio.Task[Now]) -> None:
        self._looking = None
        if not task.cancelled():
            task.exception()

    @property
    def every_seconds(self) -> float:
        """For how long a look holds."""
        return max(LOOK_SECONDS, _TIMES * self._took)

    async def _look(self) -> Now:
        """Look at everybody."""
        began = self._clock()
        try:
            taken = await self._reader.take()
            at_ms = await self._reader.store.now_ms()
        except StoreUnavailable as away:
            self._trouble.update(str(away.__cause__ or away))
            raise
        self._trouble.update("")
        job = partial(self._make, [taken], at_ms)
        del taken
        made = await self._reader.in_thread(job)
        self._looked_at = self._clock()
        self._took = self._looked_at - began
        before, self._now = [self._now], made
        # To let go of thousands takes long too.
        await self._reader.in_thread(before.clear)
        return made

    def _make(self, taken: list[Snapshot], at_ms: int) -> Now:
        return Now(taken.pop(), at_ms, self._judge)

    async def looks(self) -> AsyncIterator[str]:
        """Return a line for each new look, or for the quiet in between, until nobody reads."""
        self.viewers += 1
        told = -1
        quiet_since = self._clock()
        try:
            while True:
                try:
                    found = await self.now()
                    line = f"event: look\ndata: {found.at_ms}\n\n"
                    is_new, told = found.at_ms != told, found.at_ms
                except StoreUnavailable:
                    line, is_new, told = "event: away\ndata: store\n\n", told != 0, 0
                if is_new or self._clock() - quiet_since > _QUIET_SECONDS:
                    quiet_since = self._clock()
                    yield line
                await asyncio.sleep(max(0.1, self._looked_at + self.every_seconds - self._clock()))
        finally:
            self.viewers -= 1
