"""
Adds histograms to an OTLP request with the service's own metrics.

The histograms have the resource of that request, which names the service. They count the pushes of
all processes of the service.

Source: opentelemetry-proto, metrics.proto (HistogramDataPoint).
"""

from collections.abc import Iterable
from typing import Final

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AggregationTemporality,
    Histogram,
    HistogramDataPoint,
    Metric,
)

from otel_jcmc.metrics.histograms import Distribution, Family

_CUMULATIVE: Final = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE


def add_histograms(
    request: ExportMetricsServiceRequest, families: Iterable[Family], time_unix_nano: int
) -> None:
    """Add *families* to the first scope of *request*, with points at *time_unix_nano*."""
    scope = request.resource_metrics[0].scope_metrics[0]
    for family in families:
        points = [
            _point(each, family.since_unix_nano, time_unix_nano) for each in family.distributions
        ]
        histogram = Histogram(
            data_points=points,
            aggregation_temporality=_CUMULATIVE,
        )
        scope.metrics.append(
            Metric(
                name=family.name,
                description=family.description,
                unit=family.unit,
                histogram=histogram,
            )
        )


def begin_counters(request: ExportMetricsServiceRequest, since_unix_nano: int) -> None:
    """
    If cumulative counters in *request* begin later than *since_unix_nano*, set this beginning.

    The counters include the counts of an earlier process. For a receiver, a later beginning means
    that the counter started again at 0, so it would add the earlier counts a second time.
    """
    for resource in request.resource_metrics:
        for metric in (each for scope in resource.scope_metrics for each in scope.metrics):
            kind = metric.sum.aggregation_temporality
            if metric.sum.is_monotonic and kind == _CUMULATIVE:
                for point in metric.sum.data_points:
                    point.start_time_unix_nano = min(point.start_time_unix_nano, since_unix_nano)


def _point(of: Distribution, since_unix_nano: int, time_unix_nano: int) -> HistogramDataPoint:
    """Return one histogram, without minimum and maximum, which are not recorded."""
    return HistogramDataPoint(
        attributes=[
            KeyValue(key=name, value=AnyValue(string_value=text))
            for name, text in of.labels.items()
        ],
        start_time_unix_nano=since_unix_nano,
        time_unix_nano=time_unix_nano,
        count=sum(of.counts),
        sum=of.total,
        bucket_counts=of.counts,
        explicit_bounds=of.bounds,
    )
