"""
Notices events of participants, such as an outage or a rating, and hands these events to Redis.

intake.py calls `take` with each push that Redis has stored. For nearly all pushes, `take` makes
only a few comparisons. A noticed event waits in this process for about a second. Then it waits in
Redis until it is sent to a receiver (sessions/events.py). Different processes may get the pushes of
one session. So Redis decides whether an outage has begun or is over, and each process asks Redis
every second which participants are in an outage.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from itertools import islice
from time import monotonic, time_ns
from typing import Any, Final

from otel_jcmc.catalogue.events import (
    FEEDBACK_TEXT,
    JOIN_CAUSE,
    JOIN_FAILED,
    OUTAGE_BEGAN,
    OUTAGE_ENDED,
    RATED,
    RATING,
    Event,
)
from otel_jcmc.catalogue.metrics import CAUSE_ID, METRICS
from otel_jcmc.catalogue.reasons import StoreUnavailable
from otel_jcmc.catalogue.trouble import Trouble
from otel_jcmc.sessions.events import (
    HAPPENED,
    OUT,
    OVER,
    SCRIPT,
    Noticed,
    adding,
    payload_of,
    uid_of,
)
from otel_jcmc.store.commands import Command, PartAway, without_script
from otel_jcmc.store.keys import Keys
from otel_jcmc.store.link import AnyLink
from otel_jcmc.store.participant import Write, read_word
from otel_jcmc.store.scripts import READ_SECONDS, run_scripts
from otel_jcmc.verdict.rules import OUTAGE
from otel_jcmc.wire.push import Report

log = logging.getLogger(__name__)

EVERY_SECONDS: Final = 1.0
STOP_SECONDS: Final = 3.0
MOST_WAITING: Final = 10_000
# How many events of one partition to send to Redis in one script call.
BATCH_EVENTS: Final = 64
# How many times to send a batch that Redis refuses, before its events are dropped.
ATTEMPTS: Final = 10
# How many participants in an outage to remember. Also: how many calls' last ratings to remember.
MOST_KNOWN: Final = 50_000
# How many names of participants in an outage to ask a partition for in one request.
NAMES_AT_ONCE: Final = 1000

_AT: Final = {row.field: row.id - 1 for row in METRICS}
_DOWN, _UP, _CAUSE = _AT["outage_down"], _AT["outage_up"], CAUSE_ID - 1
_OUTAGE: Final = OUTAGE.id


class Noticing:
    """
    Notices events in the pushes that one process gets, and hands these events to Redis.

    Concurrency: use it from one event loop.
    """

    def __init__(
        self,
        link: AnyLink,
        keys: Keys,
        most: int,
        instance: str,
        drop: Callable[[int], None] = lambda _count: None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """
        Prepare; nothing is sent to Redis before `start`.

        Args:
            most: how many events may wait in Redis.
            instance: `service.instance.id` of this service.
            drop: called when events are dropped, with the number of dropped events.
        """
        self._link, self._keys, self._most = link, keys, most
        self._instance = instance
        self._drop = drop
        self._clock = clock
        # Partition -> its waiting events.
        self._waiting = [deque[Noticed]() for _ in keys.every]
        self._attempts = [0] * keys.partitions
        # Member -> session id, for participants that are in an outage as far as this process knows.
        self._out: dict[str, str] = {}
        # "member:session" -> the call's last rating. A page sends its rating again with each push;
        # only a new rating is an event.
        self._words: dict[str, str] = {}
        # Partition -> time of the newest outage that this process has learnt from Redis.
        self._heard = [0.0] * keys.partitions
        self._count = 0
        self._ticking: asyncio.Task[None] | None = None
        self._trouble = Trouble(
            log, "logs: events can't be handed to Redis: %s", "logs: Redis takes events"
        )

    def take(self, write: Write, report: Report, has_failed: bool = False) -> None:  # noqa: FBT001, FBT002
        """
        Notice events in a push that Redis has stored; never raise an exception.

        *has_failed*: whether the push is a failed join that Redis did not know before.
        """
        # Nearly every push has no event; for such a push only these conditions are tested.
        if (
            report.numbers[_CAUSE] == _OUTAGE
            or write.word
            or has_failed
            or write.member in self._out
        ):
            try:
                self._notice(write, report, has_failed=has_failed)
            except Exception as error:  # noqa: BLE001  # that it was is known all the same
                self._trouble.update(repr(error), error)
                self._drop(1)

    def _notice(self, write: Write, report: Report, *, has_failed: bool) -> None:
        """Find the events of a push and queue them; remember its outage and its rating."""
        member, session = write.member, write.session
        if has_failed:
            told = {JOIN_CAUSE: write.cause or None}
            self._add(HAPPENED, JOIN_FAILED, write, report, told, uid_of("join", member, session))
        if write.word and self._words.get(name := f"{member}:{session}") != write.word:
            _remember(self._words, name, write.word)
            rating, text = read_word(write.word)
            uid = uid_of("word", member, session, write.word)
            self._add(HAPPENED, RATED, write, report, {RATING: rating, FEEDBACK_TEXT: text}, uid)
        # If a participant leaves during an outage, this process can't know whether the outage ended
        # before, so it makes no event.
        if write.end:
            return
        if report.numbers[_CAUSE] == _OUTAGE:
            _remember(self._out, member, session)
            numbers = report.numbers
            lasted_ms = round(max(numbers[_DOWN] or 0, numbers[_UP] or 0))
            self._add(OUT, OUTAGE_BEGAN, write, report, {}, "", lasted_ms)
        elif self._out.pop(member, None) == session:
            self._add(OVER, OUTAGE_ENDED, write, report, {})

    def _add(
        self,
        kind: str,
        event: Event,
        write: Write,
        report: Report,
        told: dict[str, Any],
        uid: str = "",
        lasted_ms: int = 0,
    ) -> None:
        """Queue an event; drop it if MOST_WAITING events wait already."""
        if self._count >= MOST_WAITING:
            self._drop(1)
            return
        payload = payload_of(report.attributes, write.session, self._instance, told)
        # Redis stores only one event with the same id, so each outage needs a different id.
        uid = uid or uid_of(event.name, write.member, write.session, str(time_ns()))
        whose = write.member, write.session
        self._waiting[self._keys.partition_of(write.member)].append(
            Noticed(kind, event.name, uid, *whose, self._clock(), lasted_ms, payload)
        )
        self._count += 1

    async def send(self) -> None:
        """
        Hand waiting events to Redis; events that Redis refuses wait for the next call.

        Raises:
            StoreUnavailable: Redis did not answer in time, or refused some events.
        """
        refusals: dict[int, Exception] = {}
        while parts := [
            part for part, waiting in enumerate(self._waiting) if waiting and part not in refusals
        ]:
            now = self._clock()
            batches = [[*islice(self._waiting[part], BATCH_EVENTS)] for part in parts]
            commands: list[Command] = [
                adding(self._keys, part, self._most, batch, now)
                for part, batch in zip(parts, batches, strict=True)
            ]
            replies = await run_scripts(self._link, commands, [SCRIPT], READ_SECONDS)
            for part, batch, reply in zip(parts, batches, replies, strict=True):
                if isinstance(reply, Exception):
                    refusals[part] = reply
                    self._try_again(part, len(batch), reply)
                else:
                    self._remove(part, len(batch))
                    dropped, *names = reply
                    if dropped:
                        self._drop(dropped)
                    self._learn(names)
        for refusal in refusals.values():
            raise StoreUnavailable from refusal

    def _try_again(self, part: int, count: int, refusal: Exception) -> None:
        """Keep a refused batch of *count* events waiting; drop it after ATTEMPTS refusals."""
        # If the Redis server of this partition can't be reached, the attempt does not count: the
        # events keep waiting, as they do while no Redis server can be reached.
        self._attempts[part] += not isinstance(refusal, PartAway)
        if self._attempts[part] >= ATTEMPTS:
            self._remove(part, count)
            self._drop(count)

    def _remove(self, part: int, count: int) -> None:
        """Remove the first *count* waiting events of the partition *part*."""
        for _ in range(count):
            self._waiting[part].popleft()
        self._count -= count
        self._attempts[part] = 0

    async def hear(self) -> None:
        """
        Ask Redis which outages other processes have noticed, and remember these outages.

        Raises:
            StoreUnavailable: Redis did not answer in time.
        """
        asked: list[Command] = [
            *(
                ("ZRANGEBYSCORE", key, since, "+inf", "WITHSCORES", "LIMIT", 0, NAMES_AT_ONCE)
                for key, since in zip(self._keys.each("outages"), self._heard, strict=True)
            )
        ]
        for partition, reply in enumerate(await self._link.run(asked, READ_SECONDS)):
            if isinstance(reply, Exception) or not reply:
                continue
            newest = float(reply[-1])
            if newest > self._heard[partition]:
                self._heard[partition] = newest
                self._learn(reply[::2])

    def _learn(self, names: list[bytes]) -> None:
        """Remember that the participants in *names*, each a "member:session", are in an outage."""
        for name in names:
            member, _, session = name.decode().partition(":")
            _remember(self._out, member, session)

    def start(self) -> None:
        """Begin to hand events to Redis every second."""
        self._ticking = asyncio.create_task(self._tick())

    async def _tick(self) -> None:
        """Every second, hand waiting events to Redis, and ask Redis about outages."""
        while True:
            try:
                await self.send()
                await self.hear()
                self._trouble.update("")
            except StoreUnavailable as error:
                self._trouble.update(without_script(str(error.__cause__ or "") or "time-out"))
            except Exception as error:  # noqa: BLE001  # that it was is known all the same
                self._trouble.update(repr(error), error)
            await asyncio.sleep(EVERY_SECONDS)

    async def stop(self) -> None:
        """Hand waiting events to Redis for up to STOP_SECONDS; drop those that still wait."""
        if self._ticking is not None:
            self._ticking.cancel()
            with suppress(asyncio.CancelledError):
                await self._ticking
        with suppress(TimeoutError, StoreUnavailable):
            async with asyncio.timeout(STOP_SECONDS):
                await self.send()
        if self._count:
            self._drop(self._count)
        await self._link.close()


def _remember(what: dict[str, str], name: str, word: str) -> None:
    """Set *what*[*name*] to *word*; if it has MOST_KNOWN names, first remove the oldest name."""
    if name not in what and len(what) >= MOST_KNOWN:
        del what[next(iter(what))]
    what[name] = word
