"""
Calls whose sessions become spans, for tests: the settings of the service, pushes and leaves.

Times are short: a participant without a push for a second has expired, and after one more second
it is too late to come back.
"""

from contextlib import suppress
from typing import Any

import psutil
from harness import Service, push_body
from otlp_sink import OtlpSink
from sink_requests import SinkSpan


def environ(sink: OtlpSink, **more: str) -> dict[str, str]:
    """Return what makes a service send spans to *sink* by HTTP."""
    return {
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_ENDPOINT": sink.http_endpoint,
        "JCMC_SESSION_GRACE": "1",
        "METRICS_EXPIRATION": "1",
        "JCMC_HISTORY_INTERVAL": "1",
        **more,
    }


def body(
    participant: str, quality: float = 97.5, loss_up: float = 0, **changes: Any
) -> dict[str, Any]:
    """Return a push of *participant* that lives for a second; a *loss_up* over 5 % is bad."""
    changes.setdefault("session", {"id": f"session-of-{participant}", "meeting_id": "meeting-9"})
    made = push_body(participant, **changes)
    made["metrics"]["connectionquality"]["value"] = quality
    made["metrics"]["packetloss_upload"]["value"] = loss_up
    return made


def leave(participant: str, reason: str = "left", **changes: Any) -> dict[str, Any]:
    """Return the last push of *participant*."""
    told = {"id": f"session-of-{participant}", "end": {"reason": reason}}
    return push_body(participant, session=told, **changes) | {"metrics": {}}


def by_participant(sink: OtlpSink) -> dict[str, SinkSpan]:
    """Return the sessions' spans."""
    spans = sink.spans("jitsi.session")
    found = {str(span.attributes["jitsi.participant.id"]): span for span in spans}
    assert len(found) == len(spans)
    return found


def exporter_of(service: Service) -> psutil.Process | None:
    """Return the exporter's process of *service*, if it is there."""
    with suppress(psutil.Error):
        for each in psutil.Process(service.pid).children(recursive=True):
            with suppress(psutil.Error):
                if "export" in each.cmdline():
                    return each
    return None
