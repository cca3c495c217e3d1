"""
The picture of docs/traces.md: a call of a minute and a half, as the trace that arrives.

    python -m benchmarks.report.trace_picture

A service with short times runs in a process of its own, and the tests' OTLP receiver takes its
spans; what is drawn is what arrived.
"""

import tempfile
import time
from pathlib import Path
from typing import Any

from calls import body, leave
from harness import Service, eventually
from otlp_sink import OtlpSink
from sink_requests import SinkSpan

from benchmarks.report.bench import ROOT
from benchmarks.report.plots import draw_trace

PICTURE = ROOT / "docs" / "pictures" / "trace.svg"
SECONDS = 90
# Who is there from when to when, and how the last push said why; empty: without a word.
STAYS = (
    ("ada", 0, 84, "left"),
    ("bob", 6, 52, "failed"),
    ("cleo", 12, 62, ""),
    ("dan", 30, 84, "closed"),
)
BAD = {"ada": range(40, 55), "cleo": range(35, 48)}
SILENT = {"dan": range(50, 60)}
CELLULAR = {"ada": range(44, 100)}
# She comes back after she has expired and the grace of her session is over.
CLEO_AGAIN = ("cleo", 74, 84, "left")


def main() -> None:
    """Hold the call, and draw it."""
    with OtlpSink() as sink, tempfile.TemporaryDirectory() as folder:
        settings = {
            "OTEL_TRACES_EXPORTER": "otlp",
            "OTEL_EXPORTER_OTLP_ENDPOINT": sink.http_endpoint,
            "JCMC_SESSION_GRACE": "4",
            "JCMC_HISTORY_INTERVAL": "1",
            "METRICS_EXPIRATION": "4",
        }
        with Service(Path(folder), **settings) as service:
            _hold(service)
            eventually(lambda: sink.spans("jitsi.conference"), 60)
        draw_trace([_drawn(span) for span in sink.spans()], PICTURE)
    print(f"drew {len(sink.spans())} spans: {PICTURE}")


def _hold(service: Service) -> None:
    """Push for everyone, once a second."""
    began = time.monotonic()
    for second in range(SECONDS):
        for name, come, go, why in (*STAYS, CLEO_AGAIN):
            if come <= second < go:
                service.push(_pushed(name, second))
            elif second == go and why:
                service.push(leave(name, why))
        time.sleep(max(0.0, began + second + 1 - time.monotonic()))


def _pushed(name: str, second: int) -> dict[str, Any]:
    """Return what *name* pushes then."""
    is_bad = second in BAD.get(name, ())
    made = body(name, 12 if is_bad else 95 - second % 4, 30 if is_bad else 0)
    if second in SILENT.get(name, ()):
        return made | {"metrics": {"connectionquality": {"value": None}}}
    labels = made["metrics"]["transport_rtt"][0]["labels"]
    if second in CELLULAR.get(name, ()):
        labels["networkType"] = "cellular"
    return made


def _drawn(span: SinkSpan) -> dict[str, Any]:
    """Return what of *span* is drawn."""
    reason = span.attributes.get("jitsi.session.end.reason", "")
    who = span.attributes.get("jitsi.participant.id", span.attributes["jitsi.conference.name"])
    leg = span.attributes.get("jitsi.session.leg", 1)
    return {
        "name": span.name,
        "label": f"{who}, leg {leg}" if leg > 1 else who,
        "start": span.start_ms / 1000,
        "end": span.end_ms / 1000,
        "reason": reason,
        "is_root": not span.parent_id,
        "bad_share": span.attributes.get("jitsi.verdict.share.bad"),
        "events": [(at / 1000, name) for at, name, _ in span.events],
        "links": [span_id for _, span_id, _ in span.links],
        "span_id": span.span_id,
    }


if __name__ == "__main__":
    main()
