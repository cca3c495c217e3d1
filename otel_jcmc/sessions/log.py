"""
Writes the sessions' logs to Redis: entries wait here, and are sent in batches.

recorder.py makes the entries, each packed in an item (items.py). log.lua writes one batch at a
time; all entries of a batch belong to one partition. Batches have their own connection, so pushes
do not wait for them. While Redis can't be reached, entries wait. If too many wait, the oldest are
dropped and counted. If the reply to a batch was lost, the batch is sent again with the same number.
log.lua recognises the batch by this number. If another process has written to the session of an
entry since the entry was made, `take_conflicts` returns the entry to recorder.py, which merges it
(merging.py).
"""

import logging
import secrets
from collections import deque
from collections.abc import Callable, Sequence
from time import monotonic, time
from typing import Any, Final

from redis.exceptions import OutOfMemoryError

from otel_jcmc.catalogue.reasons import StoreUnavailable
from otel_jcmc.catalogue.trouble import Trouble
from otel_jcmc.sessions.items import Newest, digits_of, name_of
from otel_jcmc.store.agreement import AgreedLink
from otel_jcmc.store.cluster import open_link
from otel_jcmc.store.commands import Command, PartAway, without_script
from otel_jcmc.store.keeping import Keeping
from otel_jcmc.store.keys import Keys
from otel_jcmc.store.scripts import run_scripts, script

log = logging.getLogger(__name__)

# How many entries are sent at once. Redis takes 10 µs for each entry, and does nothing else in this
# time.
BATCH_ENTRIES: Final = 128
WAITING_ENTRIES: Final = 100_000
WAITING_BYTES: Final = 32 * 1024 * 1024
# How many bytes of memory an entry takes in addition to its content.
ENTRY_BYTES: Final = 60
SLOW_SECONDS: Final = 0.1
# How many times a batch is sent before it is dropped, if Redis refuses it.
ATTEMPTS: Final = 10

_SCRIPT: Final = script("sessions/log")
_TELL_AGAIN, _NOT_WRITTEN, _CONFLICT, _CARD = map(ord, "2345")
# The outcomes of entries, which are counted.
WRITTEN, DROPPED, FAILED, OUT_OF_MEMORY = "written", "dropped", "failed", "out_of_memory"
REFUSED: Final = "refused"


class _Batch:
    """Entries of one partition that are sent together, with the number of their batch."""

    __slots__ = ("attempts", "entries", "number", "partition")

    def __init__(self, number: int, partition: int) -> None:
        self.number, self.partition = number, partition
        self.entries: list[bytes] = []
        self.attempts = 0


class SessionLogs:
    """
    Writes entries to the logs in one Redis, under one key prefix.

    Attributes:
        link: the connection to Redis, which is also used for other writes to history.
        offset: how many seconds Redis's clock is ahead of this process's clock.
        counts: outcome -> number of entries with this outcome so far.

    Concurrency: all methods must be called from one event loop.
    """

    def __init__(
        self,
        url: str,
        keys: Keys,
        keeping: Keeping,
        most_samples: int,
        clock: Callable[[], float] = monotonic,
        offset: float | None = None,
    ) -> None:
        """
        Prepare; no connection is opened yet.

        *most_samples* is how many entries a log has at most. If *offset* is given, this class uses
        it and does not measure how far Redis's clock is ahead of *clock*.
        """
        self._is_offset_given = offset is not None
        self.offset = time() - clock() if offset is None else offset
        self.counts = dict.fromkeys((WRITTEN, DROPPED, REFUSED, FAILED, OUT_OF_MEMORY), 0)
        self.link = AgreedLink(open_link(url), keys)
        self._keeping = keeping.to_args()
        self._most_samples = most_samples
        self._clock = clock
        self._is_time_known = False
        # In each partition, one key has the number of this process's last batch.
        self._keys = keys
        self._recorded = keys.each(f"recorded:{secrets.token_hex(4)}")
        self._numbers = [0] * keys.partitions
        self._waiting: deque[bytes] = deque()
        self._unknown: list[str] = []
        self._waiting_bytes = 0
        self._sending: list[_Batch] = []
        self._conflicts: list[tuple[bytes, Newest]] = []
        self._refusal = Trouble(
            log, "history: Redis refuses a batch: %s", "history: Redis takes batches again"
        )

    @property
    def waiting(self) -> int:
        """How many entries wait."""
        sending = sum(len(batch.entries) for batch in self._sending)
        return len(self._waiting) + len(self._conflicts) + sending

    def add(self, entries: Sequence[bytes]) -> None:
        """Add *entries* behind the waiting entries; if too many wait, the oldest are dropped."""
        self._waiting += entries
        self._waiting_bytes += _bytes_of(entries)
        while len(self._waiting) > WAITING_ENTRIES or self._waiting_bytes > WAITING_BYTES:
            self._waiting_bytes -= _bytes_of((self._waiting.popleft(),))
            self.counts[DROPPED] += 1

    def add_first(self, entries: Sequence[bytes]) -> None:
        """Add *entries* before the waiting entries, so that they are sent first."""
        self._waiting.extendleft(reversed(entries))
        self._waiting_bytes += _bytes_of(entries)

    def take_conflicts(self) -> list[tuple[bytes, Newest]]:
        """
        Return the entries that Redis refused because they do not build on the newest write.

        Each entry comes with the newest state of its session, in the order in which the entries
        were sent. The next call does not return these entries again.
        """
        conflicts, self._conflicts = self._conflicts, []
        return conflicts

    def take_unknown(self) -> list[str]:
        """
        Return the sessions ("member:session") whose attributes Redis has lost.

        The next call does not return these sessions again.
        """
        unknown, self._unknown = self._unknown, []
        return unknown

    async def know_time(self) -> None:
        """Ask Redis for its time and set `offset`, unless `offset` is given or set already."""
        if self._is_time_known or self._is_offset_given:
            return
        asked = self._clock()
        try:
            ((seconds, micros),) = await self.link.run([("TIME",)])
        except (StoreUnavailable, TypeError, ValueError):
            return
        self._learn_time(asked, int(seconds) * 1000 + int(micros) // 1000)

    def _learn_time(self, asked: float, redis_ms: int) -> None:
        """Set `offset` from *redis_ms*, Redis's time in the reply to a command sent at *asked*."""
        now = self._clock()
        # If the reply was slow, it is not known when between sending and reply Redis read its
        # clock, so a slow reply does not change a known offset.
        if not self._is_offset_given and (not self._is_time_known or now - asked < SLOW_SECONDS):
            self.offset = redis_ms / 1000 - (asked + now) / 2
        self._is_time_known = True

    async def send(self) -> None:
        """
        Send the waiting entries to Redis until none waits.

        It stops earlier if Redis can't be reached or refuses a batch, or if there are conflicts.
        """
        while (self._sending or self._waiting) and not self._conflicts:
            self._sending = self._sending or self._next()
            asked = self._clock()
            try:
                replies = await run_scripts(
                    self.link, [self._command(batch) for batch in self._sending], [_SCRIPT]
                )
            except StoreUnavailable:
                return
            again = [
                batch
                for batch, reply in zip(self._sending, replies, strict=True)
                if not self._hear(batch, reply, asked)
            ]
            self._sending = again
            if again:
                return

    def _next(self) -> list[_Batch]:
        """Remove the oldest waiting entries; return them in batches, one for each partition."""
        waiting = self._waiting
        oldest = [waiting.popleft() for _ in range(min(BATCH_ENTRIES, len(waiting)))]
        self._waiting_bytes -= _bytes_of(oldest)
        batches: dict[int, _Batch] = {}
        for entry in oldest:
            partition = self._keys.partition_of(digits_of(entry))
            batch = batches.get(partition)
            if batch is None:
                self._numbers[partition] += 1
                batch = batches[partition] = _Batch(self._numbers[partition], partition)
            batch.entries.append(entry)
        return [*batches.values()]

    def _command(self, batch: _Batch) -> Command:
        """Return the command that calls log.lua with *batch*."""
        args = (*self._keeping, batch.number, self._most_samples, b"".join(batch.entries))
        return ("EVALSHA", _SCRIPT.sha, 1, self._recorded[batch.partition], *args)

    def _hear(self, batch: _Batch, reply: Any, asked: float) -> bool:
        """
        Count the outcomes of *batch* from its *reply*; say whether the batch is finished.

        *asked* is when the batch was sent. A batch that is not finished must be sent again.
        """
        if isinstance(reply, list):
            text, *newest = reply
            answers, _, redis_ms = text.partition(b";")
            self._learn_time(asked, int(redis_ms))
            self._note(batch.entries, answers, [Newest(*each) for each in newest])
            return True
        if isinstance(reply, PartAway):
            # The Redis server of this partition can't be reached. The batch was not refused, so it
            # waits, as it does if no Redis server can be reached.
            return False
        if isinstance(reply, OutOfMemoryError) and not batch.attempts:
            self.counts[OUT_OF_MEMORY] += len(batch.entries)
        self._refusal.update(without_script(str(reply)))
        batch.attempts += 1
        if batch.attempts < ATTEMPTS:
            return False
        self.counts[DROPPED] += len(batch.entries)
        return True

    def _note(self, entries: list[bytes], answers: bytes, newest: list[Newest]) -> None:
        """
        Count the outcomes of *entries*; *answers* has one digit of log.lua for each entry.

        Entries in conflict are kept for `take_conflicts`, with the *newest* states of their
        sessions.
        """
        lost = answers.count(_NOT_WRITTEN)
        others = answers.count(_CARD) + answers.count(_CONFLICT)
        self.counts[WRITTEN] += len(entries) - lost - others
        self.counts[DROPPED] += lost
        told = iter(newest)
        for entry, answer in zip(entries, answers, strict=True):
            if answer == _TELL_AGAIN:
                self._unknown.append(name_of(entry))
            elif answer == _CONFLICT:
                self._conflicts.append((entry, next(told)))

    async def close(self) -> None:
        """Close the connection; entries that still wait are lost and counted as dropped."""
        self.counts[DROPPED] += self.waiting
        await self.link.close()


def _bytes_of(entries: Sequence[bytes]) -> int:
    """Return about how many bytes of this process's memory *entries* take."""
    return sum(map(len, entries)) + ENTRY_BYTES * len(entries)
