"""Where a request ends: each form has one answer, and no hidden request is parsed."""

import asyncio
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
import uvicorn
from fuzz.framing import App, Transport
from harness import Service, push_body
from uvicorn.server import ServerState

from otel_jcmc.server.ending import EndingProtocol

GET = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def wire(shared_service: Service) -> Iterator[socket.socket]:
    host, _, port = shared_service.url.removeprefix("http://").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=8) as connection:
        yield connection


def post(body: bytes, *lines: str, version: str = "1.1", target: str = "/metrics/push") -> bytes:
    """Return a POST of *body*; *lines* give its length if it is not the usual way."""
    if not any(line.lower().startswith(("content-length", "transfer-encoding")) for line in lines):
        lines = (f"Content-Length: {len(body)}", *lines)
    head = [f"POST {target} HTTP/{version}", "Host: x", *lines]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def push(name: str) -> bytes:
    return json.dumps(push_body(name)).encode()


def chunked(body: bytes, *trailers: str, extension: str = "") -> bytes:
    """Return *body* as one chunk, with the end of the chunks."""
    lines = "".join(f"{line}\r\n" for line in trailers)
    return f"{len(body):x}{extension}\r\n".encode() + body + f"\r\n0\r\n{lines}\r\n".encode()


def until_close(wire: socket.socket, *pieces: bytes) -> bytes:
    """Send *pieces* one after the other, and return all answers until the connection closes."""
    said = b""
    try:
        for piece in pieces:
            wire.sendall(piece)
            time.sleep(0.05)
        while more := wire.recv(65536):
            said += more
    except ConnectionError:
        pass
    return said


def statuses(said: bytes) -> list[int]:
    """Return the statuses of the answers in *said*."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", said)]


LAST = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize("protocol", ["h2c", "websocket", "TLS/1.0", "anything", "h2c, websocket"])
@pytest.mark.parametrize("connection", ["Upgrade", "keep-alive, Upgrade, HTTP2-Settings"])
def test_an_upgrade_is_ignored_and_the_body_is_read_by_its_length(
    wire: socket.socket, protocol: str, connection: str
) -> None:
    hidden = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
    lines = (f"Connection: {connection}", f"Upgrade: {protocol}", "HTTP2-Settings: AAMAAABk")
    whole = post(hidden, *lines)
    head, body = whole[: -len(hidden)], whole[-len(hidden) :]
    said = until_close(wire, head, body, LAST)
    assert statuses(said) == [400, 200]
    assert b"healthy" in said
    assert b"otel_jcmc_" not in said


@pytest.mark.parametrize("cut", [0, 1, 30, 200])
def test_a_push_that_offers_an_upgrade_is_stored(
    wire: socket.socket, shared_service: Service, cut: int
) -> None:
    """curl --http2 and Java's HttpClient send such a push."""
    lines = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk")
    whole = post(push(f"h2c-{cut}"), *lines)
    said = until_close(wire, whole[:cut], whole[cut:] + post(push(f"next-{cut}")), LAST)
    assert statuses(said) == [200, 200, 200]
    assert {f"h2c-{cut}", f"next-{cut}"} <= live(shared_service)


def test_a_chunked_push_that_offers_an_upgrade_is_stored(
    wire: socket.socket, shared_service: Service
) -> None:
    lines = ("Connection: Upgrade", "Upgrade: h2c", "Transfer-Encoding: chunked")
    assert (
        statuses(until_close(wire, post(chunked(push("h2c-chunked")), *lines), LAST)) == [200] * 2
    )
    assert "h2c-chunked" in live(shared_service)


def live(service: Service) -> set[str]:
    """Return the live participants."""
    return {line.partition('participant_id="')[2].split('"')[0] for line in service.series()}


def test_connect_is_answered_once_and_nothing_behind_it_is_parsed(wire: socket.socket) -> None:
    said = until_close(wire, b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n" + GET, GET)
    assert statuses(said) == [400]


@pytest.mark.parametrize("coding", ["gzip, chunked", "chunked, chunked", "identity, chunked", "x"])
def test_a_transfer_coding_that_is_not_decoded_is_not_taken(
    wire: socket.socket, coding: str
) -> None:
    said = until_close(wire, post(chunked(push("coded")), f"Transfer-Encoding: {coding}") + GET)
    assert statuses(said) in ([501], [400])


def test_trailers_are_dropped(wire: socket.socket, shared_service: Service) -> None:
    """They cannot change the sender, its address or its rights."""
    trailers = ("X-Forwarded-For: 203.0.113.9", "Origin: https://evil.example", "User-Agent: x/1")
    said = until_close(
        wire,
        post(chunked(push("trailed"), *trailers), "Transfer-Encoding: chunked"),
        LAST,
    )
    assert statuses(said) == [200, 200]
    [line] = [key for key in shared_service.series() if "trailed" in key and "quality" in key]
    assert 'browser_name=""' in line or "browser_name" not in line


# What the kernel buffers before the service notices that nobody reads.
MOST_UNREAD = 4_000_000


def until_cut(wire: socket.socket, more: bytes) -> int:
    """Send *more* again and again; return the number of bytes until the refusal."""
    sent = 0
    try:
        while sent < MOST_UNREAD:
            sent += wire.send(more)
            time.sleep(0.001)
    except OSError:
        pass
    return sent


def test_trailers_without_end_are_cut(shared_service: Service) -> None:
    host, _, port = shared_service.url.removeprefix("http://").rpartition(":")
    for endless in (b"a: " + b"b" * 8000 + b"\r\n", b"a:b\r\n" * 2000):
        with socket.create_connection((host, int(port)), timeout=8) as wire:
            wire.sendall(post(chunked(push("endless"))[:-2], "Transfer-Encoding: chunked"))
            assert until_cut(wire, endless) < MOST_UNREAD


def test_extensions_of_chunks_without_end_are_cut(wire: socket.socket) -> None:
    wire.sendall(post(b"5;a=", "Transfer-Encoding: chunked"))
    assert until_cut(wire, b"b" * 8000) < MOST_UNREAD


def test_small_chunks_are_no_attack(wire: socket.socket, shared_service: Service) -> None:
    body = b"".join(b"1\r\n%c\r\n" % each for each in push("crumbs") * 1 + b" " * 30_000)
    said = until_close(wire, post(body + b"0\r\n\r\n", "Transfer-Encoding: chunked"), LAST)
    assert statuses(said) == [200, 200]
    assert "crumbs" in live(shared_service)


@pytest.mark.parametrize("size", [1, 7, 1000, 4096, 100_000])
def test_a_thousand_pushes_that_do_not_wait_are_all_answered_in_order(
    wire: socket.socket, size: int
) -> None:
    bad = post(b"{")
    good = post(push("patient"))
    whole = b"".join(
        bad if number % 10 == 3 else good for number in range(1000 if size > 7 else 60)
    )
    count = whole.count(b"POST ")

    def send() -> None:
        for at in range(0, len(whole), size):
            wire.sendall(whole[at : at + size])

    sending = threading.Thread(target=send)
    sending.start()
    said = b""
    while said.count(b"HTTP/1.1 ") < count or not said.endswith((b"OK", b"}")):
        more = wire.recv(65536)
        assert more, statuses(said)
        said += more
    sending.join()
    assert statuses(said) == [400 if number % 10 == 3 else 200 for number in range(count)]


def test_a_head_that_is_too_large_is_cut_however_it_comes(shared_service: Service) -> None:
    host, _, port = shared_service.url.removeprefix("http://").rpartition(":")
    head = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nCookie: " + b"c" * 70_000 + b"\r\n\r\n"
    for size in (len(head), 10_000, 1460):
        with socket.create_connection((host, int(port)), timeout=8) as wire:
            said = until_close(wire, *(head[at : at + size] for at in range(0, len(head), size)))
            assert b" 200 " not in said


def test_behind_the_last_request_nothing_is_parsed(wire: socket.socket) -> None:
    said = until_close(wire, LAST + GET + b"rubbish", GET)
    assert statuses(said) == [200]


def test_a_sender_that_sends_no_more_is_answered(
    wire: socket.socket, shared_service: Service
) -> None:
    wire.sendall(post(push("half")))
    wire.shutdown(socket.SHUT_WR)
    assert statuses(until_close(wire)) == [200]
    assert "half" in live(shared_service)


def test_a_sender_that_ends_in_the_middle_is_told(wire: socket.socket) -> None:
    wire.sendall(post(push("short"))[:-10])
    wire.shutdown(socket.SHUT_WR)
    said = until_close(wire)
    assert statuses(said) == [400]
    assert b"body_incomplete" in said


@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
def test_a_body_of_a_get_is_no_request(wire: socket.socket, method: bytes) -> None:
    hidden = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
    asked = method + b" /-/healthy HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
    said = until_close(wire, asked % len(hidden) + hidden, LAST)
    assert statuses(said) == [200, 200]
    assert b"otel_jcmc_" not in said


def test_a_sender_of_http_1_0_gets_no_chunks(wire: socket.socket, shared_service: Service) -> None:
    shared_service.push(push_body("old"))
    said = until_close(wire, b"GET /sessions HTTP/1.0\r\nHost: x\r\n\r\n")
    head, _, body = said.partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head
    assert f"content-length: {len(body)}".encode() in head
    assert b"connection: close" in head


@pytest.mark.parametrize("version", ["0.9", "1.2", "2.0"])
def test_another_version_is_not_spoken(wire: socket.socket, version: str) -> None:
    assert statuses(until_close(wire, post(push("v"), version=version) + GET)) in ([505], [400])


def test_a_head_of_many_lines_is_told_so(wire: socket.socket) -> None:
    lines = [f"X-{number}: x" for number in range(101)]
    assert statuses(until_close(wire, GET + post(push("lines"), *lines) + GET)) == [200, 431]


def test_a_connection_that_is_lost_lets_go_of_what_was_read() -> None:
    """Otherwise connection and parser keep each other until a collection: 120 kB for each."""

    async def converse() -> EndingProtocol:
        app: Any = App(Random(1))
        config = uvicorn.Config(app, log_config=None, lifespan="off")
        config.load()
        config.loaded_app = app
        protocol = EndingProtocol(config, ServerState(), {})
        transport: Any = Transport()
        protocol.connection_made(transport)
        protocol.data_received(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 5000)
        assert protocol.has_rest
        assert protocol.waiting
        transport.close()
        protocol.connection_lost(None)
        return protocol

    protocol = asyncio.run(converse())
    assert not protocol._rest
    assert not protocol.waiting
    assert protocol.headers == []
