"""The CORS headers of answers, and the origins whose pages they admit."""

import socket
from collections.abc import Iterable
from email.message import Message

import pytest
from harness import Service
from paths import PUBLIC, every_path

from otel_jcmc.web.cors import Cors

# What a browser may show

SECURITY = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
}


def security(headers: "Message[str, str]") -> dict[str, str | None]:
    """Return the security headers among *headers*."""
    return {name: headers.get(name) for name in SECURITY}


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        *(("/", "GET", 200), ("/metrics", "GET", 200), ("/openapi.json", "GET", 200)),
        *(("/nothing", "GET", 404), ("/metrics", "POST", 405), ("/metrics%00", "GET", 404)),
    ],
)
def test_an_answer_that_a_browser_can_show_is_shown_as_nothing_else(
    shared_service: Service, path: str, method: str, status: int
) -> None:
    answer = shared_service.get(path, method=method)
    assert answer.status == status
    assert security(answer.headers) == SECURITY


def test_a_refusal_is_shown_as_nothing_else(shared_service: Service) -> None:
    answer = shared_service.get("/metrics", headers={"x-forwarded-for": "203.0.113.9"})
    assert (answer.status, security(answer.headers)) == (403, SECURITY)


def test_the_client_file_is_for_pages_of_every_origin_and_nothing_but_a_script(
    shared_service: Service,
) -> None:
    answer = shared_service.get("/client-file")
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    wanted = {**SECURITY, "cross-origin-resource-policy": "cross-origin"}
    assert security(answer.headers) == wanted


def test_what_is_no_http_is_answered_with_the_same_care(shared_service: Service) -> None:
    host, _, port = shared_service.url.removeprefix("http://").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=8) as wire:
        wire.sendall(b"<script>alert(1)</script>\r\n\r\n")
        answer = b"".join(iter(lambda: wire.recv(4096), b"")).decode()
    assert answer.startswith("HTTP/1.1 400 ")
    assert "script" not in answer
    for name, text in SECURITY.items():
        assert f"\r\n{name}: {text}\r\n" in answer


# CORS


def told(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return the CORS headers as text."""
    return {name.decode(): text.decode() for name, text in headers}


ASKED = [
    (b"origin", b"https://meet.example.org"),
    (b"access-control-request-method", b"POST"),
    (b"access-control-request-headers", b"content-type"),
]


def test_all_origins_are_answered_without_credentials() -> None:
    assert told(Cors(["*"]).answer(ASKED)) == {
        "access-control-allow-origin": "*",
        "access-control-expose-headers": "retry-after",
    }


def test_a_listed_origin_is_answered_by_its_name() -> None:
    assert told(Cors(["https://meet.example.org"]).answer(ASKED)) == {
        "access-control-allow-origin": "https://meet.example.org",
        "access-control-expose-headers": "retry-after",
        "vary": "origin",
    }


def test_a_listed_origin_may_send_a_cookie_where_there_are_such() -> None:
    assert told(Cors(["https://meet.example.org"], credentials=True).answer(ASKED)) == {
        "access-control-allow-origin": "https://meet.example.org",
        "access-control-allow-credentials": "true",
        "access-control-expose-headers": "retry-after",
        "vary": "origin",
    }


def test_no_page_may_send_a_cookie_where_all_origins_are_allowed() -> None:
    assert "access-control-allow-credentials" not in told(Cors(["*"], credentials=True).answer([]))


@pytest.mark.parametrize(
    "origin",
    [
        b"https://meet.example.org.evil.org",
        b"http://meet.example.org",
        b"https://meet.example.org:8443",
        b"null",
        b"*",
        b"",
    ],
)
def test_any_other_origin_is_told_nothing(origin: bytes) -> None:
    cors = Cors(["https://meet.example.org"])
    headers = [(b"origin", origin), *ASKED[1:]]
    assert told(cors.answer(headers)) == {"vary": "origin"}
    assert told(cors.preflight(headers, b"POST")) == {"vary": "origin"}


def test_no_origin_is_told_anything_when_none_is_allowed() -> None:
    assert told(Cors([]).answer(ASKED)) == {"vary": "origin"}


def test_a_preflight_is_told_method_headers_and_for_how_long() -> None:
    assert told(Cors(["*"]).preflight(ASKED, b"POST")) == {
        "access-control-allow-origin": "*",
        "access-control-expose-headers": "retry-after",
        "access-control-allow-methods": "POST",
        "access-control-allow-headers": "content-type",
        "access-control-max-age": "86400",
    }


def test_a_public_page_may_push_into_a_private_network() -> None:
    headers = [*ASKED, (b"access-control-request-private-network", b"true")]
    answer = told(Cors(["*"]).preflight(headers, b"POST"))
    assert answer["access-control-allow-private-network"] == "true"


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_only_what_browsers_need_answers_with_cors(shared_service: Service, method: str) -> None:
    """All existing routes, and some that do not exist."""
    headers = {
        "origin": "https://meet.example.org",
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization",
    }
    others = ["/nothing", "/metrics/push/", "/client-file/x", "//metrics", "/docs"]
    for path in [*sorted(every_path() - PUBLIC), *others]:
        answer = shared_service.get(path, method=method, headers=headers)
        told = [name for name in answer.headers if name.lower().startswith("access-control-")]
        assert told == [], path
    if method == "OPTIONS":
        for path in ("/metrics/push", "/client-file"):
            answer = shared_service.get(path, method=method, headers=headers)
            assert answer.headers["access-control-allow-origin"] == "*"


def test_of_two_origins_none_may_read() -> None:
    one, other = b"https://meet.example.org", b"https://evil.example"
    cors = Cors([one.decode()], credentials=True)
    for pair in ((one, other), (other, one), (one, one)):
        headers = [(b"origin", each) for each in pair]
        assert cors.answer(headers) == [(b"vary", b"origin")]
        assert cors.preflight(headers, b"POST") == [(b"vary", b"origin")]
