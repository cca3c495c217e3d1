"""
The service's own metrics, on the stock SDK.

What happens often is a plain integer that an observable counter reads, because `Counter.add` costs
6 µs and a push may cost 40 in all; durations are counted in plain lists for the same reason. What
other processes of this service have counted is added (figures.py). The names are fixed: alerts and
dashboards build on them.
"""

import platform
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from time import monotonic
from typing import Final, Protocol

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader
from opentelemetry.sdk.resources import Resource
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from otel_jcmc.catalogue.conventions import SCHEMA_URL
from otel_jcmc.catalogue.own import OWN_METRICS
from otel_jcmc.catalogue.reasons import DROPS, FAILURES, LATE, REFUSALS, TOKEN_REFUSALS, Reason
from otel_jcmc.metrics.durations import Durations
from otel_jcmc.metrics.figures import Figures, Hear, add_counts
from otel_jcmc.metrics.histograms import Family, Histograms
from otel_jcmc.version import __version__

ACCEPTED: Final = "accepted"
REFUSED: Final = "refused"
FAILED: Final = "failed"
LOOK_OUTCOMES: Final = ("ok", "failed", "lost")
SPAN_OUTCOMES: Final = ("sent", "rejected", "dropped")
# What several processes say of a gauge together; else the most of it: but one knows it, or all the
# same.
_OF_LEVELS: Final[dict[str, Callable[[Iterable[int]], int]]] = {
    "otel_jcmc.connections": sum,
    "otel_jcmc.history_waiting": sum,
    "otel_jcmc.store_up": min,
}
# Exporter -> what may come of a collection; a receiver alone takes a part.
_EXPORT_OUTCOMES: Final = {"prometheus": ("ok", "failed"), "otlp": ("ok", "failed", "partial")}


def make_resource(service_name: str, attributes: str, instance_id: str) -> Resource:
    """
    Return the resource of our own metrics.

    *attributes* is OTEL_RESOURCE_ATTRIBUTES; an empty *instance_id* leaves the instance out,
    because a participant's series must not change when another replica pushes it.
    """
    found = {
        key.strip(): value.strip()
        for key, equals, value in (part.partition("=") for part in attributes.split(","))
        if equals and key.strip()
    }
    ours = {"service.name": service_name, "service.version": __version__}
    if instance_id:
        ours["service.instance.id"] = instance_id
    # Not Resource.create: its detectors add what the process is, not the service.
    sdk = {
        "telemetry.sdk.language": "python",
        "telemetry.sdk.name": "opentelemetry",
    }
    return Resource({**sdk, **ours, **found}, SCHEMA_URL)


class HistoryFigures(Protocol):
    """What history says of itself (sessions/recorder.py)."""

    @property
    def samples(self) -> dict[str, int]:
        """Outcome -> samples so far."""

    @property
    def evicted(self) -> dict[str, int]:
        """Reason -> sessions so far."""

    @property
    def sessions(self) -> int | None:
        """How many there are in Redis, None if that is not known now."""

    @property
    def taken_bytes(self) -> int | None:
        """What they take of it."""

    @property
    def waiting(self) -> int:
        """Samples that wait for it."""


class JoinFigures(Protocol):
    """What says how many have joined, and how many could not."""

    @property
    def outcomes(self) -> dict[tuple[str, str], int]:
        """(outcome, region) -> how many."""

    @property
    def failures(self) -> dict[tuple[str, str], int]:
        """(cause, region) -> how many."""


class Telemetry:
    """
    Our own counters, gauges and histograms.

    Attributes:
        pushes: (outcome, reason) -> pushes so far; the push endpoint counts here.
        push_tokens: (outcome, reason) -> requests for one so far.
        dropped: reason -> fields so far.
        participants, conferences: of the last collection; None when it had no store to read.
        standing_known: 1 if the last collection knew what stands out, 0 if not; None before.
        store_up: whether the last exchange with Redis worked.
        callback_errors: gauge -> errors so far, shared with the gauges' provider.
        count_connections: how many are open; None when nobody knows.
        history: what says how it is; None where nothing is recorded.
        joins: what says how many have joined; None where nobody counts them.
        connections_cut, reads_refused: shared with those who count.
    """

    def __init__(
        self,
        resource: Resource,
        history: HistoryFigures | None = None,
        callback_errors: dict[str, int] | None = None,
        connections_cut: dict[str, int] | None = None,
        count_connections: Callable[[], int | None] = lambda: None,
        joins: JoinFigures | None = None,
        histograms: Histograms | None = None,
        started: str = "serve",
        hear: Hear = list,
    ) -> None:
        """
        Declare everything; what is counted elsewhere is read from who counts it.

        Args:
            histograms: those of the fleet; None: nobody wants them.
            started: which kind of process this is.
            hear: returns what other processes have counted.
        """
        self.fleet = histograms
        self._durations = Durations()
        self._started, self._hear = started, hear
        # Zeros from the start, so that the first failure is an increase and not a new series.
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
        self.looks: dict[str, int] = dict.fromkeys(LOOK_OUTCOMES, 0)
        self.spans: dict[str, int] = {}
        self.spans_waiting: int | None = None
        self.callback_errors = {} if callback_errors is None else callback_errors
        self.count_connections = count_connections
        self.history = history
        self.joins = joins
        self.connections_cut = {} if connections_cut is None else connections_cut
        self.reads_refused: dict[tuple[str, str], int] = {}
        self.participants: int | None = None
        self.conferences: int | None = None
        self.standing_known: int | None = None
        self.store_up = False
        self._registry = CollectorRegistry()
        prometheus = PrometheusMetricReader(scope_info_enabled=False, registry=self._registry)
        self._provider = MeterProvider(
            metric_readers=[prometheus],
            resource=resource,
            shutdown_on_exit=False,
        )
        self._declare()

    def _declare(self) -> None:
        """Declare every instrument of ours, as OWN_METRICS has it."""
        meter = self._provider.get_meter("otel_jcmc", __version__, SCHEMA_URL)
        build = {"version": __version__, "python_version": platform.python_version()}
        for row in OWN_METRICS:
            told = row.unit, row.brief
            if row.kind == "counter":
                observe = partial(self._observe_count, row.name, row.labels)
                meter.create_observable_counter(row.name, [observe], *told)
            elif row.name == "otel_jcmc.build_info":
                meter.create_observable_gauge(row.name, [lambda _: [Observation(1, build)]], *told)
            elif row.kind == "gauge":
                meter.create_observable_gauge(
                    row.name, [partial(self._observe_level, row.name)], *told
                )

    def _counts(self) -> dict[str, Mapping[tuple[str, str], int] | Mapping[str, int]]:
        """Return what this process has counted, by the names of the counters."""
        joins, history = self.joins, self.history
        return {
            "otel_jcmc.pushes": self.pushes,
            "otel_jcmc.push_tokens": self.push_tokens,
            "otel_jcmc.fields_dropped": self.dropped,
            "otel_jcmc.participants_suppressed": self.suppressed,
            "otel_jcmc.joins": joins.outcomes if joins else {},
            "otel_jcmc.joins_failed": joins.failures if joins else {},
            "otel_jcmc.looks": self.looks,
            "otel_jcmc.exports": self.exports,
            "otel_jcmc.history_samples": history.samples if history else {},
            "otel_jcmc.history_sessions_evicted": history.evicted if history else {},
            "otel_jcmc.spans": self.spans,
            "otel_jcmc.callback_errors": self.callback_errors,
            "otel_jcmc.connections_cut": self.connections_cut,
            "otel_jcmc.reads_refused": self.reads_refused,
            "otel_jcmc.process_starts": {self._started: 1},
        }

    def _levels(self) -> dict[str, int | None]:
        """Return what this process knows of each gauge; None: nothing now."""
        history = self.history
        return {
            "otel_jcmc.standing_known": self.standing_known,
            "otel_jcmc.history_sessions": history.sessions if history else None,
            "otel_jcmc.history_bytes": history.taken_bytes if history else None,
            "otel_jcmc.history_waiting": history.waiting if history else None,
            "otel_jcmc.spans_waiting": self.spans_waiting,
            "otel_jcmc.participants": self.participants,
            "otel_jcmc.conferences": self.conferences,
            "otel_jcmc.connections": self.count_connections(),
            "otel_jcmc.store_up": int(self.store_up),
        }

    def _observe_count(
        self, name: str, labels: tuple[str, ...], _options: CallbackOptions
    ) -> Iterable[Observation]:
        """Return the counter *name* over all processes, as the SDK asks for it."""
        others = [each.counts.get(name, {}) for each in self._hear()]
        total = add_counts([_keyed(self._counts()[name]), *others])
        return [
            Observation(count, dict(zip(labels, key, strict=True))) for key, count in total.items()
        ]

    def _observe_level(self, name: str, _options: CallbackOptions) -> Iterable[Observation]:
        """Return the gauge *name* over all processes that are there."""
        told = [self._levels()[name]]
        told += [each.levels.get(name) for each in self._hear() if each.is_fresh]
        known = [each for each in told if each is not None]
        return [Observation(_OF_LEVELS.get(name, max)(known))] if known else []

    def figures(self) -> Figures:
        """Return what this process has counted, for the others."""
        buckets = self._durations.buckets() | (self.fleet.buckets() if self.fleet else {})
        return Figures(
            monotonic(),
            {name: _keyed(counts) for name, counts in self._counts().items()},
            {name: level for name, level in self._levels().items() if level is not None},
            buckets,
        )

    def families(self) -> list[Family]:
        """Return all histograms over all processes: the durations, and those of the fleet."""
        others = [each.buckets for each in self._hear()]
        fleet = self.fleet.collect(others) if self.fleet else []
        return [*self._durations.collect(others), *fleet]

    def expect(
        self, exporters: Iterable[str], *, spans: bool = False, push_tokens: bool = False
    ) -> None:
        """Begin with zeros what only some deployments have: these *exporters*, spans, tokens."""
        for exporter in exporters:
            for outcome in _EXPORT_OUTCOMES.get(exporter, ()):
                self.exports.setdefault((exporter, outcome), 0)
        if spans:
            self.spans = dict.fromkeys(SPAN_OUTCOMES, 0) | self.spans
        if push_tokens:
            self.push_tokens.update(_zeros(TOKEN_REFUSALS) | self.push_tokens)

    def count_dropped(self, reasons: Iterable[str]) -> None:
        """Count fields that were dropped."""
        for reason in reasons:
            self.dropped[reason] = self.dropped.get(reason, 0) + 1

    def count_push(self, outcome: str, reason: str = "") -> None:
        """Count one push."""
        key = (outcome, reason)
        self.pushes[key] = self.pushes.get(key, 0) + 1

    def count_push_token(self, outcome: str, reason: str = "") -> None:
        """Count one request for a push token."""
        key = (outcome, reason)
        self.push_tokens[key] = self.push_tokens.get(key, 0) + 1

    def record_batch(self, seconds: float) -> None:
        """Record how long the oldest push of a batch took."""
        self._durations.record("otel_jcmc.push_duration", seconds)

    def record_export(self, exporter: str, outcome: str, seconds: float) -> None:
        """Record one collection by *exporter* and whether it got out."""
        key = (exporter, outcome)
        self.exports[key] = self.exports.get(key, 0) + 1
        self._durations.record("otel_jcmc.collection_duration", seconds, exporter)

    def record_snapshot(self, participants: int | None, conferences: int | None) -> None:
        """Remember how many were live; None when there was no store to ask."""
        self.participants, self.conferences = participants, conferences

    def count_look(self, outcome: str) -> None:
        """Count one look for what stands out."""
        self.looks[outcome] = self.looks.get(outcome, 0) + 1

    def record_spans(self, spans: dict[str, int], waiting: int | None) -> None:
        """Count *spans* by outcome, and remember how many wait; None: another replica knows."""
        for outcome, count in spans.items():
            self.spans[outcome] = self.spans.get(outcome, 0) + count
        self.spans_waiting = waiting

    def exposition(self, *, openmetrics: bool) -> bytes:
        """Return our own metrics as text, in OpenMetrics with its end mark."""
        write: Callable[[CollectorRegistry], bytes] = (
            generate_openmetrics if openmetrics else generate_latest
        )
        return write(self._registry)

    def add_reader(self, reader: MetricReader) -> None:
        """Export everything by *reader* too."""
        self._provider.add_metric_reader(reader)

    def shut_down(self, timeout_millis: float) -> None:
        """Export a last time and stop."""
        self._provider.shutdown(timeout_millis=timeout_millis)


def _zeros(refusals: Iterable[Reason], late: Iterable[Reason] = ()) -> dict[tuple[str, str], int]:
    """Return a zero for each outcome of a request and its reason."""
    accepted = dict.fromkeys([(ACCEPTED, ""), *((ACCEPTED, reason) for reason in late)], 0)
    refused = dict.fromkeys(((REFUSED, reason) for reason in refusals), 0)
    return accepted | refused | dict.fromkeys(((FAILED, reason) for reason in FAILURES), 0)


def _keyed(
    counts: Mapping[tuple[str, str], int] | Mapping[str, int],
) -> dict[tuple[str, ...], int]:
    """Return *counts* by the values of all labels; others may count meanwhile."""
    copied = dict(counts)
    return {key if isinstance(key, tuple) else (key,): count for key, count in copied.items()}
