"""
Makes the document in which the service describes itself to `otel-jcmc doctor`.

The input is the settings and the service's objects. The output is a document of plain values, with
no participant's values, no secret and no address.
"""

from contextlib import suppress
from time import time
from typing import Any, Final

from otel_jcmc.catalogue.reasons import StoreUnavailable
from otel_jcmc.config.advice import advice
from otel_jcmc.config.settings import Settings
from otel_jcmc.config.shown import shown_settings
from otel_jcmc.config.sizing import memory_advice
from otel_jcmc.metrics.own import Telemetry
from otel_jcmc.pages.pulse import Pulse
from otel_jcmc.service.reading import Reading
from otel_jcmc.store.info import info_of, run_of
from otel_jcmc.store.live import Store
from otel_jcmc.store.memory import memory_of
from otel_jcmc.version import __version__

_TIMES: Final = {
    "pushed_at": "otel_jcmc.last_push_timestamp",
    "scraped_at": "otel_jcmc.last_scrape_timestamp",
    "exported_at": "otel_jcmc.last_export_timestamp",
    "spans_at": "otel_jcmc.last_spans_timestamp",
    "events_at": "otel_jcmc.last_events_timestamp",
}


class SelfPortrait:
    """Makes the document in which a service with *settings* describes itself."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        telemetry: Telemetry,
        pulse: Pulse,
        reading: Reading,
    ) -> None:
        """Prepare; `tell` asks these objects of the service."""
        self._settings, self._store = settings, store
        self._telemetry, self._pulse, self._reading = telemetry, pulse, reading

    async def tell(self, more: frozenset[str]) -> dict[str, Any]:
        """
        Return the document in which the service describes itself.

        Times are Unix times in seconds; None: it has not happened since the start. Only if *more*
        has the word `tests`, the document has the number of live tests of `otel-jcmc doctor` (None
        if Redis does not answer). Only if *more* has the word `series`, it has the names of all
        metrics that are exported now.
        """
        settings, telemetry, reading = self._settings, self._telemetry, self._reading
        counts, seconds = self._pulse.pushes_by_reason()
        own = reading.own_delivery
        told = {
            "version": __version__,
            "time": time(),
            "why_not_ready": await self._store.why_not_ready(),
            "is_store_whole": self._store.up is not False,
            "settings": shown_settings(settings),
            "advice": advice(settings),
            "memory": await self._memory(),
            "store_run": await self._store_run(),
            "times": {key: telemetry.gauge_of(name) for key, name in _TIMES.items()},
            "origin": telemetry.last_origin(),
            "seconds": seconds,
            "pushes": _by_outcome(counts),
            "scrapes_refused": {
                reason: count
                for (door, reason), count in telemetry.reads_refused.items()
                if door == "scrape" and count
            },
            "scrape_failed_at": telemetry.exported_at.get(("prometheus", "failed")),
            "export_failed_at": telemetry.exported_at.get(("otlp", "failed")),
            "words": {
                **telemetry.words,
                "own": own.why if own else "",
            },
            "spans_waiting": telemetry.spans_waiting,
            "events_waiting": telemetry.events_waiting,
            "live": telemetry.participants,
        }
        if "series" in more:
            told["series"] = await reading.scraper.names()
        if "tests" in more:
            told["tests"] = None
            with suppress(StoreUnavailable):
                told["tests"] = await reading.count_tests()
        return told

    async def _memory(self) -> list[str]:
        """Return a line for each way in which Redis's memory limit does not fit the settings."""
        with suppress(StoreUnavailable):
            if memory := await memory_of(self._reading.link):
                return memory_advice(self._settings, *memory)
        return []

    async def _store_run(self) -> str:
        """Return Redis's run id, which a restart of Redis changes; empty: Redis does not answer."""
        with suppress(StoreUnavailable):
            return run_of(await info_of(self._reading.link, "server"))
        return ""


def _by_outcome(counts: dict[tuple[str, str], int]) -> dict[str, dict[str, int]]:
    """Return *counts* as outcome -> reason -> count, without counts of 0."""
    found: dict[str, dict[str, int]] = {}
    for (outcome, reason), count in counts.items():
        if count:
            found.setdefault(outcome, {})[reason] = count
    return found
