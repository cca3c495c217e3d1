"""
Writes participants into Redis, and reads all live participants.

`submit` stores a push, together with other pushes of the same moment (writes.py), and calls back
when Redis has answered. `read_live` returns every participant that has not expired or left
(reads.py). `Store` keeps no participants in memory.
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
        up: whether the last exchange with Redis worked and, in a cluster, all masters that were
            asked have answered; None before the first exchange.

    Concurrency: use it from one event loop.
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
        Prepare; no connection is opened yet.

        Args:
            participant_limit: most live participants in total, 0 for any number. A batch may exceed
                the limit, because the numbers in other partitions may have changed since the read.
            conference_limit: most participants in a conference, 0 for any number.
            on_batch: called after each batch with the seconds that its oldest push has waited.
            keeping: what is kept of sessions.
            first_life_ms: most ms for which the first push keeps a participant live, also if the
                push asks for more; 0: as long as the push asks for.
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
        # Whether `try_writing` has had its answers since Redis was last away.
        self._has_tried = False
        self.up: bool | None = None

    def submit(self, write: Write, done: Done) -> None:
        """
        Store *write*, or remove its participant.

        *done* is called with the action of Redis, or with the error if that is not known. This may
        happen before `submit` returns. If *done* is called twice, only the first call counts.
        """
        self._writes.submit(write, done)

    def read_live(
        self, known: KnownExpiries, partitions: Sequence[int] | None = None
    ) -> AsyncIterator[Live]:
        """
        Return every live participant of *partitions*, page by page; None means all partitions.

        See `read_pages`. Each value is one whole push. Redis is read page by page, so the values of
        two participants may have been read some seconds apart.

        Raises:
            StoreUnavailable: Redis did not answer in time.
        """
        read = partial(self._run, self._reads, seconds=READ_SECONDS)
        wanted = self.keys.every if partitions is None else partitions
        return read_pages(read, self.keys, known, wanted)

    async def count(self) -> None:
        """
        Ask Redis how many participants are live in each partition, for the limit of participants.

        The answer to a batch of pushes has the numbers of the partitions that it wrote to. This
        method also gets the numbers of partitions that only other replicas write to.

        Raises:
            StoreUnavailable: Redis did not answer in time.
        """
        indexes = self.keys.each("live")
        read = partial(self._run, self._reads, seconds=TIMEOUT_SECONDS)
        clocks = await read_clocks(read, indexes)
        counts = await read(
            [("ZCOUNT", *each, "+inf") for each in zip(indexes, clocks, strict=True)]
        )
        # A partition that is away keeps the last number that is known of it.
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
        Find out whether Redis takes writes; return also if Redis is away.

        Raises:
            StoreCannotStart: this service cannot use this Redis.
        """
        try:
            await self._pushes.run([("PING",)])
        except StoreUnavailable as away:
            # Nothing is logged here, because the error below ends the start and is logged then.
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
        # SETRANGE with an empty text makes no key. But a Redis that refuses a push also refuses
        # this command: its memory or its disk is full, it is a replica, or its cluster is down.
        tries: list[Command] = [("SETRANGE", key, 0, "") for key in self.keys.each("try")]
        replies = await self._run(self._pushes, tries, TIMEOUT_SECONDS)
        if all(isinstance(reply, PartAway) for reply in replies):
            raise StoreUnavailable from replies[0]
        self._has_tried = True
        self._writes.refusals.settle(replies)

    @property
    def is_refusing(self) -> bool:
        """Whether Redis refuses writes, by its last replies to writes."""
        return bool(self._writes.refusals.why)

    async def why_not_ready(self) -> str:
        """
        Return in one line, for the public, why Redis stores no pushes now; empty if it stores them.

        This method asks Redis only whether it answers. Whether Redis takes writes is known from its
        replies to the last writes; if no write was tried yet, this method tries one.
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
        """Set `up` by the *outcome* of an exchange with Redis that took *seconds*."""
        if isinstance(outcome, Exception):
            self._set_up(up=False, why=outcome.__cause__)
        elif away := self._pushes.away or self._reads.away:
            self._set_up(up=False, why=PartAway(away))
        # Reads may wait longer for an answer than pushes. So an answer that came later than a push
        # waits does not show that Redis stores pushes again.
        elif self.up is not False or seconds < TIMEOUT_SECONDS:
            self._set_up(up=True)

    def _set_up(self, *, up: bool, why: BaseException | None = None) -> None:
        """Set `up`, and log when it changes; *why* is the cause if Redis is not up."""
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
        """Wait until all pushes have their answers, then close the connections."""
        await self._writes.close()
        await self._pushes.close()
        await self._reads.close()
