"""intake/networks.py: a caller's network as a short hash, the same in all replicas."""

import re

from otel_jcmc.intake.networks import Networks
from otel_jcmc.store.shared_secret import SharedSecret


def networks(key: bytes = b"k" * 32) -> Networks:
    shared = SharedSecret("redis://127.0.0.1:1", "nowhere", b"given")
    shared.value = key
    return Networks(shared)


def test_addresses_of_one_network_have_one_name() -> None:
    of = networks()
    assert re.fullmatch("[0-9a-f]{6}", of.name("203.0.113.7"))
    assert of.name("203.0.113.7") == of.name("203.0.113.250") == networks().name("203.0.113.9")
    assert of.name("203.0.113.7") != of.name("203.0.114.7")
    assert of.name("2001:db8:1:2::") == of.name("2001:db8:1:ffff::")
    assert of.name("2001:db8:1:2::") != of.name("2001:db8:2:2::")


def test_without_the_key_nobody_finds_out_whose_it_is() -> None:
    assert networks(b"other" * 8).name("203.0.113.7") != networks().name("203.0.113.7")


def test_what_is_not_known_has_no_name() -> None:
    assert networks().name("") == ""
    assert networks(b"").name("203.0.113.7") == ""
