"""
The service's own metrics, as they are shown: counters and gauges on the stock SDK, and durations.

In come the rows of catalogue/own.py and what says how each of them is now, over all processes; out
come the text of a scrape, and what an OTLP reader collects.
"""

import platform
from collections.abc import Callable, Iterator
from functools import partial
from itertools import accumulate
from typing import Final

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader
from opentelemetry.sdk.resources import Resource
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import HistogramMetricFamily
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from otel_jcmc.catalogue.conventions import SCHEMA_URL
from otel_jcmc.catalogue.own import OWN_METRICS, OwnMetric
from otel_jcmc.metrics.figures import Counts
from otel_jcmc.metrics.histograms import Family
from otel_jcmc.version import __version__

_SHOWN_NAMES: Final = {row.name: row.prometheus_name for row in OWN_METRICS}


class Instruments:
    """
    The instruments of our own metrics.

    Concurrency: to be collected from any thread.
    """

    def __init__(
        self,
        resource: Resource,
        count: Callable[[str], Counts],
        measure: Callable[[str], int | None],
        durations: Callable[[], list[Family]],
    ) -> None:
        """
        Declare every row.

        Args:
            count: returns what was counted by the counter of a name.
            measure: returns how the gauge of a name is, None where that is not known.
            durations: returns the histograms that have something in them.
        """
        self._count, self._measure = count, measure
        self._added: list[MetricReader] = []
        self._registry = CollectorRegistry()
        prometheus = PrometheusMetricReader(scope_info_enabled=False, registry=self._registry)
        # They are no instruments: it would cost the SDK 6 µs to take one value.
        self._registry.register(_Durations(durations))
        self._provider = MeterProvider(
            metric_readers=[prometheus], resource=resource, shutdown_on_exit=False
        )
        self._declare()

    def _declare(self) -> None:
        """Declare every counter and every gauge."""
        meter = self._provider.get_meter("otel_jcmc", __version__, SCHEMA_URL)
        for row in OWN_METRICS:
            if row.kind == "counter":
                observe = partial(self._observe_counter, row)
                meter.create_observable_counter(row.name, [observe], row.unit, row.brief)
            elif row.kind == "gauge":
                callback = _observe_build if row.labels else partial(self._observe_gauge, row)
                meter.create_observable_gauge(row.name, [callback], row.unit, row.brief)

    def _observe_counter(self, row: OwnMetric, _options: CallbackOptions) -> Iterator[Observation]:
        """Return one observation for each label set that was counted."""
        for key, count in self._count(row.name).items():
            values = (key,) if isinstance(key, str) else key
            yield Observation(count, dict(zip(row.labels, values, strict=True)))

    def _observe_gauge(self, row: OwnMetric, _options: CallbackOptions) -> list[Observation]:
        """Return an observation of a gauge that is known."""
        value = self._measure(row.name)
        return [] if value is None else [Observation(value)]

    def exposition(self, *, openmetrics: bool) -> bytes:
        """Return our own metrics as text, in OpenMetrics with its end mark."""
        write: Callable[[CollectorRegistry], bytes] = (
            generate_openmetrics if openmetrics else generate_latest
        )
        return write(self._registry)

    def add_reader(self, reader: MetricReader) -> None:
        """Export everything but histograms by *reader* too."""
        self._added.append(reader)
        self._provider.add_metric_reader(reader)

    def shut_down(self, timeout_millis: float) -> None:
        """Export a last time and stop."""
        # The SDK's provider ends those readers alone that it was made with (1.44).
        for reader in self._added:
            reader.shutdown(timeout_millis=timeout_millis)
        self._provider.shutdown(timeout_millis=timeout_millis)


class _Durations:
    """Durations among our own metrics in a scrape."""

    def __init__(self, collect: Callable[[], list[Family]]) -> None:
        """Show what *collect* returns."""
        self._collect = collect

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """Return the families as the exposition asks for them; each bucket holds those below it."""
        for family in self._collect():
            name = _SHOWN_NAMES[family.name]
            labels = [*family.distributions[0].labels]
            shown = HistogramMetricFamily(name, family.description, labels=labels, unit="seconds")
            for each in family.distributions:
                bounds = [*map(str, each.bounds), "+Inf"]
                buckets = [*zip(bounds, accumulate(each.counts), strict=True)]
                shown.add_metric([*each.labels.values()], buckets, each.total)
            yield shown


def _observe_build(_options: CallbackOptions) -> list[Observation]:
    """Return the versions, which are those of all processes."""
    build = {"version": __version__, "python_version": platform.python_version()}
    return [Observation(1, build)]
