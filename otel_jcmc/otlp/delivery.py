"""
Sends the spans or events that wait in Redis to the receiver.

Only one of the replicas on a Redis holds the lease and sends. It sends until no item waits. An item
is removed from Redis after the receiver has taken it. If a process dies between these two steps,
the item is sent again, with the same bytes. The exporter's process runs this file, for
traces/delivery.py and logs/delivery.py.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final

from otel_jcmc.catalogue.reasons import StoreUnavailable
from otel_jcmc.catalogue.trouble import Trouble
from otel_jcmc.otlp.outbox import Outbox, Waiting
from otel_jcmc.otlp.sender import Outcome, Sent
from otel_jcmc.store.lease import Lease

log = logging.getLogger(__name__)

LOOK_EVERY_SECONDS: Final = 1.0
TEND_EVERY_SECONDS: Final = 3600.0
MAX_ITEMS: Final = 512
# gRPC servers accept 4 MiB by default, and some proxies 1 MiB.
MAX_BYTES: Final = 900_000
FIRST_BACKOFF_SECONDS: Final = 1.0
MAX_BACKOFF_SECONDS: Final = 60.0
# If the receiver refuses this number of single items in a row and takes none, the fault is not in
# the items but in the receiver.
MOST_SUSPECTS: Final = 8

Report = dict[str, Any]


class Delivery:
    """
    Sends waiting items to the receiver, batch by batch.

    Attributes:
        counts: outcome (sent or rejected) -> number of items since the last `take_counts`.

    Concurrency: one `deliver` at a time.
    """

    def __init__(self, outbox: Outbox, send: Callable[[list[bytes]], Sent]) -> None:
        """Send the items of *outbox* by *send*, which may block."""
        self._outbox = outbox
        self._send = send
        self._most = MAX_ITEMS
        self._suspects: list[Waiting] = []
        self._backoff = FIRST_BACKOFF_SECONDS
        self._what = outbox.kind.what
        signal = outbox.kind.signal
        self._trouble = Trouble(
            *(log, f"{signal}: the receiver %s", f"{signal}: the receiver takes {self._what}")
        )
        self.counts = {"sent": 0, "rejected": 0}

    @property
    def why(self) -> str:
        """Why the receiver did not take the last refused items; empty: it took all items."""
        return str(self._trouble.what)

    def take_counts(self) -> dict[str, int]:
        """Return the counts since the last call, and set them to 0."""
        counts, self.counts = self.counts, dict.fromkeys(self.counts, 0)
        return counts

    async def deliver(self) -> float:
        """
        Send one batch of waiting items; return how many seconds to wait before the next.

        Raises:
            StoreUnavailable: Redis did not answer in time.
        """
        batch = await self._outbox.read(self._most, MAX_BYTES, self._suspects)
        if not batch:
            if not self._suspects:
                return LOOK_EVERY_SECONDS
            # Only refused items wait, so they are tried again after a pause.
            self._suspects.clear()
            return self._next_backoff()
        sent = await asyncio.to_thread(self._send, [each.item for each in batch])
        if sent.answer is Outcome.TAKEN:
            return await self._go_on(batch, sent)
        if sent.answer is Outcome.AWAY:
            return self._put_off(sent)
        return await self._narrow_down(batch, sent)

    async def _go_on(self, batch: list[Waiting], sent: Sent) -> float:
        """Remove the items of *batch*, which were taken, and the items that were refused before."""
        await self._outbox.remove(batch)
        self.counts["sent"] += len(batch) - sent.rejected
        self.counts["rejected"] += sent.rejected
        await self._give_up(self._suspects)
        self._suspects = []
        self._most = min(MAX_ITEMS, 2 * self._most)
        self._backoff = FIRST_BACKOFF_SECONDS
        if sent.rejected:
            self._trouble.update(f"rejects {sent.rejected} {self._what}; its own log says why")
        else:
            self._trouble.update("")
        return 0.0

    async def _narrow_down(self, batch: list[Waiting], sent: Sent) -> float:
        """After a refusal, send half of *batch* next; note or remove a single refused item."""
        if len(batch) > 1:
            self._most = len(batch) // 2
            return 0.0
        self._trouble.update(f"refuses {self._what}: {sent.why}")
        if sent.answer is Outcome.BAD:
            await self._give_up(batch)
            return 0.0
        self._suspects += batch
        if len(self._suspects) < MOST_SUSPECTS:
            return 0.0
        # After MOST_SUSPECTS refusals in a row, the fault is in the receiver, not in the items.
        self._suspects.clear()
        self._most = 1
        return self._put_off(sent)

    async def _give_up(self, items: list[Waiting]) -> None:
        """Remove *items*, because the receiver will never take them."""
        if items:
            await self._outbox.remove(items)
            self.counts["rejected"] += len(items)

    def _put_off(self, sent: Sent) -> float:
        """Log the failure *sent*, and return for how many seconds to wait before the next try."""
        self._trouble.update(f"does not take {self._what}: {sent.why}")
        return max(sent.after_seconds, self._next_backoff())

    def _next_backoff(self) -> float:
        """Return the next pause in seconds, partly random; pauses get longer until a success."""
        seconds = self._backoff * random.uniform(0.5, 1.0)  # noqa: S311  # no secret
        self._backoff = min(2 * self._backoff, MAX_BACKOFF_SECONDS)
        return seconds


class Sending:
    """
    Sends all waiting items of one kind, while this process has the lease.

    Concurrency: one event loop.
    """

    def __init__(
        self,
        lease: Lease,
        outbox: Outbox,
        send: Callable[[list[bytes]], Sent],
        tell: Callable[[Report], None],
    ) -> None:
        """Send by *send*, which may block; *tell* gets the reports for the parent."""
        self.lease = lease
        self._outbox = outbox
        self._kind = outbox.kind
        self._delivery = Delivery(outbox, send)
        self._tell = tell
        self._told: Report = {}
        self._dropped = 0

    def loops(self) -> list[Coroutine[Any, Any, None]]:
        """Return the coroutines that must run until the process ends; they never return."""
        line = f"{self._kind.signal}: this replica %s"
        return [self.lease.keep(line, "sends", self._lost), self._sending(), self._tending()]

    def _lost(self) -> None:
        """Report to the parent that this replica no longer knows how many items wait."""
        self._report({"waiting": None})

    async def _sending(self) -> None:
        """Send waiting items; never return."""
        while True:
            seconds = LOOK_EVERY_SECONDS
            if self.lease.is_ours:
                with suppress(StoreUnavailable):
                    seconds = await self._delivery.deliver()
            await asyncio.sleep(seconds)

    async def _tending(self) -> None:
        """Keep waiting items from expiring; never return."""
        while True:
            if self.lease.is_ours:
                with suppress(StoreUnavailable):
                    await self._outbox.tend()
            await asyncio.sleep(TEND_EVERY_SECONDS)

    async def report(self, lost: int = 0) -> None:
        """
        Drop waiting items beyond the limit; report the waiting items and outcomes to the parent.

        *lost* is how many items were lost so far before they could wait in Redis.

        Raises:
            StoreUnavailable: Redis did not answer in time.
        """
        waiting = await self._outbox.bound()
        dropped = self._outbox.dropped + lost
        counts = {**self._delivery.take_counts(), "dropped": dropped - self._dropped}
        self._dropped = dropped
        self._report({self._kind.what: counts, "waiting": waiting, "why": self._delivery.why})

    def _report(self, report: Report) -> None:
        """Send *report* to the parent if it has new counts, or if a value has changed."""
        is_new = any(report.get(each) != self._told.get(each) for each in ("waiting", "why"))
        if is_new or any(report.get(self._kind.what, {}).values()):
            self._tell({self._kind.signal: report})
        self._told = report
