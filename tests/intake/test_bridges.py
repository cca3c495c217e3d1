"""intake/bridges.py: a bridge has the operator's name or a hash, and no address is shown."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from exposition import scraped
from harness import Service, eventually, push_body

from otel_jcmc.catalogue.attributes import BRIDGE
from otel_jcmc.intake.bridges import Bridges, read_names
from otel_jcmc.store.embedded import EmbeddedStore
from otel_jcmc.store.shared_secret import SharedSecret
from otel_jcmc.wire.push import PushParser

KEY = b"k" * 32


def bridges(names: dict[str, str] | None = None, key: bytes = KEY) -> Bridges:
    shared = SharedSecret("redis://127.0.0.1:1", "nowhere")
    shared.value = key
    return Bridges(names or {}, shared)


def push(bridge: Any, *p2p: str | None) -> dict[str, Any]:
    """Return a push that names a *bridge*, with a transport for each of *p2p*."""
    body = push_body("ada")
    metrics = body.setdefault("metrics", {})
    metrics["connectionquality"] = {"value": 90, "labels": {"bridge": bridge}}
    metrics["transport_rtt"] = [
        {"value": 20, "labels": {"p2p": each} if each else {}} for each in p2p
    ]
    return body


def named(of: Bridges, bridge: str, *p2p: str | None) -> str | None:
    """Return the stored form of the *bridge* of a push."""
    report = PushParser().parse(msgspec.json.encode(push(bridge, *p2p)))
    of.apply(report)
    name: str | None = report.attributes.get(BRIDGE.id)
    return name


def test_a_bridge_has_the_name_that_its_operator_gave_it() -> None:
    of = bridges({"203.0.113.7:10000": "jvb-1", "203.0.113.8": "jvb-2", "2001:db8::8": "jvb-2"})
    assert named(of, "203.0.113.7:10000", "false") == "jvb-1"
    for told in ("203.0.113.8:10000", "203.0.113.8", "[2001:db8::8]:10000", "2001:db8::8"):
        assert named(of, told, "false") == "jvb-2"


def test_one_without_a_name_is_a_hash_that_stays_the_same() -> None:
    hashed = named(bridges(), "203.0.113.7:10000", "false")
    assert hashed is not None
    assert re.fullmatch("[0-9a-f]{12}", hashed)
    assert named(bridges({"203.0.113.8": "x"}), "203.0.113.7:10000", "false") == hashed
    assert named(bridges(key=b"other" * 8), "203.0.113.7:10000", "false") != hashed
    assert named(bridges(), "203.0.113.7:10001", "false") != hashed


@pytest.mark.parametrize("p2p", [["true"], [None], ["false", "true"], ["false", None]])
def test_where_a_transport_may_go_to_a_peer_no_bridge_is_named(p2p: list[str | None]) -> None:
    assert named(bridges({"198.51.100.4": "jvb-1"}), "198.51.100.4:9", *p2p) is None


def test_the_last_known_bridge_is_taken_where_no_path_is_known() -> None:
    assert named(bridges({"jvb": "jvb-1"}), "jvb") == "jvb-1"


@pytest.mark.anyio
async def test_until_the_key_is_known_only_what_has_a_name_is_told() -> None:
    secret = SharedSecret("redis://127.0.0.1:1", "nowhere")
    of = Bridges({"jvb": "jvb-1"}, secret)
    assert named(of, "jvb", "false") == "jvb-1"
    assert named(of, "203.0.113.7:10000", "false") is None
    secret.value = KEY
    assert named(of, "203.0.113.7:10000", "false") is not None
    await secret.close()


@pytest.mark.parametrize(
    ("entries", "why"),
    [
        (["jvb-1"], "is not an entry"),
        (["=jvb-1"], "is not an entry"),
        (["203.0.113.7="], "1 to 64 characters"),
        (["203.0.113.7=a\nb"], "1 to 64 characters"),
        (["203.0.113.7=a", "203.0.113.7=b"], "two names"),
    ],
)
def test_names_that_cannot_be_are_told(entries: list[str], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read_names(entries)


def bridges_of(service: Service) -> dict[str, str]:
    """Return the exported bridge of each participant."""
    infos = [each for each in scraped(service) if each.name == "jitsi_jcmc_info"]
    return {each.labels["participant_id"]: each.labels["bridge"] for each in infos}


def come(service: Service, participant: str, told: str) -> None:
    """Push for *participant*, whose client names the bridge *told*."""
    body = push(told, "false")
    body["default_labels"]["participant_id"] = participant
    assert service.push(body).body == "OK"


def come_first(service: Service) -> None:
    """Let the service ask for the key, and wait until it has it."""

    def is_named() -> bool:
        come(service, "first", "some-bridge")
        infos = [each for each in scraped(service) if each.name == "jitsi_jcmc_info"]
        return any("bridge" in each.labels for each in infos)

    eventually(is_named)


def test_no_address_that_a_page_names_is_ever_shown(service: Service) -> None:
    """Whatever a client claims: no peer's address and no invented name is exported as it came."""
    come_first(service)
    for number, told in enumerate(["198.51.100.77:50000", "jvb-of-somebody", "[2001:db8::77]:9"]):
        come(service, f"p{number}", told)
    found = bridges_of(service)
    assert len(set(found.values())) == 4
    assert all(re.fullmatch("[0-9a-f]{12}", name) for name in found.values())
    exported = service.get("/metrics").body
    assert not re.search("198.51.100.77|2001:db8::77|of-somebody", exported)


def test_replicas_on_one_redis_say_the_same_and_a_name_wins(
    service_on: Service, redis_server: EmbeddedStore, short_path: Path
) -> None:
    names = {"JCMC_BRIDGES": "203.0.113.9:10000=jvb-9, jvb-a = jvb-9"}
    with Service(short_path / "b", REDIS_URL=redis_server.url, **names) as other:
        come_first(service_on)
        come_first(other)
        come(service_on, "p0", "x")
        come(other, "p1", "x")
        come(other, "p2", "203.0.113.9:10000")
        come(other, "p3", "jvb-a")
        found = bridges_of(service_on)
    assert found["p0"] == found["p1"]
    assert found["p2"] == found["p3"] == "jvb-9"
