"""intake/relays.py: the operator's TURN servers have names; other addresses stay private."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from exposition import said
from harness import Service, push_body

NAMES = "203.0.113.9=turn-1,2001:db8::9=turn-2"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("s", numbered=True), JCMC_RELAYS=NAMES) as running:
        yield running


def push(room: str, *paths: dict[str, str]) -> dict[str, Any]:
    body = push_body(conference=room)
    body["metrics"]["transport_rtt"] = [{"value": 20, "labels": each} for each in paths]
    return body


def relay_of(service: Service, room: str) -> str | None:
    [info] = [each.labels for each in said(service, room) if each.name == "info"]
    return info.get("relay")


@pytest.mark.parametrize(
    ("candidate", "address", "name"),
    [
        ("relay", "203.0.113.9", "turn-1"),
        ("relay", "2001:db8::9", "turn-2"),
        # Another operator's relay, and an address that is no relay.
        ("relay", "198.51.100.7", None),
        ("host", "203.0.113.9", None),
    ],
)
def test_a_relay_that_has_a_name_is_told(
    service: Service, room: str, candidate: str, address: str, name: str | None
) -> None:
    path = {"localCandidateType": candidate, "src_ip": address, "dst_ip": "192.0.2.1"}
    assert service.push(push(room, path)).body == "OK"
    assert relay_of(service, room) == name
    assert address not in service.get("/metrics").body


def test_where_addresses_are_collected_they_stay(short_path: Path, room: str) -> None:
    environ = {"JCMC_RELAYS": NAMES, "JCMC_COLLECT_ADDRESSES": "true"}
    with Service(short_path, **environ) as service:
        path = {"localCandidateType": "relay", "src_ip": "203.0.113.9"}
        assert service.push(push(room, path)).body == "OK"
        assert relay_of(service, room) == "turn-1"
        assert 'src_ip="203.0.113.9"' in service.get("/metrics").body


def test_who_tells_it_is_said(service: Service, room: str) -> None:
    service.push(push_body("old", room))
    service.push(push_body("new", room, session={"id": f"session-of-{room}"}))
    kinds = {each.labels["sender"] for each in said(service, room) if each.name == "info"}
    assert kinds == {"original", "otel_jcmc"}
