"""
Queues an event in Redis when, by the journal, a thing begins or ceases to stand out.

A look is one search for things that stand out. Its result is in the journal (verdict/record.py).
The replica with the lease of logs reads the journal and hands new events to sessions/events.lua.
Redis also keeps the time of the last look whose events are queued. Events after this time are new.
The process stores the time only when the new events wait in Redis. If the process dies before that,
its successor queues the events again. They have the same ids, so Redis does not keep them twice.
"""

from collections.abc import Iterator
from time import monotonic
from typing import Any, Final

from otel_jcmc.catalogue.events import (
    COVERAGE,
    NAME,
    SCOPE,
    SECONDS,
    SHARE,
    STANDING_BEGAN,
    STANDING_ENDED,
    Event,
)
from otel_jcmc.sessions.events import (
    HAPPENED,
    NOBODY,
    SCRIPT,
    Noticed,
    Payload,
    adding,
    pack,
    uid_of,
)
from otel_jcmc.store.commands import Command
from otel_jcmc.store.keys import Keys
from otel_jcmc.store.link import AnyLink
from otel_jcmc.store.scripts import run_all
from otel_jcmc.verdict.journal import GRACE_MS, Entry
from otel_jcmc.verdict.record import Record

REGION: Final = "jitsi.region"
# All events of the journal wait in this partition of Redis.
PARTITION: Final = 0
AT_ONCE: Final = 128


class Onsets:
    """
    Makes events of the journal and queues them in Redis.

    Attributes:
        dropped: the number of events dropped so far because too many events waited.

    Concurrency: one `tell` at a time.
    """

    def __init__(self, record: Record, link: AnyLink, keys: Keys, most: int, instance: str) -> None:
        """Prepare to queue up to *most* events by *link*; *instance* names this service in them."""
        self._record, self._link, self._keys = record, link, keys
        self._most, self._instance = most, instance
        self.dropped = 0

    async def tell(self) -> int:
        """
        Queue an event for each change in the journal since the last call; return their number.

        Raises:
            StoreUnavailable: Redis did not answer in time. The next call queues the events again.
        """
        look, now_ms = await self._record.read_look()
        if look is None:
            return 0
        told_ms = await self._record.read_told()
        if told_ms is not None and look.at_ms == told_ms:
            return 0
        # If no event was queued yet, or if Redis's clock went back, there is no earlier look. Then
        # everything that stands out now becomes an event.
        since_ms = told_ms if told_ms is not None and told_ms < look.at_ms else None
        entries = look.entries
        if since_ms is not None:
            entries = await self._record.read(since_ms - GRACE_MS, look.at_ms)
        made = [*_events_of(entries, since_ms, look.at_ms)]
        now = monotonic()
        for start in range(0, len(made), AT_ONCE):
            await self._add(made[start : start + AT_ONCE], now_ms, now)
        await self._record.write_told(look.at_ms)
        return len(made)

    async def _add(self, some: list[tuple[Event, Entry, int]], now_ms: int, now: float) -> None:
        """Queue *some* events: event, journal entry, time by Redis's clock. Count the dropped."""
        noticed = [
            Noticed(
                HAPPENED,
                event.name,
                uid_of(event.name, entry.scope, entry.name, str(entry.since_ms)),
                *("", entry.client),
                now - (now_ms - at_ms) / 1000,
                0,
                pack(self._payload_of(event, entry)),
            )
            for event, entry, at_ms in some
        ]
        command: Command = adding(self._keys, PARTITION, self._most, noticed, now)
        ((dropped, *_),) = await run_all(self._link, [command], [SCRIPT])
        self.dropped += dropped

    def _payload_of(self, event: Event, entry: Entry) -> Payload:
        """Return the payload of *event*: what *entry* of the journal tells about the thing."""
        told: dict[str, Any] = {
            SCOPE: entry.scope,
            NAME: entry.name or None,
            REGION: entry.region or None,
            SHARE: round(entry.peak, 6),
            **dict(zip(COVERAGE, entry.coverage, strict=True)),
        }
        if event is STANDING_ENDED:
            told[SECONDS] = (entry.seen_ms - entry.since_ms) / 1000
        client = bytes.fromhex(entry.client) if entry.client else NOBODY
        return Payload(client, "", self._instance, {}, told)


def _events_of(
    entries: list[Entry], since_ms: int | None, look_ms: int
) -> Iterator[tuple[Event, Entry, int]]:
    """
    Yield the new events between the look at *since_ms* and the look at *look_ms*.

    The events are made from *entries* of the journal.

    Each event comes with its entry and its time in ms. If there was no earlier look (None), each
    entry gives an event of its beginning, and no entry gives an event of its end.
    """
    for each in entries:
        if since_ms is None or each.since_ms > since_ms:
            yield STANDING_BEGAN, each, each.since_ms
        # An entry is over if it was last seen more than GRACE_MS before the look, as in
        # continue_with. Here the entry is over at the later look but was not at the earlier look.
        if since_ms is not None and since_ms - GRACE_MS <= each.seen_ms < look_ms - GRACE_MS:
            yield STANDING_ENDED, each, each.seen_ms
