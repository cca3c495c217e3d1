"""Both kinds of request heads say the same of the same lines."""

import pytest

from otel_jcmc.intake.callers import PRIVATE, Callers, origin_of
from otel_jcmc.intake.heads import Head, Lines, RawHead

REQUEST = b"POST /metrics/push HTTP/1.1\r\n"


def heads(*lines: tuple[bytes, bytes]) -> list[Head]:
    """Return a head with *lines*, as a server passes it on and as it is sent."""
    raw = b"".join(b"%b: %b\r\n" % line for line in lines)
    made = [(name.lower(), value) for name, value in lines]
    return [Lines(made), RawHead(REQUEST + raw + b"\r\n")]


@pytest.mark.parametrize("name", [b"User-Agent", b"user-agent", b"USER-AGENT"])
def test_the_browser_is_found_whatever_the_case(name: bytes) -> None:
    for head in heads((b"Host", b"x"), (name, b"Ada/1 (x; y: z)"), (b"Accept", b"*/*")):
        assert head.user_agent() == "Ada/1 (x; y: z)"


def test_of_two_browsers_the_first_counts() -> None:
    for head in heads((b"User-Agent", b"Ada/1"), (b"user-agent", b"Bob/2")):
        assert head.user_agent() == "Ada/1"


def test_a_browser_that_says_nothing_is_none() -> None:
    for head in heads((b"X-User-Agent", b"Ada/1"), (b"Cookie", b"user-agent: Ada/1")):
        assert head.user_agent() == ""
    for head in heads((b"User-Agent", b"")):
        assert head.user_agent() == ""


def test_bytes_that_are_no_ascii_are_characters_of_latin_1() -> None:
    for head in heads((b"User-Agent", b"Ad\xe0")):
        assert head.user_agent() == "Adà"


@pytest.mark.parametrize("name", [b"X-Forwarded-For", b"x-real-ip", b"X-REAL-IP"])
def test_a_proxy_is_heard_whatever_the_case(name: bytes) -> None:
    for head in heads((b"Host", b"x"), (name, b"203.0.113.9"), (b"Accept", b"*/*")):
        assert Callers(PRIVATE).key("10.0.0.1", head.forwarded()) == "203.0.113.9"


def test_lines_of_one_name_in_two_cases_are_one_list() -> None:
    """Otherwise a caller's spelling could hide the proxy's line."""
    for head in heads((b"X-FORWARDED-for", b"198.51.100.7"), (b"X-Forwarded-For", b"203.0.113.9")):
        assert Callers(PRIVATE).key("10.0.0.1", head.forwarded()) == "203.0.113.9"


def test_two_kinds_of_lines_that_disagree_are_unclear() -> None:
    for head in heads((b"Forwarded", b"for=198.51.100.7"), (b"X-Real-IP", b"203.0.113.9")):
        assert Callers(PRIVATE).key("10.0.0.1", head.forwarded()) == "?"


@pytest.mark.parametrize("name", [b"Xorwarded", b"F-Real-IP", b"f-forwarded-for", b"X-Forwarded"])
def test_a_name_that_is_like_a_proxys_is_not(name: bytes) -> None:
    for head in heads((name, b"203.0.113.9")):
        assert Callers(PRIVATE).key("10.0.0.1", head.forwarded()) == ""


def test_lines_that_are_read_are_told_in_their_order_with_names_in_lower_case() -> None:
    for head in heads(
        (b"Host", b"x:80"),
        (b"ORIGIN", b"https://a"),
        (b"Content-Encoding", b"gzip"),
        (b"Cookie", b"a=b"),
        (b"origin", b""),
        (b"authorization", b"Bearer c"),
        (b"Xrigin", b"d"),
    ):
        assert list(head) == [
            (b"origin", b"https://a"),
            (b"content-encoding", b"gzip"),
            (b"origin", b""),
            (b"authorization", b"Bearer c"),
        ]


def test_blanks_before_a_value_are_not_of_it() -> None:
    head = RawHead(REQUEST + b"User-Agent:\t Ada/1 \r\nX-Real-IP:203.0.113.9\r\nA:\t\r\n\r\n")
    assert head.user_agent() == "Ada/1 "
    assert head.forwarded() == [(b"X-Real-IP", b"203.0.113.9")]
    assert list(head) == [(b"user-agent", b"Ada/1 "), (b"x-real-ip", b"203.0.113.9")]


def test_lines_are_made_once() -> None:
    _, head = heads((b"Origin", b"https://a"))
    (first,), (second,) = head, head
    assert first is second


@pytest.mark.parametrize("name", [b"Origin", b"origin", b"ORIGIN"])
def test_a_pages_origin_is_found_whatever_the_case(name: bytes) -> None:
    for head in heads((b"Host", b"x"), (name, b"https://meet.example.org"), (b"Accept", b"*/*")):
        assert head.origin() == b"https://meet.example.org" == origin_of(head)


def test_an_origin_that_is_not_said_or_said_twice_is_none() -> None:
    for head in heads((b"X-Origin", b"https://a"), (b"Cookie", b"origin: https://a")):
        assert head.origin() == b"" == origin_of(head)
    for head in heads((b"Origin", b"https://a"), (b"origin", b"https://a")):
        assert head.origin() == b"" == origin_of(head)
