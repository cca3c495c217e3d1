"""
The histograms of the fleet -> points of an OTLP request, beside the service's own metrics.

They have that request's resource, which names the instance: each process counts by itself.

Source: opentelemetry-proto, metrics.proto (HistogramDataPoint).
"""

from collections.abc import Iterable

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


def add_histograms(
    request: ExportMetricsServiceRequest, families: Iterable[Family], time_unix_nano: int
) -> None:
    """Add *families*, as they are at *time_unix_nano*, to the first scope of *request*."""
    scope = request.resource_metrics[0].scope_metrics[0]
    for family in families:
        points = [
            _point(each, family.since_unix_nano, time_unix_nano) for each in family.distributions
        ]
        histogram = Histogram(
            data_points=points,
            aggregation_temporality=AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE,
        )
        scope.metrics.append(
            Metric(
                name=family.name,
                description=family.description,
                unit=family.unit,
                histogram=histogram,
            )
        )


def _point(of: Distribution, since_unix_nano: int, time_unix_nano: int) -> HistogramDataPoint:
    """Return one histogram; least and greatest value are left out, which nobody counts."""
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
