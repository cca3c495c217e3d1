"""A caller's address, and whether it is private. In doubt it is not."""

from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from harness import Service, push_body, request

from otel_jcmc.intake.callers import PRIVATE, Callers, _parsed, caller_address, is_private

NONE: tuple[()] = ()


def scope(peer: str | None, **headers: str) -> dict[str, object]:
    """Return the ASGI scope of a request from *peer* with *headers*."""
    return {
        "client": None if peer is None else (peer, 50_000),
        "headers": [
            (name.replace("_", "-").encode(), text.encode("latin-1"))
            for name, text in headers.items()
        ],
    }


# The address of the connection


@pytest.mark.parametrize(
    "peer",
    [
        "127.0.0.1",
        "127.255.255.254",
        "10.0.0.1",
        "10.255.255.255",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.0.1",
        "169.254.1.1",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "fe80::1%25",
        "fc00::1",
        "fdff:ffff::1",
        "::ffff:127.0.0.1",
        "::ffff:10.1.2.3",
        "::FFFF:192.168.0.1",
        "0:0:0:0:0:0:0:1",
    ],
)
def test_a_private_peer_is_private(peer: str) -> None:
    assert is_private(scope(peer), PRIVATE)


@pytest.mark.parametrize(
    "peer",
    [
        "8.8.8.8",
        "11.0.0.1",
        "172.15.255.255",
        "172.32.0.1",
        "192.169.0.1",
        "169.255.0.1",
        "128.0.0.1",
        "0.0.0.0",  # as the original: browsers come from everywhere
        "100.64.0.1",  # of a carrier, shared by strangers
        "198.18.0.1",
        "192.0.2.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "2001:db8::1",
        "2606:4700::1111",
        "fec0::1",
        "ff02::1",
        "::ffff:8.8.8.8",
        "64:ff9b::7f00:1",  # 127.0.0.1 behind a translator
        "2002:7f00:1::",
        "::127.0.0.1",
    ],
)
def test_any_other_peer_is_not(peer: str) -> None:
    assert not is_private(scope(peer), PRIVATE)


@pytest.mark.parametrize(
    "peer", [None, "", "localhost", "testclient", "/run/socket", "127.0.0.1.example.org", "127.1"]
)
def test_a_peer_without_an_address_is_not_private(peer: str | None) -> None:
    assert not is_private(scope(peer), PRIVATE)


# What a trusted proxy says


@pytest.mark.parametrize(
    ("chain", "private"),
    [
        ("10.1.2.3", True),
        ("203.0.113.9", False),
        ("203.0.113.9, 10.0.0.2", False),
        ("10.1.2.3, 203.0.113.9", False),  # the left part is what the caller wrote
        ("10.1.2.3, 203.0.113.9, 10.0.0.2", False),
        ("127.0.0.1,127.0.0.1", True),
        ("10.1.2.3, 10.0.0.2, 192.168.0.1", True),
        ("::1", True),
        ("[::1]", True),
        ("[::1]:4711", True),
        ("fd00::7", True),
        ("fe80::1%eth0", True),
        ("2001:db8::7", False),
        ("[2001:db8::7]:4711", False),
        ("10.1.2.3:4711", True),
        ("203.0.113.9:4711", False),
        ("::ffff:10.1.2.3", True),
        ("::ffff:203.0.113.9", False),
        ("  10.1.2.3  ", True),
        # Invalid addresses are nobody's.
        ("", False),
        (",", False),
        ("unknown", False),
        ("10.1.2.3, unknown", False),
        ("10.1.2.3,", False),
        ("unknown, 10.1.2.3", False),
        ("10.1.2.3.4", False),
        ("10.1.2.256", False),
        ("010.1.2.3", False),
        ("0x7f000001", False),
        ("2130706433", False),
        ("127.1", False),
        ("localhost", False),
        ("[::1", False),
        ("::1]", False),
        ("[::1]evil", False),
        ("[::1]:", False),
        ("10.1.2.3:http", False),
        ("10.1.2.3:", False),
        ("10.1.2.3;203.0.113.9", False),
        ('"10.1.2.3"', False),
        ("10.1.2.3\xff", False),
        ("1" * 10_000, False),
        ("10.1.2.3, " * 5000 + "203.0.113.9", False),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_x_forwarded_for_is_read_from_its_end(chain: str, *, private: bool) -> None:
    assert is_private(scope("127.0.0.1", x_forwarded_for=chain), PRIVATE) is private


@pytest.mark.parametrize(
    ("text", "private"),
    [
        ("10.1.2.3", True),
        ("::1", True),
        ("203.0.113.9", False),
        ("", False),
        ("nonsense", False),
    ],
)
def test_x_real_ip_is_read(text: str, *, private: bool) -> None:
    assert is_private(scope("127.0.0.1", x_real_ip=text), PRIVATE) is private


@pytest.mark.parametrize(
    ("text", "private"),
    [
        ("for=10.1.2.3", True),
        ("For=10.1.2.3;proto=https;by=203.0.113.9", True),
        ("proto=https; for=10.1.2.3", True),
        ('for="10.1.2.3:4711"', True),
        ("for=10.1.2.3:4711", True),
        ('for="10.1.2.3:_hidden"', True),
        ('for="[::1]"', True),
        ('for="[fd00::7]:4711"', True),
        ("for=203.0.113.9", False),
        ('for="[2001:db8::7]"', False),
        ('for="[2001:db8::7]:4711"', False),
        ("for=10.1.2.3, for=203.0.113.9", False),
        ("for=203.0.113.9, for=10.0.0.2", False),
        ("for=10.1.2.3, for=10.0.0.2", True),
        ('FOR="[2001:DB8::7]"; by=10.0.0.1', False),
        # Invalid addresses, and what a caller may have added, are nobody's.
        ("", False),
        ("by=10.0.0.1", False),
        ("host=10.0.0.1;proto=https", False),
        ("for=unknown", False),
        ("for=_hidden", False),
        ("for=", False),
        ('for="', False),
        ('for="[::1', False),
        ('for="[::1]', False),
        ("for=[::1", False),
        ("xfor=10.1.2.3", False),
        ("for=10.1.2.3,", False),
        ("for=10.1.2.3, by=10.0.0.2", False),
        ("for=10.1.2.3;for=203.0.113.9", False),
        ('host="x;for=10.1.2.3";for=203.0.113.9', False),
        ('host="x;for=10.1.2.3"', False),
        ('host="x, for=10.1.2.3"', False),
        ('host="a\\";for=10.1.2.3;b=\\"";for=203.0.113.9', False),
        ('for=203.0.113.9;host="x, for=10.1.2.3"', False),
        ('host="x, for=10.1.2.3";for=203.0.113.9', False),
    ],
)
def test_forwarded_is_read_as_rfc_7239_has_it(text: str, *, private: bool) -> None:
    assert is_private(scope("127.0.0.1", forwarded=text), PRIVATE) is private


def test_the_parts_of_a_repeated_header_are_one_chain() -> None:
    """In the order in which they were added: the last one is the nearest."""
    there = {
        "client": ("127.0.0.1", 50_000),
        "headers": [(b"x-forwarded-for", b"10.1.2.3"), (b"x-forwarded-for", b"203.0.113.9")],
    }
    assert not is_private(there, PRIVATE)


@pytest.mark.parametrize(
    "headers",
    [
        {"x_forwarded_for": "10.1.2.3", "x_real_ip": "203.0.113.9"},
        {"x_forwarded_for": "203.0.113.9", "x_real_ip": "10.1.2.3"},
        {"x_forwarded_for": "10.1.2.3", "forwarded": "for=203.0.113.9"},
        {"x_real_ip": "10.1.2.3", "forwarded": "for=unknown"},
    ],
)
def test_headers_that_disagree_make_nobody_private(headers: dict[str, str]) -> None:
    assert not is_private(scope("127.0.0.1", **headers), PRIVATE)


def test_headers_that_agree_are_believed() -> None:
    headers = {"x_forwarded_for": "10.1.2.3", "x_real_ip": "10.1.2.3", "forwarded": "for=10.1.2.3"}
    assert is_private(scope("127.0.0.1", **headers), PRIVATE)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x_forwarded_for", "127.0.0.1"),
        ("x_real_ip", "127.0.0.1"),
        ("forwarded", "for=127.0.0.1"),
        ("x_forwarded_for", "203.0.113.9"),
    ],
)
@pytest.mark.parametrize("peer", ["203.0.113.9", "10.0.0.1", "2001:db8::1", "", None])
def test_nobody_else_is_believed(peer: str | None, name: str, text: str) -> None:
    """A header from an untrusted peer makes the caller not private, even if the peer is."""
    trusted = (ip_network("127.0.0.0/8"),)
    assert not is_private(scope(peer, **{name: text}), trusted)


def test_a_public_proxy_that_is_trusted_is_believed() -> None:
    trusted = (ip_network("198.51.100.7/32"),)
    assert is_private(scope("198.51.100.7", x_forwarded_for="10.1.2.3"), trusted)
    assert not is_private(scope("198.51.100.7", x_forwarded_for="203.0.113.9"), trusted)


def test_a_chain_of_trusted_proxies_is_followed_to_the_caller() -> None:
    trusted = (ip_network("198.51.100.0/24"), ip_network("127.0.0.0/8"))
    chain = "10.1.2.3, 198.51.100.7"
    assert is_private(scope("127.0.0.1", x_forwarded_for=chain), trusted)


@pytest.mark.parametrize(
    ("chain", "private"),
    [
        ("10.1.2.3, 203.0.113.9", False),  # as a caller from outside may write it
        ("203.0.113.9, 10.1.2.3", True),
        ("203.0.113.9, 10.1.2.3, 127.0.0.1", True),
        ("10.1.2.3, 203.0.113.9, 127.0.0.1", False),
    ],
)
def test_who_is_not_trusted_is_the_caller_whatever_stands_before(
    chain: str, *, private: bool
) -> None:
    trusted = (ip_network("127.0.0.0/8"),)
    assert is_private(scope("127.0.0.1", x_forwarded_for=chain), trusted) is private


def test_without_trusted_proxies_the_peer_alone_counts() -> None:
    assert is_private(scope("127.0.0.1"), NONE)
    assert not is_private(scope("127.0.0.1", x_forwarded_for="127.0.0.1"), NONE)


# On a running service, whose callers here are on loopback


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"x-forwarded-for": "10.1.2.3"}, 200),
        ({"x-forwarded-for": "203.0.113.9"}, 403),
        ({"x-forwarded-for": "10.1.2.3, 203.0.113.9"}, 403),
        ({"x-forwarded-for": "nonsense"}, 403),
        ({"forwarded": 'for="[fd00::7]:4711"'}, 200),
        ({"forwarded": 'for="[2001:db8::7]:4711"'}, 403),
        ({"x-real-ip": "192.168.1.1"}, 200),
        ({"x-real-ip": "203.0.113.9"}, 403),
    ],
)
def test_only_a_private_caller_may_scrape(
    shared_service: Service, headers: dict[str, str], status: int
) -> None:
    answer = shared_service.get("/metrics", headers=headers)
    assert answer.status == status
    if status == 403:
        assert answer.body == (
            "only private addresses may read this (unless ALLOW_PRIVATE_SCRAPE_ONLY=false;"
            " JCMC_TRUSTED_PROXIES names the proxies whose forwarded headers count)\n"
        )


def test_a_caller_that_may_not_scrape_may_push(shared_service: Service, room: str) -> None:
    answer = shared_service.push(
        push_body(conference=room), headers={"x-forwarded-for": "203.0.113.9"}
    )
    assert answer.body == "OK"


@pytest.mark.parametrize("path", ["/", "/client-file", "/-/healthy", "/-/ready"])
def test_what_says_nothing_of_conferences_is_open(shared_service: Service, path: str) -> None:
    assert shared_service.get(path, headers={"x-forwarded-for": "203.0.113.9"}).status == 200


def test_everybody_may_scrape_when_the_setting_says_so(short_path: Path) -> None:
    with Service(short_path, ALLOW_PRIVATE_SCRAPE_ONLY="false") as service:
        assert service.get("/metrics", headers={"x-forwarded-for": "203.0.113.9"}).status == 200


def test_an_ipv6_peer_is_private_on_its_own_loopback(short_path: Path) -> None:
    with Service(short_path, JCMC_HOST="::", JCMC_TRUSTED_PROXIES="none") as service:
        port = service.url.rpartition(":")[2]
        assert request(f"http://[::1]:{port}/metrics").status == 200
        assert request(f"http://127.0.0.1:{port}/metrics").status == 200
        headers = {"x-forwarded-for": "127.0.0.1"}
        assert request(f"http://[::1]:{port}/metrics", headers=headers).status == 403


# Whose address counts


def key(peer: str, headers: dict[str, str], trusted: Any = PRIVATE) -> str:
    raw = [(name.encode(), text.encode()) for name, text in headers.items()]
    return Callers(trusted).key(peer, raw)


PROXY = "127.0.0.1"


@pytest.mark.parametrize(
    ("peer", "headers", "expected"),
    [
        ("198.51.100.7", {}, "198.51.100.7"),
        # The header of an untrusted peer does not count.
        ("198.51.100.7", {"x-forwarded-for": "203.0.113.9"}, "198.51.100.7"),
        (PROXY, {"x-forwarded-for": "198.51.100.7"}, "198.51.100.7"),
        (PROXY, {"x-forwarded-for": "203.0.113.9, 198.51.100.7"}, "198.51.100.7"),
        (PROXY, {"x-forwarded-for": "198.51.100.7, 10.0.0.5"}, "198.51.100.7"),
        (PROXY, {"x-real-ip": "198.51.100.7"}, "198.51.100.7"),
        (PROXY, {"forwarded": "for=198.51.100.7;proto=https"}, "198.51.100.7"),
        (PROXY, {"forwarded": 'for="[2001:db8::7]:4711"'}, "2001:db8::"),
        # All addresses of a household are one.
        (PROXY, {"x-forwarded-for": "2001:db8:1:2:3:4:5:6"}, "2001:db8:1:2::"),
        ("2001:db8:1:2::9", {}, "2001:db8:1:2::"),
        ("::ffff:198.51.100.7", {}, "198.51.100.7"),
        # A caller in a private network, as its proxy says.
        (PROXY, {"x-forwarded-for": "10.1.2.3"}, "10.1.2.3"),
        # Two headers that agree.
        (PROXY, {"x-real-ip": "198.51.100.7", "x-forwarded-for": "198.51.100.7"}, "198.51.100.7"),
        # The peer may be a proxy that says nothing; and a word that is no address.
        (PROXY, {}, ""),
        ("10.0.0.9", {}, ""),
        ("", {}, ""),
        ("", {"x-forwarded-for": "198.51.100.7"}, ""),
        (PROXY, {"x-forwarded-for": "unknown"}, ""),
    ],
)
def test_an_address_counts_where_it_is_really_the_callers(
    peer: str, headers: dict[str, str], expected: str
) -> None:
    assert key(peer, headers) == expected


@pytest.mark.parametrize(
    ("peer", "headers", "address"),
    [
        ("198.51.100.7", {}, "198.51.100.7"),
        ("10.0.0.9", {}, "10.0.0.9"),
        ("2001:db8:1:2::9", {}, "2001:db8:1:2::9"),
        ("::ffff:198.51.100.7", {}, "198.51.100.7"),
        ("198.51.100.7", {"x-forwarded-for": "203.0.113.9"}, "198.51.100.7"),
        (PROXY, {"x-forwarded-for": "203.0.113.9, 198.51.100.7"}, "198.51.100.7"),
        (PROXY, {"x-forwarded-for": "2001:db8:1:2:3:4:5:6"}, "2001:db8:1:2:3:4:5:6"),
        (PROXY, {"x-forwarded-for": "10.1.2.3"}, "10.1.2.3"),
        (PROXY, {"x-real-ip": "198.51.100.7", "x-forwarded-for": "198.51.100.7"}, "198.51.100.7"),
        (PROXY, {"x-real-ip": "198.51.100.7", "x-forwarded-for": "203.0.113.9"}, ""),
        (PROXY, {"x-forwarded-for": "unknown"}, ""),
        ("", {"x-forwarded-for": "198.51.100.7"}, ""),
        ("", {}, ""),
        ("x", {}, ""),
    ],
)
def test_a_callers_address_is_told_whole_or_not_at_all(
    peer: str, headers: dict[str, str], address: str
) -> None:
    raw = [(name.encode(), text.encode()) for name, text in headers.items()]
    assert caller_address(peer, raw, PRIVATE) == address


def test_headers_that_disagree_count_as_one_caller() -> None:
    """One of them is invented, and could be another one each time."""
    keys = {
        key(PROXY, {"x-real-ip": f"198.51.100.{number}", "x-forwarded-for": "203.0.113.9"})
        for number in range(20)
    }
    assert len(keys) == 1
    assert keys != {""}


def test_without_trusted_proxies_a_private_peer_may_be_one_all_the_same() -> None:
    assert key("10.0.0.9", {}, ()) == ""
    assert key("10.0.0.9", {"x-forwarded-for": "198.51.100.7"}, ()) == ""
    assert key("198.51.100.7", {}, ()) == "198.51.100.7"


def test_with_proxies_that_are_named_any_other_peer_is_a_caller() -> None:
    trusted = (ip_network("10.0.0.5/32"),)
    assert key("10.0.0.9", {}, trusted) == "10.0.0.9"
    assert key("10.0.0.9", {"x-forwarded-for": "198.51.100.7"}, trusted) == "10.0.0.9"
    assert key("10.0.0.5", {"x-forwarded-for": "198.51.100.7"}, trusted) == "198.51.100.7"
    assert key("10.0.0.5", {}, trusted) == ""


def test_long_forwarded_headers_are_read_and_not_remembered() -> None:
    """A cache of sixteen thousand such headers would use a gigabyte."""
    callers = Callers(PRIVATE)
    for number in range(3):
        text = f"{'x' * 60_000}{number}, 203.0.113.9".encode()
        assert callers.key("10.0.0.1", [(b"x-forwarded-for", text)]) == "203.0.113.9"
        assert callers.key("10.0.0.1", [(b"x-forwarded-for", text[:50_000])]) == ""
    assert callers._told.cache_info().currsize == 0
    assert callers.key("10.0.0.1", [(b"x-forwarded-for", b"203.0.113.9")]) == "203.0.113.9"
    assert callers._told.cache_info().currsize == 1
    before = _parsed.cache_info().misses
    assert not is_private(scope("127.0.0.1", x_forwarded_for="1" * 101), PRIVATE)
    assert _parsed.cache_info().misses <= before + 1  # the peer


def test_a_caller_whose_address_is_not_known_is_told() -> None:
    told: list[str] = []
    callers = Callers(PRIVATE, lambda: told.append("unknown"))
    callers.key(PROXY, [])
    callers.key(PROXY, [(b"x-forwarded-for", b"198.51.100.7")])
    assert told == ["unknown"]
