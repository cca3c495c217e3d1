"""Sessions: what history keeps of them, and conferences as traces."""

from typing import Literal

from pydantic import Field

from otel_jcmc.config.fields import Group, named


class SessionSettings(Group):
    """Sessions: what history keeps of them, and conferences as traces."""

    history_hours: int = Field(
        24,
        ge=0,
        le=24 * 31,
        validation_alias=named("JCMC_HISTORY_HOURS"),
        description="Hours for which a session's history is kept; 0: none is.",
    )
    history_interval_seconds: int = Field(
        30,
        ge=1,
        le=3600,
        validation_alias=named("JCMC_HISTORY_INTERVAL"),
        description="Seconds of which history has one sample: the last push, and the worst and best"
        " of quality, loss and round trip.",
    )
    history_samples: int = Field(
        6000,
        ge=1,
        le=100_000,
        validation_alias=named("JCMC_HISTORY_SAMPLES"),
        description="Most samples of one session; the oldest go.",
    )
    history_sessions: int = Field(
        200_000,
        ge=0,
        validation_alias=named("JCMC_HISTORY_SESSIONS"),
        description="Most sessions in history; the oldest go. 0 for any number.",
    )
    history_max_bytes: int = Field(
        256 * 1024 * 1024,
        ge=1024 * 1024,
        validation_alias=named("JCMC_HISTORY_MAX_BYTES"),
        description="Most bytes of Redis that history may take; the oldest sessions go.",
    )
    summary_days: int = Field(
        0,
        ge=0,
        le=400,
        validation_alias=named("JCMC_SUMMARY_DAYS"),
        description="Days for which a summary of each session is kept, without anybody's name or"
        " id; 0: none is.",
    )
    summary_max_bytes: int = Field(
        256 * 1024 * 1024,
        ge=1024 * 1024,
        validation_alias=named("JCMC_SUMMARY_MAX_BYTES"),
        description="Most bytes of Redis that summaries may take; the oldest go.",
    )
    summary_names: bool = Field(
        False,
        validation_alias=named("JCMC_SUMMARY_NAMES"),
        description="Summaries have the conference, the client, the participant and its display"
        " name, as privacy leaves them.",
    )
    # A conference as a trace.
    traces_exporter: Literal["none", "otlp"] = Field(
        "none",
        validation_alias=named("OTEL_TRACES_EXPORTER"),
        description="`otlp`: each session that ends is sent as a span, and a conference is a trace"
        " (docs/traces.md). `none`: they are not.",
    )
    session_grace_seconds: int = Field(
        60,
        ge=1,
        le=3600,
        validation_alias=named("JCMC_SESSION_GRACE"),
        description="Seconds after an expiry in which who comes back goes on with the same session;"
        " a room that is empty for as long is another conference afterwards.",
    )
    traces_waiting: int = Field(
        100_000,
        ge=100,
        validation_alias=named("JCMC_TRACES_WAITING"),
        description="Most spans that wait in Redis for a receiver that is away; the oldest go.",
    )
    bad_quality: float = Field(
        30,
        ge=0,
        le=100,
        validation_alias=named("JCMC_BAD_QUALITY"),
        description="Spans tell for how long the connection quality was below this"
        " (`jitsi.session.quality.bad_share`); it makes no call bad. Jitsi's page calls it good"
        " from 30 on (jitsi-meet, INDICATOR_DISPLAY_THRESHOLD).",
    )
    bad_packet_loss: float = Field(
        5,
        ge=0,
        le=100,
        validation_alias=named("JCMC_BAD_PACKET_LOSS"),
        description="A packet loss above this, in percent, is bad, for the verdict and"
        " what stands on it: between the 2 % up to which a browser's congestion control still sends"
        " more and the 10 % from which on it sends less (draft-ietf-rmcat-gcc-02).",
    )
    bad_round_trip_ms: float = Field(
        400,
        ge=0,
        validation_alias=named("JCMC_BAD_ROUND_TRIP"),
        description="A round trip above this, in ms, is bad, for the verdict and what stands on it:"
        " 200 ms one way to the bridge, and for two such participants the 400 ms that should not"
        " be exceeded (ITU-T G.114).",
    )
    otlp_traces_protocol: Literal["grpc", "http/protobuf"] | None = Field(
        None,
        validation_alias=named("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"),
        description="OTLP transport of spans: `grpc` or `http/protobuf`. Unset:"
        " OTEL_EXPORTER_OTLP_PROTOCOL, as for metrics.",
    )
    otlp_traces_endpoint: str | None = Field(
        None,
        validation_alias=named("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"),
        description="Where spans go, as it is. Unset: OTEL_EXPORTER_OTLP_ENDPOINT, as for metrics.",
    )
    otlp_traces_timeout_ms: int | None = Field(
        None,
        ge=1,
        validation_alias=named("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT"),
        description="Milliseconds that one request with spans may take. Unset:"
        " OTEL_EXPORTER_OTLP_TIMEOUT, as for metrics.",
    )
    trace_url: str | None = Field(
        None,
        validation_alias=named("JCMC_TRACE_URL"),
        description="Where a trace is to be seen, for a link on the page of a session:"
        " `https://traces.example.org/trace/{trace_id}`. `{trace_id}` and, if it is there,"
        " `{span_id}` are put in. Unset: no link.",
    )

    @property
    def keeps_sessions(self) -> bool:
        """Whether anything is kept of sessions: for history, for summaries or for spans."""
        return self.history_hours > 0 or self.summary_days > 0 or self.traces_exporter == "otlp"
