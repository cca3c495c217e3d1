"""
Conferences as traces: what is over becomes spans, and the receiver gets them.

One of the replicas on one Redis does that, by a lease: it sweeps (sweep.py), and it sends what
waits (outbox.py) until the receiver has it. A span is sent at least once, and each time the same:
who dies between the receiver's answer and the removal has sent it for nothing, not wrongly. Run by
the exporter's process.
"""

import asyncio
import logging
import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from otel_jcmc.catalogue.reasons import StoreUnavailable
from otel_jcmc.catalogue.trouble import Trouble
from otel_jcmc.otlp.sender import Outcome, Sent
from otel_jcmc.otlp.spans import SpanSender
from otel_jcmc.sessions.span_marks import without_mark
from otel_jcmc.store.commands import without_script
from otel_jcmc.store.lease import Lease
from otel_jcmc.store.link import AnyLink
from otel_jcmc.traces.outbox import Outbox, WaitingSpans
from otel_jcmc.traces.sweep import Sweep

log = logging.getLogger(__name__)

SWEEP_EVERY_SECONDS: Final = 1.0
TEND_EVERY_SECONDS: Final = 3600.0
MAX_SPANS: Final = 512
# gRPC servers take 4 MiB by default, and some proxies 1.
MAX_BYTES: Final = 900_000
FIRST_BACKOFF_SECONDS: Final = 1.0
MAX_BACKOFF_SECONDS: Final = 60.0
# So many refused one after the other, with none taken in between, are the receiver's trouble.
MOST_SUSPECTS: Final = 8

SpanReport = dict[str, Any]


class Delivery:
    """
    What waits, on its way to the receiver.

    Attributes:
        counts: spans by outcome since `take_counts`: sent, rejected.

    Concurrency: one `deliver` at a time.
    """

    def __init__(self, outbox: Outbox, send: Callable[[list[bytes]], Sent]) -> None:
        """Send by *send*, which may block."""
        self._outbox = outbox
        self._send = send
        self._most = MAX_SPANS
        self._suspects: list[WaitingSpans] = []
        self._backoff = FIRST_BACKOFF_SECONDS
        self._trouble = Trouble(log, "traces: the receiver %s", "traces: the receiver takes spans")
        self.counts = {"sent": 0, "rejected": 0}

    @property
    def why(self) -> str:
        """What the receiver said to what it did not take last; empty: it took all."""
        return str(self._trouble.what)

    async def deliver(self) -> float:
        """
        Send one batch of what waits; return for how many seconds to wait before the next.

        Raises:
            StoreUnavailable: Redis did not answer in time.
        """
        batch = await self._outbox.read(self._most, MAX_BYTES, self._suspects)
        if not batch:
            if not self._suspects:
                return SWEEP_EVERY_SECONDS
            # Those that were refused are tried again, since there is nothing else to try.
            self._suspects.clear()
            return self._next_backoff()
        spans = [without_mark(each.span) for each in batch]
        sent = await asyncio.to_thread(self._send, spans)
        if sent.answer is Outcome.TAKEN:
            return await self._go_on(batch, sent)
        if sent.answer is Outcome.AWAY:
            return self._put_off(sent)
        return await self._narrow_down(batch, sent)

    async def _go_on(self, batch: list[WaitingSpans], sent: Sent) -> float:
        """Take what the receiver has out of what waits, and what it refused while it takes this."""
        await self._outbox.remove(batch)
        self.counts["sent"] += len(batch) - sent.rejected
        self.counts["rejected"] += sent.rejected
        await self._give_up(self._suspects)
        self._suspects = []
        self._most = min(MAX_SPANS, 2 * self._most)
        self._backoff = FIRST_BACKOFF_SECONDS
        if sent.rejected:
            self._trouble.update(f"rejects {sent.rejected} spans; its own log says why")
        else:
            self._trouble.update("")
        return 0.0

    async def _narrow_down(self, batch: list[WaitingSpans], sent: Sent) -> float:
        """Look for what it is that the receiver does not take."""
        if len(batch) > 1:
            self._most = len(batch) // 2
            return 0.0
        self._trouble.update(f"refuses spans: {sent.why}")
        if sent.answer is Outcome.BAD:
            await self._give_up(batch)
            return 0.0
        self._suspects += batch
        if len(self._suspects) < MOST_SUSPECTS:
            return 0.0
        # It is the receiver, not what it was sent.
        self._suspects.clear()
        self._most = 1
        return self._put_off(sent)

    async def _give_up(self, spans: list[WaitingSpans]) -> None:
        """Remove *spans*, which the receiver will never take."""
        if spans:
            await self._outbox.remove(spans)
            self.counts["rejected"] += len(spans)

    def _put_off(self, sent: Sent) -> float:
        """Return how long to leave the receiver alone: longer each time, and never all at once."""
        self._trouble.update(f"does not take spans: {sent.why}")
        return max(sent.after_seconds, self._next_backoff())

    def _next_backoff(self) -> float:
        """Return a pause that is longer each time, until something is taken."""
        seconds = self._backoff * random.uniform(0.5, 1.0)  # noqa: S311  # no secret
        self._backoff = min(2 * self._backoff, MAX_BACKOFF_SECONDS)
        return seconds


class Traces:
    """
    All of it, for as long as the lease is ours.

    Concurrency: one event loop.
    """

    def __init__(
        self,
        lease: Lease,
        link: AnyLink,
        sweep: Sweep,
        outbox: Outbox,
        sender: SpanSender,
        tell: Callable[[SpanReport], None],
    ) -> None:
        """Prepare; *tell* hears what the parent counts. What has connections is ours to close."""
        self._lease = lease
        self._link = link
        self._sweep = sweep
        self._outbox = outbox
        self._delivery = Delivery(outbox, sender.send)
        self._tell = tell
        self._told: SpanReport = {}
        self._dropped = 0
        self._trouble = Trouble(
            log, "traces: Redis does not answer, or refuses: %s", "traces: Redis answers"
        )

    async def run(self) -> None:
        """Sweep and send; never returns."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._lease.keep("traces: this replica %s", "sends", self._lost))
                tasks.create_task(self._sweeping())
                tasks.create_task(self._sending())
                tasks.create_task(self._tending())
        finally:
            await self._lease.release()
            await self._link.close()
            await self._sweep.close()

    def _lost(self) -> None:
        """Say that another replica knows now how many wait."""
        self._report({"waiting": None})

    async def _sweeping(self) -> None:
        """Move what is over into the outbox, each second."""
        while True:
            more = False
            if self._lease.is_ours:
                try:
                    _, more = await self._sweep.run()
                    self._report_waiting(await self._outbox.bound())
                    self._trouble.update("")
                except StoreUnavailable as error:
                    self._trouble.update(without_script(str(error.__cause__ or "") or "time-out"))
            await asyncio.sleep(0 if more else SWEEP_EVERY_SECONDS)

    async def _sending(self) -> None:
        """Send what waits."""
        while True:
            seconds = SWEEP_EVERY_SECONDS
            if self._lease.is_ours:
                with suppress(StoreUnavailable):
                    seconds = await self._delivery.deliver()
            await asyncio.sleep(seconds)

    async def _tending(self) -> None:
        """Keep from expiring what waits."""
        while True:
            if self._lease.is_ours:
                with suppress(StoreUnavailable):
                    await self._outbox.tend()
            await asyncio.sleep(TEND_EVERY_SECONDS)

    def _report_waiting(self, waiting: int) -> None:
        """Tell the parent how many wait and what became of the others."""
        dropped = self._outbox.dropped + self._sweep.lost
        counts = {**self._delivery.counts, "dropped": dropped - self._dropped}
        self._dropped = dropped
        self._delivery.counts = {"sent": 0, "rejected": 0}
        self._report({"spans": counts, "waiting": waiting, "why": self._delivery.why})

    def _report(self, report: SpanReport) -> None:
        """Tell the parent what is new."""
        news = ("waiting", "why")
        is_new = any(report.get(each) != self._told.get(each) for each in news)
        if is_new or any(report.get("spans", {}).values()):
            self._tell({"traces": report})
        self._told = report
