"""Sessions that end, from the push to the receiver: the service, its exporter, a real sink."""

from pathlib import Path
from typing import Any

from harness import Service, eventually, push_body
from otlp_sink import OtlpSink

from otel_jcmc.embedded import EmbeddedStore


def environ(sink: OtlpSink, **more: str) -> dict[str, str]:
    """Return what makes a service send spans to *sink* by HTTP."""
    return {
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_ENDPOINT": sink.http_endpoint,
        "JCMC_SESSION_GRACE": "1",
        **more,
    }


def body(participant: str, session: str = "", **changes: Any) -> dict[str, Any]:
    """Return a push of *participant*."""
    told = {"id": session or f"session-of-{participant}", "interval_ms": 10_000}
    return push_body(participant, session=told, **changes)


def leave(participant: str, session: str = "", reason: str = "left") -> dict[str, Any]:
    """Return the last push of *participant*."""
    told = {"id": session or f"session-of-{participant}", "end": {"reason": reason}}
    return push_body(participant, session=told) | {"metrics": {}}


def test_a_leave_becomes_a_span_under_that_of_its_conference(
    redis_server: EmbeddedStore, short_path: Path
) -> None:
    with OtlpSink() as sink:
        settings = environ(sink, REDIS_URL=redis_server.url)
        with Service(short_path / "a", **settings) as service:
            assert service.push(body("ada")).body == "OK"
            assert service.push(leave("ada")).body == "OK"
            (span,) = eventually(lambda: sink.spans("jitsi.session"))
            (root,) = eventually(lambda: sink.spans("jitsi.conference"))
    assert span.attributes["jitsi.session.end.reason"] == "left"
    assert (span.trace_id, span.parent_id) == (root.trace_id, root.span_id)
    assert root.parent_id == ""
    assert root.start_ms == span.start_ms
    assert root.end_ms == span.end_ms
