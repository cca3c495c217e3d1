"""Metrics: their names, and where they are exported to."""

import re
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from otel_jcmc.catalogue.rows import Naming
from otel_jcmc.config.fields import Group, named, split

_METRIC_PREFIX = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")


class OtelSettings(Group):
    """Metrics: their names, and where they are exported to."""

    naming: Naming = Field(
        Naming.JCMC,
        validation_alias=named("JCMC_NAMING"),
        description="Names of the series: `jcmc` as the original's, `otel` as OpenTelemetry has"
        " them (docs/metrics.md shows both).",
    )
    metrics_prefix: str = Field(
        "jitsi_jcmc_",
        validation_alias=named("METRICS_PREFIX"),
        description="Stands before every metric's name in the `jcmc` naming.",
    )
    # OpenTelemetry's. The exporters read the other OTEL_EXPORTER_OTLP_* variables themselves.
    metrics_exporter: Annotated[frozenset[str], NoDecode] = Field(
        frozenset(("prometheus",)),
        validation_alias=named("OTEL_METRICS_EXPORTER"),
        description="How metrics leave: `prometheus` (scrape of /metrics), `otlp` (push to a"
        " Collector), both with a comma, or `none`.",
    )
    export_interval_ms: int = Field(
        15_000,
        ge=100,
        validation_alias=named("OTEL_METRIC_EXPORT_INTERVAL"),
        description="Milliseconds between two OTLP pushes. Not the specification's 60,000, which is"
        " longer than a participant lives.",
    )
    export_shares: int = Field(
        1,
        ge=1,
        le=64,
        validation_alias=named("JCMC_EXPORT_SHARES"),
        description="In how many shares the replicas push participants by OTLP: with 1 one of them"
        " pushes everybody. At most as many as JCMC_PARTITIONS, the same in all replicas; 1 where"
        " JCMC_SERIES_PARTICIPANTS is set.",
    )
    export_timeout_ms: int = Field(
        30_000,
        ge=100,
        validation_alias=named("OTEL_METRIC_EXPORT_TIMEOUT"),
        description="Milliseconds that one OTLP push may take, its retries included.",
    )
    otlp_protocol: Literal["grpc", "http/protobuf"] = Field(
        "http/protobuf",
        validation_alias=named(
            "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"
        ),
        description="OTLP transport: `grpc` or `http/protobuf`.",
    )
    otlp_endpoint: str | None = Field(
        None,
        validation_alias=named(
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"
        ),
        description="Where the Collector is: http://127.0.0.1:4318 for http/protobuf,"
        " http://127.0.0.1:4317 for grpc when unset.",
    )
    otlp_timeout_ms: int = Field(
        10_000,
        ge=1,
        validation_alias=named("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"),
        description="Milliseconds that one OTLP request may take, its retries included.",
    )
    service_name: str = Field(
        "otel_jcmc",
        validation_alias=named("OTEL_SERVICE_NAME"),
        description="Resource attribute `service.name`.",
    )
    resource_attributes: str = Field(
        "",
        validation_alias=named("OTEL_RESOURCE_ATTRIBUTES"),
        description="More resource attributes, `key=value` with commas.",
    )

    @field_validator("metrics_exporter", mode="before")
    @classmethod
    def _split_exporters(cls, value: Any) -> Any:
        names = frozenset(split(value))
        if unknown := names - {"prometheus", "otlp", "none"}:
            raise ValueError(f"{sorted(unknown)} can't be had: prometheus, otlp, or none")
        if "none" in names and len(names) > 1:
            raise ValueError("`none` stands alone")
        return names - {"none"}

    @field_validator("metrics_prefix")
    @classmethod
    def _check_metrics_prefix(cls, prefix: str) -> str:
        if not _METRIC_PREFIX.fullmatch(prefix):
            raise ValueError(f"{prefix!r} can't begin a metric's name: [a-zA-Z_:][a-zA-Z0-9_:]*")
        return prefix
