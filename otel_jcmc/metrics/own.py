"""
Counts the service's own metrics.

Each count is a plain integer that an observable counter reads (instruments.py): the SDK's
`Counter.add` takes 6 µs, and a whole push may take only 40. If a service has several processes,
each packs its counts (figures.py) and publishes them (places.py). The process that answers scrapes
shows the sums. The metrics' names are fixed, because alerts and dashboards use them.
"""

from collections.abc import Callable, Iterable
from time import time, time_ns
from typing import Any, Final

from opentelemetry.sdk.resources import Resource

from otel_jcmc.catalogue.conventions import SCHEMA_URL
from otel_jcmc.catalogue.reasons import DROPS, FAILURES, LATE, REFUSALS, TOKEN_REFUSALS, Reason
from otel_jcmc.metrics.durations import Durations
from otel_jcmc.metrics.figures import Counts, Figures, add_counts, sum_counts
from otel_jcmc.metrics.histograms import Family, Histograms
from otel_jcmc.metrics.instruments import Instruments
from otel_jcmc.metrics.sources import Head, HistoryFigures, JoinFigures
from otel_jcmc.version import __version__

ACCEPTED: Final = "accepted"
REFUSED: Final = "refused"
FAILED: Final = "failed"
LOOK_OUTCOMES: Final = ("ok", "failed", "lost")
SENT_OUTCOMES: Final = ("sent", "rejected", "dropped")
_MOST_ORIGIN: Final = 300  # longer than any name that DNS has
# The kind of a process: label `process` of otel_jcmc_process_starts_total.
WORKER: Final = "worker"
READER: Final = "reader"
# For these gauges each process knows only its own part; the function combines the parts. For other
# gauges the greatest value of all processes is taken, because it is the newest.
_OF_SEVERAL: Final[dict[str, Callable[[Iterable[int]], int]]] = {
    "otel_jcmc.connections": sum,
    "otel_jcmc.history_waiting": sum,
    "otel_jcmc.workers": sum,
    "otel_jcmc.store_up": min,
}
# Exporter -> outcomes of a collection. Only an OTLP receiver can accept some points of it.
_EXPORT_OUTCOMES: Final = {"prometheus": ("ok", "failed"), "otlp": ("ok", "failed", "partial")}


def make_resource(service_name: str, attributes: str, instance_id: str) -> Resource:
    """
    Return the resource of the service's own metrics.

    *attributes* is OTEL_RESOURCE_ATTRIBUTES. If *instance_id* is empty, the resource has no
    instance: the series of participants must not change when another replica exports them.
    """
    found = {
        key.strip(): value.strip()
        for key, equals, value in (part.partition("=") for part in attributes.split(","))
        if equals and key.strip()
    }
    ours = {"service.name": service_name, "service.version": __version__}
    if instance_id:
        ours["service.instance.id"] = instance_id
    # Not `Resource.create`, which would add attributes of the process.
    sdk = {"telemetry.sdk.language": "python", "telemetry.sdk.name": "opentelemetry"}
    return Resource({**sdk, **ours, **found}, SCHEMA_URL)


class Telemetry:
    """
    The service's own counters, gauges and histograms.

    Attributes:
        pushes: (outcome, reason) -> pushes so far; the push endpoint counts them here.
        push_tokens: (outcome, reason) -> requests for a token so far.
        pushed_at: Unix time of the last stored push, in s; 0: none yet.
        pushed_by: the HTTP head of the last stored push; None if its endpoint keeps no heads.
        spans_at, events_at: Unix time when a receiver last accepted spans, or events; 0: never.
        words: exporter -> the receiver's last error; empty: the receiver accepted everything.
        dropped: reason -> fields dropped so far.
        exported_at: (exporter, outcome) -> Unix time in s of the last collection that ended so.
        participants, conferences: numbers in the last collection; None: Redis was not readable.
        standing_known: 1 if the last collection knew what stands out, 0 if not; None before it.
        partitions_unread: how many partitions the last collection failed to read; None before it.
        store_up: whether the last exchange with Redis worked.
        count_connections: returns the number of open connections; None: not known.
        history: the figures of history; None if no sessions are recorded.
        reads_refused: number of refused reads by two labels; routes of `web` count them here.
        instruments: exports all own metrics, but not the fleet's histograms.
    """

    def __init__(
        self,
        resource: Resource,
        history: HistoryFigures | None = None,
        callback_errors: dict[str, int] | None = None,
        connections_cut: dict[str, int] | None = None,
        count_connections: Callable[[], int | None] = lambda: None,
        joins: JoinFigures | None = None,
        fleet: Histograms | None = None,
        process: str = WORKER,
        others: Callable[[], list[Figures]] = list,
        clock: Callable[[], float] = time,
    ) -> None:
        """
        Declare all metrics. Some counts are not made here but read from the objects in Args.

        Args:
            callback_errors: gauge -> errors so far.
            connections_cut: reason -> connections cut so far.
            joins: the figures of joins; None if they are not counted.
            fleet: the histograms of the fleet; None: the operator has switched them off.
            process: kind of this process, `worker` or `reader`.
            others: returns the figures that other processes of the service have published.
        """
        # Counts begin at 0: Prometheus sees the first failure as an increase, not as a new series.
        self.pushes: dict[tuple[str, str], int] = _zeros(REFUSALS, LATE)
        self.push_tokens: dict[tuple[str, str], int] = {}
        self.dropped: dict[str, int] = dict.fromkeys(DROPS, 0)
        self.suppressed: dict[str, int] = {
            Reason.PARTICIPANT_LIMIT: 0,
            Reason.CONFERENCE_LIMIT: 0,
            Reason.NEWCOMER_RATE: 0,
            Reason.ADDRESS_LIMIT: 0,
        }
        self.exports: dict[tuple[str, str], int] = {}
        self.exported_at: dict[tuple[str, str], float] = {}
        self._clock = clock
        self.pushed_at = self.spans_at = self.events_at = 0.0
        self.pushed_by: Head | None = None
        self.words: dict[str, str] = {}
        self.looks: dict[str, int] = dict.fromkeys(LOOK_OUTCOMES, 0)
        self.spans: dict[str, int] = {}
        self.spans_waiting: int | None = None
        self.events: dict[str, int] = {}
        self.events_waiting: int | None = None
        self.count_connections = count_connections
        self.history = history
        self.reads_refused: dict[tuple[str, str], int] = {}
        self.participants: int | None = None
        self.conferences: int | None = None
        self.standing_known: int | None = None
        self.partitions_unread: int | None = None
        self.store_up = False
        self._process, self._others = process, others
        self._since = time_ns()
        self._durations, self._fleet = Durations(), fleet
        self._counters: dict[str, dict[Any, int]] = {
            "otel_jcmc.pushes": self.pushes,
            "otel_jcmc.push_tokens": self.push_tokens,
            "otel_jcmc.fields_dropped": self.dropped,
            "otel_jcmc.participants_suppressed": self.suppressed,
            "otel_jcmc.joins": joins.outcomes if joins else {},
            "otel_jcmc.joins_failed": joins.failures if joins else {},
            "otel_jcmc.looks": self.looks,
            "otel_jcmc.exports": self.exports,
            "otel_jcmc.spans": self.spans,
            "otel_jcmc.events": self.events,
            "otel_jcmc.history_samples": history.samples if history else {},
            "otel_jcmc.history_sessions_evicted": history.evicted if history else {},
            "otel_jcmc.callback_errors": {} if callback_errors is None else callback_errors,
            "otel_jcmc.connections_cut": {} if connections_cut is None else connections_cut,
            "otel_jcmc.reads_refused": self.reads_refused,
            "otel_jcmc.process_starts": {process: 1},
        }
        self.instruments = Instruments(resource, self.sum_of, self.gauge_of, self.durations)

    def sum_of(self, counter: str) -> Counts:
        """Return label values -> the sum of *counter* over all processes."""
        others = (figures.counters[counter] for figures in self._others())
        return sum_counts([self._counters[counter], *others])

    def gauge_of(self, gauge: str) -> int | None:
        """Return the value of *gauge* over all processes; None if no process knows it."""
        each = (self._gauges(), *(figures.gauges for figures in self._others()))
        known = [gauges[gauge] for gauges in each if gauge in gauges]
        return _OF_SEVERAL.get(gauge, max)(known) if known else None

    def _gauges(self) -> dict[str, int]:
        """Return the gauges whose value this process knows: name -> value."""
        found = {
            "otel_jcmc.standing_known": self.standing_known,
            "otel_jcmc.partitions_unread": self.partitions_unread,
            "otel_jcmc.spans_waiting": self.spans_waiting,
            "otel_jcmc.events_waiting": self.events_waiting,
            "otel_jcmc.participants": self.participants,
            "otel_jcmc.conferences": self.conferences,
            "otel_jcmc.connections": self.count_connections(),
            "otel_jcmc.store_up": int(self.store_up),
            "otel_jcmc.workers": int(self._process == WORKER),
            "otel_jcmc.last_push_timestamp": int(self.pushed_at) or None,
            "otel_jcmc.last_scrape_timestamp": self._exported_last("prometheus"),
            "otel_jcmc.last_export_timestamp": self._exported_last("otlp"),
            "otel_jcmc.last_spans_timestamp": int(self.spans_at) or None,
            "otel_jcmc.last_events_timestamp": int(self.events_at) or None,
        }
        if self.history is not None:
            found |= {
                "otel_jcmc.history_sessions": self.history.sessions,
                "otel_jcmc.history_bytes": self.history.taken_bytes,
                "otel_jcmc.history_waiting": self.history.waiting,
            }
        return {name: value for name, value in found.items() if value is not None}

    def _exported_last(self, exporter: str) -> int | None:
        """Return the Unix time in s when *exporter* last exported something; None: never."""
        taken = (self.exported_at.get((exporter, each), 0.0) for each in ("ok", "partial"))
        return int(max(taken)) or None

    def last_origin(self) -> str:
        """Return the origin of the page that pushed last to any process; empty if not known."""
        newest = max(
            self._others(),
            key=lambda figures: figures.gauges.get("otel_jcmc.last_push_timestamp", 0),
            default=None,
        )
        if newest and newest.gauges.get("otel_jcmc.last_push_timestamp", 0) > self.pushed_at:
            return newest.origin
        return self._own_origin()

    def _own_origin(self) -> str:
        """Return the origin of the page that pushed to this process last; empty if not known."""
        if self.pushed_by is None:
            return ""
        origin = self.pushed_by.origin()[:_MOST_ORIGIN].decode("latin-1")
        return origin if origin.isascii() and origin.isprintable() else ""

    def figures(self) -> Figures:
        """Return a copy of this process's counts, to publish for other processes."""
        fleet = self._fleet.figures() if self._fleet else {}
        counters: dict[str, Counts] = {of: each.copy() for of, each in self._counters.items()}
        histograms = self._durations.figures() | fleet
        return Figures(self._since, counters, self._gauges(), histograms, self._own_origin())

    def resume(self, left: Figures) -> None:
        """Continue from the counts that a former process has *left* in this process's place."""
        self._since = min(self._since, left.since_unix_nano)
        for name, counts in self._counters.items():
            add_counts(counts, left.counters[name])
        self.pushed_at = float(left.gauges.get("otel_jcmc.last_push_timestamp", 0))
        self._durations.resume(left.histograms)
        if self._fleet:
            self._fleet.resume(left.histograms)

    def expect(
        self,
        exporters: Iterable[str],
        *,
        spans: bool = False,
        events: bool = False,
        push_tokens: bool = False,
    ) -> None:
        """Begin at 0 the counts of *exporters*, and of spans, events and tokens if these are on."""
        for exporter in exporters:
            for outcome in _EXPORT_OUTCOMES.get(exporter, ()):
                self.exports.setdefault((exporter, outcome), 0)
        for wanted, counts in ((spans, self.spans), (events, self.events)):
            if wanted:
                for outcome in SENT_OUTCOMES:
                    counts.setdefault(outcome, 0)
        if push_tokens:
            self.push_tokens.update(_zeros(TOKEN_REFUSALS) | self.push_tokens)

    def count_dropped(self, reasons: Iterable[str]) -> None:
        """Count one dropped field for each of *reasons*."""
        for reason in reasons:
            self.dropped[reason] = self.dropped.get(reason, 0) + 1

    def count_push(self, outcome: str, reason: str = "", head: Head | None = None) -> None:
        """Count one push, and remember its *head* if the push was stored."""
        key = (outcome, reason)
        self.pushes[key] = self.pushes.get(key, 0) + 1
        if outcome == ACCEPTED:
            self.pushed_at, self.pushed_by = self._clock(), head

    def count_push_token(self, outcome: str, reason: str = "") -> None:
        """Count one request for a push token."""
        key = (outcome, reason)
        self.push_tokens[key] = self.push_tokens.get(key, 0) + 1

    def record_batch(self, seconds: float) -> None:
        """Record for a batch the *seconds* that its oldest push took."""
        self._durations.record("otel_jcmc.push_duration", seconds)

    def record_export(self, exporter: str, outcome: str, seconds: float, why: str = "") -> None:
        """Record a collection by *exporter*: *outcome*, *seconds*, and its error *why* if any."""
        key = (exporter, outcome)
        self.words[exporter] = why
        self.exports[key] = self.exports.get(key, 0) + 1
        self.exported_at[key] = self._clock()
        self._durations.record("otel_jcmc.collection_duration", seconds, exporter)

    def record_snapshot(self, participants: int | None, conferences: int | None) -> None:
        """Remember how many participants and conferences are live; None: Redis was unreadable."""
        self.participants, self.conferences = participants, conferences

    def count_look(self, outcome: str) -> None:
        """Count by *outcome* one search for what stands out among all participants."""
        self.looks[outcome] = self.looks.get(outcome, 0) + 1

    def record_spans(self, spans: dict[str, int], waiting: int | None, why: str = "") -> None:
        """
        Add *spans* (outcome -> number); remember how many wait (None: another replica knows).

        *why* is the receiver's error for spans that it did not accept.
        """
        self.spans_at = self._sent("spans", self.spans, spans, why) or self.spans_at
        self.spans_waiting = waiting

    def record_events(self, events: dict[str, int], waiting: int | None, why: str = "") -> None:
        """Add *events* (outcome -> number); the arguments are as in `record_spans`."""
        self.events_at = self._sent("events", self.events, events, why) or self.events_at
        self.events_waiting = waiting

    def _sent(self, what: str, counts: dict[str, int], more: dict[str, int], why: str) -> float:
        """Add *more* to *counts*; return the time now if *more* has sent items, otherwise 0."""
        self.words[what] = why
        for outcome, count in more.items():
            counts[outcome] = counts.get(outcome, 0) + count
        return self._clock() if more.get("sent") else 0.0

    def drop_events(self, count: int) -> None:
        """Count *count* events that were dropped and so never waited for a receiver."""
        self.events["dropped"] = self.events.get("dropped", 0) + count

    def durations(self) -> list[Family]:
        """Return the histograms of durations, over all processes."""
        return self._of_all(self._durations)

    def fleet(self) -> list[Family]:
        """Return the histograms of the fleet, over all processes."""
        return self._of_all(self._fleet) if self._fleet else []

    def histograms(self) -> list[Family]:
        """Return the histograms of durations and of the fleet, which the SDK does not have."""
        return [*self.durations(), *self.fleet()]

    def _of_all(self, histograms: Durations | Histograms) -> list[Family]:
        """Return *histograms* summed over all processes; they begin with the first process."""
        since = self.since()
        found = histograms.collect([figures.histograms for figures in self._others()])
        return [family._replace(since_unix_nano=since) for family in found]

    def since(self) -> int:
        """Return the Unix time in ns at which the first process began to count."""
        return min([self._since, *(figures.since_unix_nano for figures in self._others())])


def _zeros(refusals: Iterable[Reason], late: Iterable[Reason] = ()) -> dict[tuple[str, str], int]:
    """Return a dict with 0 for each (outcome, reason) that a push or a token request can have."""
    accepted = dict.fromkeys([(ACCEPTED, ""), *((ACCEPTED, reason) for reason in late)], 0)
    refused = dict.fromkeys(((REFUSED, reason) for reason in refusals), 0)
    return accepted | refused | dict.fromkeys(((FAILED, reason) for reason in FAILURES), 0)
