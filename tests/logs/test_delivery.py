"""What happens, from the push to the receiver: the service, its exporter, a real sink."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from calls import environ
from harness import Service, eventually, push_body
from otlp_sink import OtlpSink
from sink_requests import SinkEvent

SESSION = "jitsi.session."


def pushed(participant: str, out_ms: int = 0, **changes: Any) -> dict[str, Any]:
    """Return a push of *participant*; with *out_ms* nothing has come through for so long."""
    changes.setdefault("session", {"id": f"session-of-{participant}", "interval_ms": 2000})
    made = push_body(participant, **changes)
    if out_ms:
        made["metrics"]["outage_down"] = {"value": out_ms, "labels": {}}
    return made


def failed_join(participant: str, cause: str = "ice_failed") -> dict[str, Any]:
    end = {"reason": "failed", "cause": cause, "join_ms": 3000}
    return push_body(participant, session={"id": f"session-of-{participant}", "end": end})


def rated(participant: str, stars: int, text: str = "") -> dict[str, Any]:
    session = {"id": f"session-of-{participant}", "interval_ms": 2000, "feedback": text or None}
    made = push_body(participant, session=session)
    made["metrics"]["rating"] = {"value": stars, "labels": {}}
    return made


@pytest.fixture(scope="module", params=["http/protobuf", "grpc"])
def call(
    request: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[OtlpSink, Service]]:
    folder = tmp_path_factory.mktemp("t", numbered=True)
    with OtlpSink() as sink:
        settings = environ(sink, OTEL_LOGS_EXPORTER="otlp", JCMC_COLLECT_FEEDBACK="true")
        settings["METRICS_EXPIRATION"] = "30"
        if request.param == "grpc":
            settings |= {
                "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL": "grpc",
                "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": sink.grpc_endpoint,
                "OTEL_SERVICE_NAME": "meet",
            }
        with Service(folder, **settings) as service:
            for body in (
                pushed("ada"),
                pushed("ada", 12_000),
                pushed("ada", 14_000),
                pushed("ada"),
                failed_join("eve"),
                failed_join("eve"),
                rated("bob", 4, "fine, mostly"),
                rated("bob", 4, "fine, mostly"),
            ):
                assert service.push(body).status == 200
            eventually(lambda: len(sink.events()) >= 4)
            time.sleep(1.5)
            yield sink, service


Call = tuple[OtlpSink, Service]


def one(sink: OtlpSink, name: str) -> SinkEvent:
    (found,) = sink.events(SESSION + name)
    return found


def test_each_thing_is_told_once(call: Call) -> None:
    names = sorted(each.name for each in call[0].events())
    assert names == [
        f"{SESSION}feedback.given",
        f"{SESSION}join.failed",
        f"{SESSION}outage.began",
        f"{SESSION}outage.ended",
    ]
