"""
Exports the service's own metrics: counters and gauges by the stock SDK, and durations without it.

The metrics are the rows of catalogue/own.py. The caller gives functions that return the current
values over all processes. This file makes the text of a scrape, and the data for an OTLP reader.
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
    Exports the service's own metrics, to scrapes and to added OTLP readers.

    Concurrency: any thread may collect.
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
            count: returns the counts of the counter whose name it gets.
            measure: returns the value of the gauge whose name it gets; None if not known.
            durations: returns the histograms of durations that are not empty.
        """
        self._count, self._measure = count, measure
        self._added: list[MetricReader] = []
        self._registry = CollectorRegistry()
        prometheus = PrometheusMetricReader(scope_info_enabled=False, registry=self._registry)
        # Durations are not instruments of the SDK, because the SDK takes 6 µs to record one value.
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
        """Return one observation for each label set of the counter that has a count."""
        for key, count in self._count(row.name).items():
            values = (key,) if isinstance(key, str) else key
            yield Observation(count, dict(zip(row.labels, values, strict=True)))

    def _observe_gauge(self, row: OwnMetric, _options: CallbackOptions) -> list[Observation]:
        """Return a list with the gauge's observation; an empty list if its value is unknown."""
        value = self._measure(row.name)
        return [] if value is None else [Observation(value)]

    def exposition(self, *, openmetrics: bool) -> bytes:
        """Return the own metrics as text; the text of OpenMetrics includes the final `# EOF`."""
        write: Callable[[CollectorRegistry], bytes] = (
            generate_openmetrics if openmetrics else generate_latest
        )
        return write(self._registry)

    def add_reader(self, reader: MetricReader) -> None:
        """Let *reader* export the counters and gauges as well; it gets no histograms."""
        self._added.append(reader)
        self._provider.add_metric_reader(reader)

    def shut_down(self, timeout_millis: float) -> None:
        """Export to all readers a last time, and stop the readers."""
        # The SDK's provider shuts down only the readers that it was made with (1.44).
        for reader in self._added:
            reader.shutdown(timeout_millis=timeout_millis)
        self._provider.shutdown(timeout_millis=timeout_millis)


class _Durations:
    """Gives a scrape the histograms of durations."""

    def __init__(self, collect: Callable[[], list[Family]]) -> None:
        """Get the families from *collect* at each scrape."""
        self._collect = collect

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """Return the families for a scrape: each bucket's count includes the lower buckets."""
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
    """Return the value 1 with the versions of the service and of Python as labels."""
    build = {"version": __version__, "python_version": platform.python_version()}
    return [Observation(1, build)]
