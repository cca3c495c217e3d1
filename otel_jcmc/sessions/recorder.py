"""
Records sessions: gathers the content of pushes, and writes it to each session's log in Redis.

intake/intake.py calls `take` with every push that Redis has stored. Once an interval, when a
participant leaves, and when the service stops, the gathered pushes of a session become an entry
(gathering.py). The entry waits in this process until log.py writes it to Redis. An error or delay
in this file never makes a push fail or wait. If the process is killed, it loses the pushes that are
in no entry yet: those of the present interval.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Any, Final

from otel_jcmc.catalogue.reasons import StoreUnavailable
from otel_jcmc.catalogue.trouble import Trouble
from otel_jcmc.sessions.gathering import Gathered, gather, make_card, make_item
from otel_jcmc.sessions.items import NONE, kept_bytes, versions
from otel_jcmc.sessions.log import FAILED, REFUSED, SessionLogs
from otel_jcmc.sessions.merging import Rebased, rebased
from otel_jcmc.sessions.quota import Quota
from otel_jcmc.sessions.shares import Shares
from otel_jcmc.sessions.vitals import Thresholds
from otel_jcmc.store.participant import Write
from otel_jcmc.wire.push import Report

log = logging.getLogger(__name__)

TICK_SECONDS: Final = 1.0
# After this number of entries in sequence, the event loop handles pushes.
MADE_AT_ONCE: Final = 64
# After a restart, all sessions begin at the same time, and their entries must be spread over the
# interval. Of the sessions that begin in the same second, this number, or SPREAD times the average
# per second if that is more, make their first entry after a whole interval. The other sessions make
# it earlier.
AT_THE_SAME_TIME: Final = 256
SPREAD: Final = 1.25
# The shortest time between the starts of two sessions of one participant.
CHANGE_SECONDS: Final = 10.0
STOP_SECONDS: Final = 3.0


class Recorder:
    """
    Gathers the pushes of all sessions of this process, and writes their entries.

    Attributes:
        logs: writes the entries to Redis.
        quota: limits how much memory of Redis the sessions may use.

    Concurrency: use it from one event loop only.
    """

    def __init__(
        self,
        logs: SessionLogs,
        quota: Quota,
        interval_seconds: float,
        thresholds: Thresholds,
        clock: Callable[[], float] = monotonic,
        shares: Shares | None = None,
    ) -> None:
        """Prepare to record; if *shares* is None, one address may fill all of history."""
        self.logs, self.quota = logs, quota
        self._interval = interval_seconds
        self._bounds = (thresholds.quality, thresholds.loss, thresholds.round_trip)
        self._clock = clock
        self._shares = shares
        self._versions = versions()
        # Member -> its present session. When a member begins another session, the first one ends.
        self._gathered: dict[str, Gathered] = {}
        # Second of this process's clock -> the sessions whose entries are due in this second.
        self._due: dict[int, list[Gathered]] = {}
        self._looked_at = int(clock())
        self._ticking: asyncio.Task[None] | None = None
        self._trouble = Trouble(
            log,
            "history: a step failed, and is tried again: %s",
            "history: the failed step works again",
        )

    @property
    def samples(self) -> dict[str, int]:
        """Outcome of a write -> number of entries with this outcome so far."""
        return self.logs.counts

    @property
    def evicted(self) -> dict[str, int]:
        """Reason -> number of sessions that were removed early, so far."""
        return self.quota.evicted

    @property
    def sessions(self) -> int | None:
        """The number of sessions in Redis; None if it is not known now."""
        return self.quota.sessions

    @property
    def taken_bytes(self) -> int | None:
        """The approximate bytes of all sessions in Redis; None if they are not known now."""
        return self.quota.bytes

    @property
    def waiting(self) -> int:
        """The number of entries that wait to be written to Redis."""
        return self.logs.waiting

    def goes_on(self, write: Write) -> bool:
        """Say whether this process gathers the session of *write*, and no other of its member."""
        of = self._gathered.get(write.member)
        return of is not None and of.session == write.session

    def seconds_to_begin(self, member: str) -> float:
        """Return the seconds that *member* must wait before it may begin another session."""
        of = self._gathered.get(member)
        return 0.0 if of is None else max(0.0, of.began + CHANGE_SECONDS - self._clock())

    def has_room(self, address: str) -> bool:
        """Say whether *address* may fill more of history; if it is empty (not known), it may."""
        return self._shares is None or self._shares.has_room(address)

    def take(
        self, write: Write, report: Report, address: str = "", *, is_new: bool = False
    ) -> None:
        """
        Gather a push from *address* that Redis has stored; never raise an error.

        *is_new* says whether the push has made its participant live.
        """
        try:
            of = self._gathered.get(write.member)
            if of is None or of.session != write.session or write.end:
                of = self._change(of, write, address)
                if of is None:
                    return
            gather(of, write.payload, report, self._clock(), abs(write.ttl_ms), self._bounds)
            if (sent := report.sent) is not None:
                # If the log was dropped, the first entry of the new log has all known numbers.
                is_whole = is_new and sent is not report.numbers
                self._add(of, write.payload, sent, is_whole=is_whole)
        except Exception as error:  # noqa: BLE001  # that it was is known all the same
            self._fail(error)

    def take_failure(self, write: Write, report: Report, address: str) -> None:
        """Record a failed join from *address* as a session that has a card and no log."""
        of = Gathered(write.member, write.session, 0)
        of.at = self._clock()
        self.logs.add([make_card(of, report.attributes, self.logs.offset, self._versions)])
        if self._shares is not None:
            self._shares.add(address, len(write.payload), is_begun=True)

    def _change(self, of: Gathered | None, write: Write, address: str) -> Gathered | None:
        """
        End the session *of* if *write* is its leave or belongs to another session.

        Return the session of *write*; None if it is a leave.
        """
        if write.end and (of is None or of.session != write.session):
            return None
        if of is not None:
            self._write(of)
            of.is_over = True
            del self._gathered[write.member]
        if write.end:
            return None
        new = Gathered(
            *(write.member, write.session, abs(write.ttl_ms), address), began=self._clock()
        )
        self._gathered[write.member] = new
        self._plan(new)
        return new

    def _plan(self, new: Gathered) -> None:
        """Choose the second in which the first entry of the *new* session is due."""
        now = self._clock()
        second = int(now + self._interval)
        most = max(AT_THE_SAME_TIME, SPREAD * len(self._gathered) / self._interval)
        if len(self._due.get(second, ())) >= most:
            share = int(new.member[-4:], 16) / 0x10000
            second = int(now + 1 + max(0.0, self._interval - 1) * share)
        self._due.setdefault(second, []).append(new)

    def _write(self, of: Gathered) -> None:
        """Make an entry of the gathered pushes of the session *of*, if it has any."""
        if of.payload:
            self._add(of, of.payload)

    def _add(
        self, of: Gathered, payload: bytes, sent: list[Any] | None = None, *, is_whole: bool = False
    ) -> None:
        """Make an entry with *payload* as its last push, and add it to the waiting entries."""
        if item := self._item(of, payload, sent, is_whole=is_whole):
            self.logs.add([item])

    def _item(
        self, of: Gathered, payload: bytes, sent: list[Any] | None = None, *, is_whole: bool = False
    ) -> bytes:
        """
        Return an item, which contains an entry with *payload* as its last push.

        The item is empty if the session's address has filled its share of history.
        """
        if not self.has_room(of.address):
            self.logs.counts[REFUSED] += 1
            of.payload = b""
            return b""
        is_first = of.version == NONE
        item = make_item(
            of, payload, self.logs.offset, self._versions, self._bounds, sent, is_whole=is_whole
        )
        if self._shares is not None:
            self._shares.add(of.address, kept_bytes(item), is_begun=is_first)
        return item

    def _fail(self, error: Exception) -> None:
        """Count a push that could not be recorded; write the first such *error* to the log."""
        if not self.logs.counts[FAILED]:
            log.warning("history: a push could not be recorded", exc_info=error)
        self.logs.counts[FAILED] += 1

    async def write_due(self) -> None:
        """Make an entry of each session whose interval is over; pushes are handled meanwhile."""
        for name in self.logs.take_unknown():
            of = self._gathered.get(name.partition(":")[0])
            if of is not None:
                of.is_told = False
        now = self._clock()
        while self._looked_at <= now:
            due = self._due.pop(self._looked_at, [])
            self._looked_at += 1
            for start in range(0, len(due), MADE_AT_ONCE):
                self._look_at(due[start : start + MADE_AT_ONCE], now)
                await asyncio.sleep(0)

    def _look_at(self, due: list[Gathered], now: float) -> None:
        """Make an entry of each session that is *due*, and plan its next entry."""
        entries: list[bytes] = []
        again: list[Gathered] = []
        for of in due:
            if of.is_over:
                continue
            if of.payload:
                try:
                    if item := self._item(of, of.payload):
                        entries.append(item)
                except Exception as error:  # noqa: BLE001  # that it was is known all the same
                    of.payload = b""
                    self._fail(error)
            if now - of.at < of.ttl_ms / 1000:
                again.append(of)
            else:
                # The participant has expired. If such sessions were kept, they would soon outnumber
                # the sessions of live participants.
                del self._gathered[of.member]
        self.logs.add(entries)
        self._due.setdefault(int(now + self._interval), []).extend(again)

    async def send(self) -> None:
        """
        Write the waiting entries to Redis, as many as Redis accepts.

        If another process has written to the session meanwhile, this method merges both and sends
        the item again.
        """
        await self.logs.send()
        while conflicts := self.logs.take_conflicts():
            again = rebased(conflicts, self._versions, round(self._interval * 1000))
            for each in again:
                self._go_on(each)
            self.logs.add_first([each.packed for each in again])
            await self.logs.send()

    def _go_on(self, told: Rebased) -> None:
        """
        Continue the session from its state in Redis with the item *told*, which was merged.

        Do nothing if this process has made a further item of the session meanwhile.
        """
        of = self._gathered.get(told.member)
        if of is None or of.version != told.former:
            return
        of.version, of.totals, of.lines = told.version, told.totals, told.lines
        if told.attributes:
            of.known = told.attributes

    def start(self) -> None:
        """Start the task that writes due entries."""
        self._ticking = asyncio.create_task(self._tick())

    async def _tick(self) -> None:
        """Every TICK_SECONDS, write the due entries and keep history below its limits."""
        while True:
            is_well = True
            for step in (
                self.logs.know_time,
                self.write_due,
                self.send,
                self.quota.make_space,
            ):
                try:
                    await step()
                except StoreUnavailable:
                    continue
                except Exception as error:  # noqa: BLE001  # that it was is known all the same
                    is_well = False
                    self._trouble.update(repr(error), error)
            if is_well:
                self._trouble.update("")
            if self._shares is not None:
                self._shares.log_ended()
            await asyncio.sleep(TICK_SECONDS)

    async def stop(self) -> None:
        """Write entries of all gathered pushes to Redis, at most for STOP_SECONDS, and end."""
        if self._ticking is not None:
            self._ticking.cancel()
            with suppress(asyncio.CancelledError):
                await self._ticking
        for of in self._gathered.values():
            try:
                self._write(of)
            except Exception as error:  # noqa: BLE001  # that it was is known all the same
                self._fail(error)
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await self.send()
        await self.logs.close()
