"""
Reads and counts all live participants for `/live` regularly, once for all open pages.

Such a read and count is called a look. Its result is a `Now`, which all pages share. While no page
is open, this file reads nothing, and after a minute it drops the last `Now`.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import Final, TypeVar

from otel_jcmc.catalogue.reasons import StoreUnavailable
from otel_jcmc.catalogue.trouble import Trouble
from otel_jcmc.metrics.reading import SnapshotReader
from otel_jcmc.metrics.snapshot import Snapshot
from otel_jcmc.pages.now import Now
from otel_jcmc.verdict.judge import Judge
from otel_jcmc.verdict.record import Record

log = logging.getLogger(__name__)
T = TypeVar("T")

# A look is made this often, so pages show a new bad call within this time. A replica searches for
# what stands out every ten seconds. FOLLOW_SECONDS is how often this file asks for a new result of
# that search.
LOOK_SECONDS: Final = 5.0
FOLLOW_SECONDS: Final = 1.0
# If a look took 1 s, the next look begins 20 s later or more. So looks take at most a twentieth of
# the time.
_TIMES: Final = 20.0
# The last look is kept for this long after a request, because another request may follow.
KEPT_SECONDS: Final = 60.0
# If there is no new look, viewers get a line this often, so that proxies keep the connection open.
_QUIET_SECONDS: Final = 15.0


class Viewing:
    """
    The newest look at all participants, shared by all viewers.

    Attributes:
        viewers: the number of open pages that update automatically.

    Concurrency: for one event loop only.
    """

    def __init__(
        self,
        reader: SnapshotReader,
        record: Record,
        judge: Judge,
        clock: Callable[[], float] = monotonic,
        kept_seconds: float = KEPT_SECONDS,
    ) -> None:
        """
        Read snapshots from *reader*; *record* says when there is a new result of what stands out.

        *judge* gives the evidence of a verdict. A look is kept for *kept_seconds* after its last
        use.
        """
        self._reader, self._record, self._judge, self._clock = reader, record, judge, clock
        self._now: Now | None = None
        self._kept_seconds = kept_seconds
        self._letting_go: asyncio.Task[None] | None = None
        self._asked_at = 0.0
        self._looked_at = -LOOK_SECONDS
        self._took = 0.0
        self._looking: asyncio.Task[Now] | None = None
        self._following: asyncio.Task[None] | None = None
        # Set when there is a new look for the viewers that wait; a new Event then replaces it.
        self._news = asyncio.Event()
        self._told = ""
        self._trouble = Trouble(log, "pages: no look: %s", "pages: looks again")
        self.viewers = 0
        self._is_over = False

    async def now(self) -> Now:
        """
        Return the newest look; make a new one if it is due.

        Raises:
            StoreUnavailable: Redis did not answer in time.
        """
        self._asked_at = self._clock()
        if self._now is not None and not self._is_due:
            return self._now
        return await self._look_once()

    @property
    def _is_due(self) -> bool:
        return self._clock() - self._looked_at >= max(LOOK_SECONDS, _TIMES * self._took)

    async def _look_once(self) -> Now:
        """Return the result of the look that is running; if none is running, start a look."""
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
            self._looking.add_done_callback(self._end)
        # If this viewer disconnects, the look must go on: other viewers wait for it too.
        return await asyncio.shield(self._looking)

    def _end(self, task: asyncio.Task[Now]) -> None:
        self._looking = None
        if not task.cancelled():
            task.exception()

    async def _look(self) -> Now:
        """Read and count all live participants, and keep the result as the newest look."""
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
        await self._show(made)
        if self._letting_go is None:
            self._letting_go = asyncio.create_task(self._let_go())
        return made

    async def _show(self, made: Now | None) -> None:
        """Keep *made* as the newest look, and free the look before."""
        before, self._now = [self._now], made
        # In the reader's thread, because it takes long to free thousands of objects.
        await self._reader.in_thread(before.clear)

    async def _let_go(self) -> None:
        """Wait until no viewer has asked for `kept_seconds`, and then drop the last look."""
        try:
            while self.viewers or self._looking or self._rest > 0:  # noqa: ASYNC110  # time moves it
                await asyncio.sleep(max(self._rest, FOLLOW_SECONDS))
        finally:
            self._letting_go = None
        await self._show(None)

    @property
    def _rest(self) -> float:
        """Seconds for which the look is still kept if no viewer asks."""
        return max(self._asked_at, self._looked_at) + self._kept_seconds - self._clock()

    def _make(self, taken: list[Snapshot], at_ms: int) -> Now:
        return Now(taken.pop(), at_ms, self._judge)

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Run *work* in the reader's thread, because it takes too long for an event loop."""
        return await self._reader.in_thread(work)

    async def looks(self) -> AsyncIterator[str]:
        """Yield an event for each new look, and a comment if no look comes for a while."""
        self.viewers += 1
        try:
            if self._following is None:
                self._following = asyncio.create_task(self._follow())
            elif self._told:
                yield self._told
            while not self._is_over:
                with suppress(TimeoutError):
                    async with asyncio.timeout(_QUIET_SECONDS):
                        await self._news.wait()
                yield self._told or ": nothing new\n\n"
        finally:
            self.viewers -= 1

    def end(self) -> None:
        """End the streams of all viewers, because a stop of the service waits for them."""
        self._is_over = True
        self._news.set()

    def close(self) -> None:
        """Cancel the task that drops the last look, because the reader of snapshots is closed."""
        if self._letting_go is not None:
            self._letting_go.cancel()

    async def _follow(self) -> None:
        """While a page is open, make a look whenever one is due, and tell all open pages."""
        found_ms = 0
        try:
            while self.viewers:
                told = self._told
                try:
                    look, _ = await self._record.read_look()
                    is_new = look is not None and look.at_ms != found_ms
                    found_ms = look.at_ms if look is not None else 0
                    if is_new or self._is_due or self._now is None:
                        now = await self._look_once()
                        told = f"event: look\ndata: {now.at_ms}\n\n"
                except StoreUnavailable:
                    told = "event: away\ndata: store\n\n"
                if told != self._told:
                    self._told = told
                    news, self._news = self._news, asyncio.Event()
                    news.set()
                await asyncio.sleep(FOLLOW_SECONDS)
        except Exception as error:  # noqa: BLE001  # the next viewer starts again
            self._trouble.update(repr(error), error)
        finally:
            self._following, self._told = None, ""
