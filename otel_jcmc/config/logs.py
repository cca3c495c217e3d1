"""Events: what happened to participants and conferences, as OpenTelemetry log records."""

from typing import Literal

from pydantic import Field

from otel_jcmc.config.fields import Group, named


class LogSettings(Group):
    """Events: what happened to participants and conferences, as OpenTelemetry log records."""

    logs_exporter: Literal["none", "otlp"] = Field(
        "none",
        validation_alias=named("OTEL_LOGS_EXPORTER"),
        description="`otlp`: the service sends outages, failed joins, ratings and what stands out"
        " as log records that are events (docs/logs.md). `none`: the service sends no events.",
    )
    logs_waiting: int = Field(
        50_000,
        ge=100,
        validation_alias=named("JCMC_LOGS_WAITING"),
        description="Most events that wait in Redis while the receiver is away, an equal share in"
        " each partition. Beyond that the oldest are removed.",
    )
    otlp_logs_protocol: Literal["grpc", "http/protobuf"] | None = Field(
        None,
        validation_alias=named("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL"),
        description="OTLP transport of events: `grpc` or `http/protobuf`. Unset:"
        " OTEL_EXPORTER_OTLP_PROTOCOL, as for metrics.",
    )
    otlp_logs_endpoint: str | None = Field(
        None,
        validation_alias=named("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT"),
        description="URL that events are sent to; nothing is added to it. Unset:"
        " OTEL_EXPORTER_OTLP_ENDPOINT, as for metrics.",
    )
    otlp_logs_timeout_ms: int | None = Field(
        None,
        ge=1,
        validation_alias=named("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT"),
        description="Most milliseconds for one request with events. Unset:"
        " OTEL_EXPORTER_OTLP_TIMEOUT, as for metrics.",
    )
