"""The verdict of a push in the export; a client cannot push one itself."""

from typing import Any

import pytest
from exposition import said, scraped
from harness import Service, push_body

OUTAGE = {"outage_down": {"value": 9000}, "outage_up": {"value": None}}
LOSS = {
    "packetloss_upload": {"value": 9},
    "packetloss_download": {"value": 0},
    "round_trip_time": {"value": 30},
}


def pushed(room: str, metrics: dict[str, Any], participant: str = "ada") -> dict[str, Any]:
    body = push_body(participant)
    body["default_labels"]["roomname"] = room
    body["session"] = {"id": f"verdict-{participant}", "interval_ms": 10_000}
    body["metrics"] = metrics
    return body


@pytest.mark.parametrize(
    ("metrics", "state", "causes"),
    [
        (OUTAGE, 2, ["outage"]),
        (LOSS, 2, ["uplink"]),
        (LOSS | {"packetloss_upload": {"value": 3}}, 1, ["uplink"]),
        (LOSS | {"packetloss_upload": {"value": 0}, "bitrate_download": {"value": 90}}, 0, []),
        ({"connectionquality": {"value": 10}}, None, []),
    ],
)
def test_a_push_has_a_state_and_a_cause(
    shared_service: Service,
    room: str,
    metrics: dict[str, Any],
    state: int | None,
    causes: list[str],
) -> None:
    assert shared_service.push(pushed(room, metrics)).body == "OK"
    found = said(shared_service, room)
    assert [each.value for each in found if each.name == "verdict_state"] == (
        [] if state is None else [state]
    )
    assert [each.labels["cause"] for each in found if each.name == "verdict"] == causes


def test_a_call_that_also_goes_to_a_bridge_is_not_direct(
    shared_service: Service, room: str
) -> None:
    paths = [{"value": 30, "labels": {"p2p": each}} for each in ("true", "false")]
    assert shared_service.push(pushed(room, LOSS | {"transport_rtt": paths})).body == "OK"
    causes = [each.labels for each in said(shared_service, room) if each.name == "verdict"]
    assert [each["cause"] for each in causes] == ["uplink"]


def test_a_direct_call_blames_the_pair(shared_service: Service, room: str) -> None:
    path = {"transport_rtt": [{"value": 30, "labels": {"p2p": "true"}}]}
    assert shared_service.push(pushed(room, LOSS | path)).body == "OK"
    causes = [each.labels for each in said(shared_service, room) if each.name == "verdict"]
    assert [each["cause"] for each in causes] == ["pair"]


@pytest.mark.parametrize("field", ["verdict_state", "audio_mos", "verdict"])
def test_nobody_pushes_a_verdict(shared_service: Service, room: str, field: str) -> None:
    answer = shared_service.push(pushed(room, OUTAGE | {field: {"value": 1}}))
    assert (answer.status, f"metrics.{field}" in answer.body) == (200, True)


def test_the_operators_thresholds_are_those_of_the_verdict(short_path: Any) -> None:
    with Service(short_path, JCMC_BAD_PACKET_LOSS="30") as service:
        service.push(pushed("calm", LOSS))
        names = {each.name for each in scraped(service)}
    assert "jitsi_jcmc_verdict" not in names


def test_with_the_other_naming_it_is_an_attribute(shared_otel_service: Service, room: str) -> None:
    assert shared_otel_service.push(pushed(room, LOSS)).body == "OK"
    [found] = [
        each
        for each in scraped(shared_otel_service)
        if each.name == "jitsi_client_verdict" and each.labels["jitsi_conference_name"] == room
    ]
    assert found.labels["jitsi_verdict_cause"] == "uplink"
