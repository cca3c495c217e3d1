"""Sessions: what history and summaries keep of them, and conferences as traces."""

from typing import Literal

from pydantic import Field

from otel_jcmc.config.fields import Group, named


class SessionSettings(Group):
    """Sessions: what history and summaries keep of them, and conferences as traces."""

    history_hours: int = Field(
        24,
        ge=0,
        le=24 * 31,
        validation_alias=named("JCMC_HISTORY_HOURS"),
        description="Hours for which the history of a session is kept. 0: no history.",
    )
    history_interval_seconds: int = Field(
        30,
        ge=1,
        le=3600,
        validation_alias=named("JCMC_HISTORY_INTERVAL"),
        description="Seconds that one sample of history covers. A sample has the last push, and the"
        " worst and best values of quality, loss and round trip.",
    )
    history_samples: int = Field(
        6000,
        ge=1,
        le=100_000,
        validation_alias=named("JCMC_HISTORY_SAMPLES"),
        description="Most samples of one session; beyond that the oldest are removed.",
    )
    history_sessions: int = Field(
        200_000,
        ge=0,
        validation_alias=named("JCMC_HISTORY_SESSIONS"),
        description="Most sessions in history; beyond that the oldest are removed. 0: no limit.",
    )
    history_max_bytes: int = Field(
        256 * 1024 * 1024,
        ge=1024 * 1024,
        validation_alias=named("JCMC_HISTORY_MAX_BYTES"),
        description="Most bytes that history may take in Redis; beyond that the oldest sessions are"
        " removed.",
    )
    summary_days: int = Field(
        0,
        ge=0,
        le=400,
        validation_alias=named("JCMC_SUMMARY_DAYS"),
        description="Days for which a summary of each session is kept, without names and ids. 0: no"
        " summaries.",
    )
    summary_max_bytes: int = Field(
        256 * 1024 * 1024,
        ge=1024 * 1024,
        validation_alias=named("JCMC_SUMMARY_MAX_BYTES"),
        description="Most bytes that summaries may take in Redis; beyond that the oldest are"
        " removed.",
    )
    summary_names: bool = Field(
        False,
        validation_alias=named("JCMC_SUMMARY_NAMES"),
        description="Keep the conference, the client, the participant and its display name in"
        " summaries, as JCMC_PRIVACY leaves them.",
    )
    # A conference as a trace.
    traces_exporter: Literal["none", "otlp"] = Field(
        "none",
        validation_alias=named("OTEL_TRACES_EXPORTER"),
        description="`otlp`: the service sends each session that has ended as a span; a conference"
        " is a trace (docs/traces.md). `none`: the service sends no spans.",
    )
    session_grace_seconds: int = Field(
        60,
        ge=1,
        le=3600,
        validation_alias=named("JCMC_SESSION_GRACE"),
        description="If a participant comes back within this many seconds after it expired, it"
        " continues the same session. If a conference has been empty for this many seconds, the"
        " next join begins a new instance.",
    )
    traces_waiting: int = Field(
        100_000,
        ge=100,
        validation_alias=named("JCMC_TRACES_WAITING"),
        description="Most spans that wait in Redis while the receiver is away; beyond that the"
        " oldest are removed.",
    )
    bad_quality: float = Field(
        30,
        ge=0,
        le=100,
        validation_alias=named("JCMC_BAD_QUALITY"),
        description="A span has the share of the time in which the connection quality was below"
        " this value (`jitsi.session.quality.bad_share`). The verdict does not use it. The Jitsi"
        " page shows the quality as good from 30 on (jitsi-meet, INDICATOR_DISPLAY_THRESHOLD).",
    )
    bad_packet_loss: float = Field(
        5,
        ge=0,
        le=100,
        validation_alias=named("JCMC_BAD_PACKET_LOSS"),
        description="Packet loss in percent above which the verdict is bad. The default lies"
        " between two limits of a browser's congestion control: up to 2 % it sends more, above 10 %"
        " it sends less (draft-ietf-rmcat-gcc-02).",
    )
    bad_round_trip_ms: float = Field(
        400,
        ge=0,
        validation_alias=named("JCMC_BAD_ROUND_TRIP"),
        description="Round-trip time in ms above which the verdict is bad. A round trip of 400 ms,"
        " the default, is 200 ms each way. From one such participant through the bridge to another"
        " sound takes 400 ms, which should not be exceeded (ITU-T G.114).",
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
        description="URL that spans are sent to; nothing is added to it. Unset:"
        " OTEL_EXPORTER_OTLP_ENDPOINT, as for metrics.",
    )
    otlp_traces_timeout_ms: int | None = Field(
        None,
        ge=1,
        validation_alias=named("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT"),
        description="Most milliseconds for one request with spans. Unset:"
        " OTEL_EXPORTER_OTLP_TIMEOUT, as for metrics.",
    )
    trace_url: str | None = Field(
        None,
        validation_alias=named("JCMC_TRACE_URL"),
        description="URL where a trace can be seen, for a link on a session's page:"
        " `https://traces.example.org/trace/{trace_id}`. The service fills in `{trace_id}` and, if"
        " present, `{span_id}`. Unset: no link.",
    )

    @property
    def keeps_sessions(self) -> bool:
        """Whether sessions are kept at all: for history, summaries or spans."""
        return self.history_hours > 0 or self.summary_days > 0 or self.traces_exporter == "otlp"
