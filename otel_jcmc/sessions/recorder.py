"""
Records sessions: gathers the pushes of each session, and writes entries to the session's log.

intake/intake.py passes every push that Redis has stored to `take`. gathering.py makes an entry of
the gathered pushes of a session at the end of each interval (`JCMC_HISTORY_INTERVAL`), when the
participant leaves, and when the service stops. The entry then waits until log.py writes it to
Redis. No code here may make a push fail or wait. If a process is killed, it loses the pushes that
it has gathered in the present interval.
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
# After making so many entries, this process handles pushes before it makes more entries.
MADE_AT_ONCE: Final = 64
# After a restart, all sessions begin at the same time, and their first entries must be spread over
# the interval. A session's first entry is due one interval after the session began. But if many
# entries are already due in that second, the new entry is due earlier. "Many" is AT_THE_SAME_TIME,
# or SPREAD times the average number of entries in a second, whichever is more.
AT_THE_SAME_TIME: Final = 256
SPREAD: Final = 1.25
# The shortest time from the beginning of a participant's session to the beginning of its next one.
CHANGE_SECONDS: Final = 10.0
# How long `stop` waits for Redis.
STOP_SECONDS: Final = 3.0


class Recorder:
    """
    Gathers the pushes of all sessions of this process, and writes their entries.

    Attributes:
        logs: writes the entries to Redis.
        quota: limits how much memory of Redis all sessions may take.

    Concurrency: only one event loop may use it.
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
        """
        Prepare to record; `start` then starts the task that writes.

        Args:
            interval_seconds: how often a session gets an entry.
            thresholds: the values beyond which quality, loss and round trip are bad.
            clock: returns the time in seconds.
            shares: limits each address; None: one address may fill all of history.
        """
        self.logs, self.quota = logs, quota
        self._interval = interval_seconds
        self._bounds = (thresholds.quality, thresholds.loss, thresholds.round_trip)
        self._clock = clock
        self._shares = shares
        self._versions = versions()
        # Member -> its present session: if a member begins another session, the former one is over.
        self._gathered: dict[str, Gathered] = {}
        # Second of our clock -> the sessions whose entries are due in this second.
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
        """Outcome of an entry, such as `written` (log.py) -> number of entries so far."""
        return self.logs.counts

    @property
    def evicted(self) -> dict[str, int]:
        """Reason (quota.py) -> number of sessions that this process has removed early so far."""
        return self.quota.evicted

    @property
    def sessions(self) -> int | None:
        """How many sessions Redis has; None if Redis did not answer when this was last asked."""
        return self.quota.sessions

    @property
    def taken_bytes(self) -> int | None:
        """About how many bytes all sessions take in Redis; None if `sessions` is None."""
        return self.quota.bytes

    @property
    def waiting(self) -> int:
        """How many entries wait to be written to Redis."""
        return self.logs.waiting

    def goes_on(self, write: Write) -> bool:
        """Say whether this process has the session of *write* as the member's present session."""
        of = self._gathered.get(write.member)
        return of is not None and of.session == write.session

    def seconds_to_begin(self, member: str) -> float:
        """Return in how many seconds *member* may begin another session; 0: it may now."""
        of = self._gathered.get(member)
        return 0.0 if of is None else max(0.0, of.began + CHANGE_SECONDS - self._clock())

    def has_room(self, address: str) -> bool:
        """Say whether history may keep more from *address*; empty: not known, has no limit."""
        return self._shares is None or self._shares.has_room(address)

    def take(
        self, write: Write, report: Report, address: str = "", *, is_new: bool = False
    ) -> None:
        """
        Gather a push that Redis has stored. This method never raises.

        Args:
            write: the push as it was stored.
            report: the push as it was checked.
            address: the address that sent the push; empty: not known.
            is_new: whether the participant was not live before this push.
        """
        try:
            of = self._gathered.get(write.member)
            if of is None or of.session != write.session or write.end:
                of = self._change(of, write, address)
                if of is None:
                    return
            gather(of, write.payload, report, self._clock(), abs(write.ttl_ms), self._bounds)
            if (sent := report.sent) is not None:
                # This push has only some numbers; earlier pushes had the others. If the session's
                # log was dropped, the first entry of the new log must have all these numbers.
                is_whole = is_new and sent is not report.numbers
                self._add(of, write.payload, sent, is_whole=is_whole)
        except Exception as error:  # noqa: BLE001  # that it was is known all the same
            self._fail(error)

    def take_failure(self, write: Write, report: Report, address: str) -> None:
        """Record a join from *address* that failed, as a session with a card but without a log."""
        of = Gathered(write.member, write.session, 0)
        of.at = self._clock()
        self.logs.add([make_card(of, report.attributes, self.logs.offset, self._versions)])
        if self._shares is not None:
            self._shares.add(address, len(write.payload), is_begun=True)

    def _change(self, of: Gathered | None, write: Write, address: str) -> Gathered | None:
        """
        End the session *of*, begin the session of *write*, and return the session that began.

        Return None if *write* is a leave, because then no session begins. If *write* leaves a
        session other than *of*, nothing changes.
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
        """Make an entry of the session's gathered pushes; do nothing if it has no such pushes."""
        if of.payload:
            self._add(of, of.payload)

    def _add(
        self, of: Gathered, payload: bytes, sent: list[Any] | None = None, *, is_whole: bool = False
    ) -> None:
        """Make an entry with *payload* as the last push, and add it to the waiting entries."""
        if item := self._item(of, payload, sent, is_whole=is_whole):
            self.logs.add([item])

    def _item(
        self, of: Gathered, payload: bytes, sent: list[Any] | None = None, *, is_whole: bool = False
    ) -> bytes:
        """
        Return an item (items.py) with *payload* as the last push.

        Return empty bytes if the session's address may not fill more of history (shares.py).
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
        """Count a push that could not be recorded; log a warning for the first such push."""
        if not self.logs.counts[FAILED]:
            log.warning("history: a push could not be recorded", exc_info=error)
        self.logs.counts[FAILED] += 1

    async def write_due(self) -> None:
        """Make the entries that are due; pushes are handled after each MADE_AT_ONCE entries."""
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
        """
        Make an entry of each session in *due*, and plan the session's next entry.

        Sessions of expired participants are forgotten after their entry.
        """
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
                # The participant has expired. If this process kept such sessions, it would soon
                # have more of them than sessions of live participants.
                del self._gathered[of.member]
        self.logs.add(entries)
        self._due.setdefault(int(now + self._interval), []).extend(again)

    async def send(self) -> None:
        """
        Send the waiting entries to Redis.

        If another process has written to the session of an entry meanwhile, Redis refuses the
        entry. merging.py then merges it with the other process's entry, and it is sent again.
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
        Copy the session's state after the merge from *told* into the gathered session.

        Nothing is copied if this process has made another item of the session meanwhile.
        """
        of = self._gathered.get(told.member)
        if of is None or of.version != told.former:
            return
        of.version, of.totals, of.lines = told.version, told.totals, told.lines
        if told.attributes:
            of.known = told.attributes

    def start(self) -> None:
        """Start the task that makes and writes due entries once a second."""
        self._ticking = asyncio.create_task(self._tick())

    async def _tick(self) -> None:
        """Make and write due entries, and keep history below its limits, once a second."""
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
        """Make entries of all gathered pushes, try to write them for STOP_SECONDS, and end."""
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
