"""web/refused.py: refusals are logged, once a minute for each reason, without names."""

import logging
import re
from pathlib import Path

import pytest
from harness import Service, eventually, push_body

from otel_jcmc.catalogue.reasons import FAILURES, LATE, REFUSALS, Reason
from otel_jcmc.catalogue.remedies import REMEDIES
from otel_jcmc.metrics.own import Telemetry, make_resource
from otel_jcmc.web.refused import RefusedLog


class Clock:
    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_each_reason_has_a_line_a_minute_at_most(caplog: pytest.LogCaptureFixture) -> None:
    telemetry, clock = Telemetry(make_resource("calls", "", "one")), Clock()
    refused = RefusedLog(telemetry, clock)
    caplog.set_level(logging.WARNING, "otel_jcmc.web.refused")

    def told() -> list[str]:
        refused.tell()
        lines = [record.getMessage() for record in caplog.records]
        caplog.clear()
        return lines

    assert told() == []
    for reason in (Reason.NOT_JSON, Reason.NOT_JSON, Reason.ORIGIN_NOT_ALLOWED):
        telemetry.count_push("refused", reason)
    # Limits and the store have their own log lines.
    telemetry.count_push("refused", Reason.ADDRESS_RATE)
    telemetry.count_push("failed", Reason.STORE_FULL)
    sender, origin = told()
    assert sender == (
        "pushes: 2 refused, not_json: the sender is wrong: compare what it sends with docs/push.md"
    )
    assert origin == (
        "pushes: 1 refused, origin_not_allowed: add the origin of the pages to"
        " JCMC_CORS_ALLOWED_ORIGINS"
    )
    for _ in range(5):
        telemetry.count_push("refused", Reason.NOT_JSON)
    clock.seconds += 59
    assert told() == []
    clock.seconds += 1
    (line,) = told()
    assert line.startswith("pushes: 5 refused, not_json: ")
    clock.seconds += 1000
    assert told() == []


def test_a_service_says_what_it_refuses_and_nothing_of_it(short_path: Path) -> None:
    with Service(short_path) as service:
        body = push_body("somebody", "a-secret-room")
        body["default_labels"]["client_id"] = "no-guid"
        for _ in range(3):
            assert service.push(body, headers={"x-forwarded-for": "198.51.100.7"}).status == 400
        lines = eventually(lambda: [line for line in service.said() if "pushes: " in line])
        (line,) = lines
        # The check every five seconds may come between two of them.
        assert re.search(r"WARNING pushes: [123] refused, not_a_guid: the sender is wrong", line)
        for text in ("somebody", "a-secret-room", "no-guid", "198.51.100.7"):
            assert text not in "\n".join(service.said())


def test_every_reason_says_what_to_do() -> None:
    assert set(REMEDIES) == {*REFUSALS, *FAILURES}
    assert not set(REMEDIES) & set(LATE)
