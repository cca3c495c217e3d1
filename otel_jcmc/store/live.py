"""
The live participants in Redis: the only way to write them, and the way to read them all.

`submit` stores a push, together with other pushes of the same moment (writes.py), and calls back
when Redis has answered. `read_live` returns every participant that has not expired or left
(reads.py). This process keeps nothing about participants.
"""

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import Any, Final

from otel_jcmc.catalogue.reasons import StoreCannotStart, StoreUnavailable
from otel_jcmc.catalogue.trouble import Trouble
from otel_jcmc.store.agreement import AgreedLink
from otel_jcmc.store.cluster import open_link
from otel_jcmc.store.commands import Command, PartAway, Unfit, expect_all
from otel_jcmc.store.keeping import NOTHING_KEPT, Keeping
from otel_jcmc.store.keys import DEFAULT_KEYS, Keys
from otel_jcmc.store.link import TIMEOUT_SECONDS, AnyLink
from otel_jcmc.store.participant import Write
from otel_jcmc.store.reads import KnownExpiries, Live, is_away, read_clocks, read_pages
from otel_jcmc.store.scripts import run_scripts
from otel_jcmc.store.writes import SCRIPT, Done, Limits, Writes

log = logging.getLogger(__name__)

READ_SECONDS: Final = 2.0


class Store:
    """
    The participants of one Redis under one key prefix.

    Attributes:
        keys: the keys of the participants.
        up: whether the last exchange with Redis worked and, in a cluster, all parts that were asked
            were there; None before the first exchange.

    Concurrency: to be used from one event loop.
    """

    def __init__(
        self,
        url: str,
        keys: Keys = DEFAULT_KEYS,
        participant_limit: int = 0,
        conference_limit: int = 0,
        on_batch: Callable[[float], None] = lambda _seconds: None,
        keeping: Keeping = NOTHING_KEPT,
        first_life_ms: int = 0,
    ) -> None:
        """
        Prepare; nothing is opened yet.

        Args:
            participant_limit: most live participants in total, 0 for any number. The numbers in
            other
                partitions are known from their last answers, so a batch may exceed the limit.
            conference_limit: most participants in a conference, 0 for any number.
            on_batch: called after each batch with the seconds that its oldest push has waited.
            keeping: what is kept of sessions.
            first_life_ms: most ms for which the first push keeps a participant live, whatever the
                push asks for; 0: as long as the push asks for.
        """
        self.keys = keys
        self._pushes = AgreedLink(open_link(url), keys)
        self._reads = AgreedLink(open_link(url), keys, writes=False)
        limits = Limits(participant_limit, conference_limit)
        self._writes = Writes(
            self._pushes, self.keys, limits, keeping, first_life_ms, on_batch, self._note
        )
        self._unfit = Trouble(
            log, "store: Redis is of no use: %s", "store: Redis answers", logging.ERROR
        )
        # Whether a write was tried since Redis was last away.
        self._has_tried = False
        self.up: bool | None = None

    def submit(self, write: Write, done: Done) -> None:
        """
        Store *write*, or remove its participant.

        *done* gets what Redis did, or the error because of which that is not known, perhaps before
        this returns. If *done* is called twice, only the first call counts.
        """
        self._writes.submit(write, done)

    def read_live(
        self, known: KnownExpiries, partitions: Sequence[int] | None = None
    ) -> AsyncIterator[Live]:
        """
        Return every live participant of *partitions*, page by page; None means all partitions.

        See `read_pages`. Each value is one whole push. Values are read one after the other, so the
        values of two participants may be some seconds apart.

        Raises:
            StoreUnavailable: Redis did not answer in time.
        """
        read = partial(self._run, self._reads, seconds=READ_SECONDS)
        wanted = self.keys.every if partitions is None else partitions
        return read_pages(read, self.keys, known, wanted)

    async def count(self) -> None:
        """
        Ask Redis how many participants are live in each partition, for the limit of all partitions.

        The answer to a batch has these numbers for the partitions that the batch wrote to. This
        method gets them also for partitions that only other replicas write to.

        Raises:
            StoreUnavailable: Redis did not answer in time.
        """
        indexes = self.keys.each("live")
        read = partial(self._run, self._reads, seconds=TIMEOUT_SECONDS)
        clocks = await read_clocks(read, indexes)
        counts = await read(
            [("ZCOUNT", *each, "+inf") for each in zip(indexes, clocks, strict=True)]
        )
        # For a partition that is away the last known number stays.
        live = self._writes.live
        for partition, count in enumerate(counts):
            if not is_away(count):
                live[partition] = count

    async def now_ms(self) -> int:
        """
        Return Redis's clock in ms; in a cluster, the clock of the first partition's server.

        Raises:
            StoreUnavailable: Redis did not answer in time.
        """
        read = partial(self._run, self._reads, seconds=TIMEOUT_SECONDS)
        (now_us,) = await read_clocks(read, self.keys.each("live", [0]))
        if not now_us:
            raise StoreUnavailable
        return now_us // 1000

    async def ping(self) -> None:
        """
        Ask Redis whether it answers (PING).

        Raises:
            StoreUnavailable: Redis did not answer in time.
        """
        expect_all(await self._run(self._reads, [("PING",)], TIMEOUT_SECONDS))

    async def start(self) -> None:
        """
        Find out whether Redis takes writes. The service also starts while Redis is away.

        Raises:
            StoreCannotStart: this service cannot use this Redis.
        """
        try:
            await self._pushes.run([("PING",)])
        except StoreUnavailable as away:
            # Not logged: the line with which the start ends says it.
            if isinstance(away.__cause__, Unfit):
                raise StoreCannotStart(str(away.__cause__)) from None
            self._set_up(up=False, why=away.__cause__)
        else:
            with suppress(StoreUnavailable):
                await self.try_writing()

    async def try_writing(self) -> None:
        """
        Send each partition a write that changes nothing, to learn whether Redis takes writes.

        Raises:
            StoreUnavailable: Redis did not answer in time.
        """
        # SETRANGE with an empty text makes no key. Yet everything that refuses a push also refuses
        # this command: full memory, a replica, a full disk, a cluster.
        tries: list[Command] = [("SETRANGE", key, 0, "") for key in self.keys.each("try")]
        replies = await self._run(self._pushes, tries, TIMEOUT_SECONDS)
        if all(isinstance(reply, PartAway) for reply in replies):
            raise StoreUnavailable from replies[0]
        self._has_tried = True
        self._writes.refusals.settle(replies)

    @property
    def is_refusing(self) -> bool:
        """Whether Redis refuses writes, as far as is known."""
        return bool(self._writes.refusals.why)

    async def why_not_ready(self) -> str:
        """
        Return in one line, for the public, why pushes are not stored now; empty if they are.

        Redis is asked whether it answers; whether it takes writes is known from the last writes.
        """
        try:
            await (self.ping() if self._has_tried else self.try_writing())
        except StoreUnavailable as away:
            is_unfit = isinstance(away.__cause__, Unfit)
            return str(away.__cause__) if is_unfit else "Redis does not answer"
        return self._writes.refusals.why

    async def _run(self, link: AnyLink, commands: list[Command], seconds: float) -> list[Any]:
        """Run *commands* and remember whether Redis answered."""
        began = monotonic()
        try:
            replies = await run_scripts(link, commands, [SCRIPT], seconds)
        except StoreUnavailable as error:
            self._note(error, monotonic() - began)
            raise
        self._note(replies, monotonic() - began)
        return replies

    def _note(self, outcome: list[Any] | Exception, seconds: float) -> None:
        """Remember whether Redis is there, by the *outcome* of an exchange that took *seconds*."""
        if isinstance(outcome, Exception):
            self._set_up(up=False, why=outcome.__cause__)
        elif away := self._pushes.away or self._reads.away:
            self._set_up(up=False, why=PartAway(away))
        # An answer that took longer than a push may wait does not show that pushes are stored
        # again.
        elif self.up is not False or seconds < TIMEOUT_SECONDS:
            self._set_up(up=True)

    def _set_up(self, *, up: bool, why: BaseException | None = None) -> None:
        """Remember whether Redis is there; log it when it changes."""
        if isinstance(why, Unfit):
            self._unfit.update(str(why))
        elif up and self._unfit.what:
            self._unfit.update("")
        elif up != self.up:
            if up:
                log.info("store: Redis answers")
            else:
                log.warning("store: Redis does not answer: %s", str(why or "") or "time-out")
        self._has_tried = self._has_tried and up
        self.up = up

    async def close(self) -> None:
        """Answer the pushes that still wait, then close the connections."""
        await self._writes.close()
        await self._pushes.close()
        await self._reads.close()
