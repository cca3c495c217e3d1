"""
One look at everybody for all who have a page open, as long as somebody has.

In goes what reads snapshots, out comes the newest `Now`. Nobody looks: nothing is read, and what
was seen last is let go.
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

# Who is bad by himself is shown within this; what stands out is looked for every ten seconds, and
# shown a second after it is found.
LOOK_SECONDS: Final = 5.0
FOLLOW_SECONDS: Final = 1.0
# A look that takes long comes seldom: it is to take at most a twentieth of the time.
_TIMES: Final = 20.0
# So long after somebody has asked the last look is there, in case that somebody asks again.
KEPT_SECONDS: Final = 60.0
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
        self,
        reader: SnapshotReader,
        record: Record,
        judge: Judge,
        clock: Callable[[], float] = monotonic,
        kept_seconds: float = KEPT_SECONDS,
    ) -> None:
        """
        Read from *reader*, and from *record* when somebody has looked for what stands out.

        *judge* tells what a verdict stands on. A look is kept for *kept_seconds* after its use.
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
        # Set when there is something to tell those who wait now, and another one then.
        self._news = asyncio.Event()
        self._told = ""
        self._trouble = Trouble(log, "pages: no look: %s", "pages: looks again")
        self.viewers = 0
        self._is_over = False

    async def now(self) -> Now:
        """
        Return who is live, as of a moment ago.

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
        """Return what the look finds that is under way, or that begins now."""
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
            self._looking.add_done_callback(self._end)
        # Who hangs up takes the look from nobody else.
        return await asyncio.shield(self._looking)

    def _end(self, task: asyncio.Task[Now]) -> None:
        self._looking = None
        if not task.cancelled():
            task.exception()

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
        await self._show(made)
        if self._letting_go is None:
            self._letting_go = asyncio.create_task(self._let_go())
        return made

    async def _show(self, made: Now | None) -> None:
        """Have *made* in the place of the look before."""
        before, self._now = [self._now], made
        # To let go of thousands takes long too.
        await self._reader.in_thread(before.clear)

    async def _let_go(self) -> None:
        """Wait until nobody has looked for a while, and forget what was seen."""
        try:
            while self.viewers or self._looking or self._rest > 0:  # noqa: ASYNC110  # time moves it
                await asyncio.sleep(max(self._rest, FOLLOW_SECONDS))
        finally:
            self._letting_go = None
        await self._show(None)

    @property
    def _rest(self) -> float:
        """For how long the look is kept if nobody asks."""
        return max(self._asked_at, self._looked_at) + self._kept_seconds - self._clock()

    def _make(self, taken: list[Snapshot], at_ms: int) -> Now:
        return Now(taken.pop(), at_ms, self._judge)

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Return what *work* does, which takes too long for an event loop."""
        return await self._reader.in_thread(work)

    async def looks(self) -> AsyncIterator[str]:
        """Return a line for each new look, or for the quiet in between, until nobody reads."""
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
        """Let go of all viewers: the service stops, and would wait for them."""
        self._is_over = True
        self._news.set()

    def close(self) -> None:
        """Let go of nothing later: what looks is closed."""
        if self._letting_go is not None:
            self._letting_go.cancel()

    async def _follow(self) -> None:
        """Look again and again while somebody has a page open, and tell them."""
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
        except Exception as error:  # noqa: BLE001  # the next viewer begins anew
            self._trouble.update(repr(error), error)
        finally:
            self._following, self._told = None, ""
