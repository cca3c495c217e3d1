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
        description="Naming of the series: `jcmc` for the original's names, `otel` for names by"
        " OpenTelemetry's conventions (docs/metrics.md shows both).",
    )
    metrics_prefix: str = Field(
        "jitsi_jcmc_",
        validation_alias=named("METRICS_PREFIX"),
        description="Prefix of every metric name in the `jcmc` naming.",
    )
    # The following settings are OpenTelemetry's. The SDK's exporters themselves read all other
    # OTEL_EXPORTER_OTLP_* variables.
    metrics_exporter: Annotated[frozenset[str], NoDecode] = Field(
        frozenset(("prometheus",)),
        validation_alias=named("OTEL_METRICS_EXPORTER"),
        description="How metrics are exported: `prometheus` (Prometheus scrapes /metrics), `otlp`"
        " (the service sends them to a Collector), both separated by a comma, or `none`.",
    )
    export_interval_ms: int = Field(
        15_000,
        ge=100,
        validation_alias=named("OTEL_METRIC_EXPORT_INTERVAL"),
        description="Milliseconds between two OTLP exports. The specification's default of 60,000"
        " would be longer than METRICS_EXPIRATION keeps a participant.",
    )
    export_shares: int = Field(
        1,
        ge=1,
        le=64,
        validation_alias=named("JCMC_EXPORT_SHARES"),
        description="Number of shares that participants are divided into for the export by OTLP."
        " Several replicas can then export, each its own shares. With 1, one replica exports all"
        " participants. At most JCMC_PARTITIONS, and the same in all replicas. With"
        " JCMC_SERIES_PARTICIPANTS it is always 1.",
    )
    export_timeout_ms: int = Field(
        30_000,
        ge=100,
        validation_alias=named("OTEL_METRIC_EXPORT_TIMEOUT"),
        description="Most milliseconds for one OTLP export, including its retries.",
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
        description="URL of the Collector. Unset: http://127.0.0.1:4318 for http/protobuf,"
        " http://127.0.0.1:4317 for grpc.",
    )
    otlp_timeout_ms: int = Field(
        10_000,
        ge=1,
        validation_alias=named("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"),
        description="Most milliseconds for one OTLP request, including its retries.",
    )
    service_name: str = Field(
        "otel_jcmc",
        validation_alias=named("OTEL_SERVICE_NAME"),
        description="Resource attribute `service.name`.",
    )
    resource_attributes: str = Field(
        "",
        validation_alias=named("OTEL_RESOURCE_ATTRIBUTES"),
        description="Further resource attributes: `key=value`, separated by commas.",
    )

    @field_validator("metrics_exporter", mode="before")
    @classmethod
    def _split_exporters(cls, value: Any) -> Any:
        names = frozenset(split(value))
        if unknown := names - {"prometheus", "otlp", "none"}:
            raise ValueError(f"{sorted(unknown)} is unknown: set prometheus, otlp, both, or none")
        if "none" in names and len(names) > 1:
            raise ValueError("`none` must stand alone")
        return names - {"none"}

    @field_validator("metrics_prefix")
    @classmethod
    def _check_metrics_prefix(cls, prefix: str) -> str:
        if not _METRIC_PREFIX.fullmatch(prefix):
            raise ValueError(f"{prefix!r} can't begin a metric's name: [a-zA-Z_:][a-zA-Z0-9_:]*")
        return prefix
