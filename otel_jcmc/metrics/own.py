"""
The service's own metrics, on the stock SDK.

What happens often is a plain integer that an observable counter reads, because `Counter.add` costs
6 µs and a push may cost 40 in all; what happens once a batch or a collection is recorded as it
comes. The names are fixed: alerts and dashboards build on them.
"""

import platform
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final, Protocol

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader
from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from otel_jcmc.catalogue.conventions import SCHEMA_URL
from otel_jcmc.catalogue.own import OWN_METRICS
from otel_jcmc.catalogue.reasons import DROPS, FAILURES, LATE, REFUSALS, TOKEN_REFUSALS, Reason
from otel_jcmc.version import __version__

# From a push on an idle machine (0.5 ms) to the deadline (0.9 s), and a collection of thousands.
_SECONDS: Final = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
ACCEPTED: Final = "accepted"
REFUSED: Final = "refused"
FAILED: Final = "failed"
LOOK_OUTCOMES: Final = ("ok", "failed", "lost")
SPAN_OUTCOMES: Final = ("sent", "rejected", "dropped")
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
        partitions_unread: how many the last collection could not read; None before.
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
    ) -> None:
        """Declare everything; what is counted elsewhere is read from who counts it."""
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
        self.partitions_unread: int | None = None
        self.store_up = False
        self._registry = CollectorRegistry()
        prometheus = PrometheusMetricReader(scope_info_enabled=False, registry=self._registry)
        self._provider = MeterProvider(
            metric_readers=[prometheus],
            resource=resource,
            views=[
                View(
                    instrument_type=Histogram,
                    aggregation=ExplicitBucketHistogramAggregation(_SECONDS),
                )
            ],
            shutdown_on_exit=False,
        )
        self._declare()

    def _declare(self) -> None:
        """Declare every instrument of ours, as OWN_METRICS has it."""
        meter = self._provider.get_meter("otel_jcmc", __version__, SCHEMA_URL)
        build = {"version": __version__, "python_version": platform.python_version()}
        observed: dict[str, Callable[[], list[Observation]]] = {
            "otel_jcmc.pushes": lambda: _pairs(self.pushes, "outcome", "reason"),
            "otel_jcmc.push_tokens": lambda: _pairs(self.push_tokens, "outcome", "reason"),
            "otel_jcmc.fields_dropped": lambda: _singles(self.dropped, "reason"),
            "otel_jcmc.participants_suppressed": lambda: _singles(self.suppressed, "reason"),
            "otel_jcmc.joins": lambda: (
                _pairs(self.joins.outcomes, "outcome", "region") if self.joins else []
            ),
            "otel_jcmc.joins_failed": lambda: (
                _pairs(self.joins.failures, "cause", "region") if self.joins else []
            ),
            "otel_jcmc.looks": lambda: _singles(self.looks, "outcome"),
            "otel_jcmc.standing_known": lambda: _known(self.standing_known),
            "otel_jcmc.partitions_unread": lambda: _known(self.partitions_unread),
            "otel_jcmc.exports": lambda: _pairs(self.exports, "exporter", "outcome"),
            **self._of_history(),
            "otel_jcmc.spans": lambda: _singles(self.spans, "outcome"),
            "otel_jcmc.spans_waiting": lambda: _known(self.spans_waiting),
            "otel_jcmc.callback_errors": lambda: _singles(self.callback_errors, "gauge"),
            "otel_jcmc.participants": lambda: _known(self.participants),
            "otel_jcmc.conferences": lambda: _known(self.conferences),
            "otel_jcmc.connections": lambda: _known(self.count_connections()),
            "otel_jcmc.connections_cut": lambda: _singles(self.connections_cut, "reason"),
            "otel_jcmc.reads_refused": lambda: _pairs(self.reads_refused, "door", "reason"),
            "otel_jcmc.store_up": lambda: [Observation(int(self.store_up))],
            "otel_jcmc.build_info": lambda: [Observation(1, build)],
        }
        self._histograms = {}
        for row in OWN_METRICS:
            if row.kind == "histogram":
                self._histograms[row.name] = meter.create_histogram(row.name, row.unit, row.brief)
                continue
            is_counter = row.kind == "counter"
            create = (
                meter.create_observable_counter if is_counter else meter.create_observable_gauge
            )
            create(row.name, [partial(_observe, observed[row.name])], row.unit, row.brief)

    def _of_history(self) -> dict[str, Callable[[], list[Observation]]]:
        """Return what is observed of history, nothing where there is none."""

        def kept(
            observe: Callable[[HistoryFigures], list[Observation]],
        ) -> Callable[[], list[Observation]]:
            return lambda: [] if self.history is None else observe(self.history)

        return {
            "otel_jcmc.history_samples": kept(lambda its: _singles(its.samples, "outcome")),
            "otel_jcmc.history_sessions_evicted": kept(lambda its: _singles(its.evicted, "reason")),
            "otel_jcmc.history_sessions": kept(lambda its: _known(its.sessions)),
            "otel_jcmc.history_bytes": kept(lambda its: _known(its.taken_bytes)),
            "otel_jcmc.history_waiting": kept(lambda its: _known(its.waiting)),
        }

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
        self._histograms["otel_jcmc.push_duration"].record(seconds)

    def record_export(self, exporter: str, outcome: str, seconds: float) -> None:
        """Record one collection by *exporter* and whether it got out."""
        key = (exporter, outcome)
        self.exports[key] = self.exports.get(key, 0) + 1
        self._histograms["otel_jcmc.collection_duration"].record(seconds, {"exporter": exporter})

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


def _observe(
    observe: Callable[[], list[Observation]], _options: CallbackOptions
) -> Iterable[Observation]:
    """Return what *observe* does, as the SDK asks for it."""
    return observe()


def _pairs(counts: dict[tuple[str, str], int], first: str, second: str) -> list[Observation]:
    """Return one observation for each pair that was counted; others may count meanwhile."""
    return [Observation(n, {first: a, second: b}) for (a, b), n in counts.copy().items()]


def _singles(counts: dict[str, int], name: str) -> list[Observation]:
    """Return one observation for each word that was counted."""
    return [Observation(count, {name: word}) for word, count in counts.copy().items()]


def _known(count: int | None) -> list[Observation]:
    """Return an observation of a *count* that is known."""
    return [] if count is None else [Observation(count)]
