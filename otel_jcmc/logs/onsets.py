"""
Queues an event for each thing in the journal that began to stand out, or ceased to stand out.

Only the replica that has the lease for logs reads the journal (verdict/record.py). It hands new
events to sessions/events.lua, which queues them in Redis. A look is one search of the verdict for
what stands out. Redis keeps the time of the last look whose events are queued. Everything that
began or ended in the journal after this time is new. The process changes the time after it has
queued the new events. If it dies before, its successor queues the same events again, with the same
ids. Redis recognises the ids and ignores these events.
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
# All events of the journal wait in this partition.
PARTITION: Final = 0
AT_ONCE: Final = 128


class Onsets:
    """
    Makes events of what is new in the journal, and queues them in Redis.

    Attributes:
        dropped: how many events were dropped so far, because too many events were waiting.

    Concurrency: call `tell` only when no other `tell` is running.
    """

    def __init__(self, record: Record, link: AnyLink, keys: Keys, most: int, instance: str) -> None:
        """
        Read the journal by *record*, and queue events in Redis by *link*.

        *most* is how many events may wait. *instance* is the service that noticed the events.
        """
        self._record, self._link, self._keys = record, link, keys
        self._most, self._instance = most, instance
        self.dropped = 0

    async def tell(self) -> int:
        """
        Queue an event for everything that is new in the journal; return the number of events.

        Raises:
            StoreUnavailable: Redis did not answer in time; the next call queues the same events.
        """
        look, now_ms = await self._record.read_look()
        if look is None:
            return 0
        told_ms = await self._record.read_told()
        if told_ms is not None and look.at_ms == told_ms:
            return 0
        # If no event was queued yet, or Redis's clock went back, everything that still stands out
        # is new.
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
        """Queue *some* events, each with its journal entry and its time in ms by Redis's clock."""
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
        """Return a payload with the attributes of *event*; *entry* is its entry in the journal."""
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
    Return what began or ended in *entries* between the looks at *since_ms* and *look_ms*.

    If *since_ms* is None, there was no earlier look. Then everything that still stands out has
    begun, and nothing has ended.
    """
    for each in entries:
        if since_ms is None or each.since_ms > since_ms:
            yield STANDING_BEGAN, each, each.since_ms
        # The journal's continue_with has the same rule. The entry was not over at the earlier look,
        # and is over at the later look.
        if since_ms is not None and since_ms - GRACE_MS <= each.seen_ms < look_ms - GRACE_MS:
            yield STANDING_ENDED, each, each.seen_ms
