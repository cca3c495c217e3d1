"""Requests as they are on the wire: the short way of a push and the ASGI way give the same."""

import asyncio
import json
import socket
import time
from collections.abc import Callable, Iterator
from io import BufferedReader
from typing import Any

import pytest
import uvicorn
from harness import Service, push_body
from uvicorn.server import ServerState

from otel_jcmc.protocol import PushProtocol
from otel_jcmc.receiver import Answer


@pytest.fixture
def wire(shared_service: Service) -> Iterator[socket.socket]:
    host, _, port = shared_service.url.removeprefix("http://").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=8) as connection:
        yield connection


def request(
    body: bytes, *headers: str, target: str = "/metrics/push", version: str = "1.1"
) -> bytes:
    """Return a push as it is on the wire."""
    lines = [f"POST {target} HTTP/{version}", "Host: x", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def push(name: str) -> bytes:
    return json.dumps(push_body(name)).encode()


def read_answer(stream: BufferedReader) -> tuple[int, dict[str, str], str]:
    """Return the next answer's status, headers and body."""
    status = int(stream.readline().split()[1])
    headers = {}
    while line := stream.readline().strip():
        name, _, value = line.decode().partition(": ")
        headers[name] = value
    return status, headers, stream.read(int(headers["content-length"])).decode()


def answers(wire: socket.socket, count: int) -> list[tuple[int, str]]:
    """Return status and body of the next *count* answers, which may come in one segment."""
    with wire.makefile("rb") as stream:
        found = [read_answer(stream) for _ in range(count)]
    return [(status, body) for status, _, body in found]


def is_closed(wire: socket.socket) -> bool:
    return wire.recv(1) == b""


def test_pushes_one_after_the_other_on_one_connection(wire: socket.socket) -> None:
    for number in range(3):
        wire.sendall(request(push(f"row-{number}")))
        assert answers(wire, 1) == [(200, "OK")]


def test_pushes_that_do_not_wait_for_the_answer_are_all_answered_in_order(
    wire: socket.socket,
) -> None:
    bad = request(b"{")
    wire.sendall(request(push("pipe-1")) + bad + request(push("pipe-2")) + bad)
    statuses = [status for status, _ in answers(wire, 4)]
    assert statuses == [200, 400, 200, 400]


def test_another_request_behind_a_push_is_answered_after_it(wire: socket.socket) -> None:
    wire.sendall(request(push("mixed")) + b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answers(wire, 2) == [(200, "OK"), (200, "healthy\n")]


@pytest.mark.parametrize("target", ["/metrics/push", "/metrics/push?by=asgi"])
@pytest.mark.parametrize("size", [1, 7, 100, 10_000])
def test_a_push_in_pieces_is_one_push(wire: socket.socket, target: str, size: int) -> None:
    whole = request(push("pieces"), target=target)
    for start in range(0, len(whole), size):
        wire.sendall(whole[start : start + size])
    assert answers(wire, 1) == [(200, "OK")]


def test_a_push_in_chunks_is_one_push(wire: socket.socket) -> None:
    body = push("chunks")
    head = b"POST /metrics/push HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    parts = (
        b"%x\r\n%b\r\n" % (len(body[at : at + 99]), body[at : at + 99])
        for at in range(0, len(body), 99)
    )
    wire.sendall(head + b"".join(parts) + b"0\r\n\r\n")
    assert answers(wire, 1) == [(200, "OK")]


def test_who_expects_a_word_before_the_body_gets_it(wire: socket.socket) -> None:
    body = push("expects")
    wire.sendall(request(body, "Expect: 100-continue")[: -len(body)])
    assert wire.recv(100).startswith(b"HTTP/1.1 100 Continue\r\n\r\n")
    wire.sendall(body)
    assert answers(wire, 1) == [(200, "OK")]


@pytest.mark.parametrize(
    ("headers", "version", "closes"),
    [
        ((), "1.1", False),
        (("Connection: close",), "1.1", True),
        ((), "1.0", True),
        (("Connection: keep-alive",), "1.0", True),
    ],
)
def test_a_connection_is_closed_when_it_was_said_to_be(
    wire: socket.socket, headers: tuple[str, ...], version: str, *, closes: bool
) -> None:
    wire.sendall(request(push("closes"), *headers, version=version))
    head = b""
    while not head.endswith(b"OK"):
        head += wire.recv(1000)
    assert (b"\r\nconnection: close\r\n" in head) is closes
    if closes:
        assert is_closed(wire)
    else:
        wire.sendall(request(push("closes")))
        assert answers(wire, 1) == [(200, "OK")]


@pytest.mark.parametrize("target", ["/metrics/push", "/metrics/push?by=asgi"])
def test_both_ways_give_the_same_answer(wire: socket.socket, target: str) -> None:
    body = json.dumps(push_body("ways", extra=1)).encode()
    wire.sendall(request(body, "Origin: https://meet.example.org", target=target))
    with wire.makefile("rb") as stream:
        status, names, told = read_answer(stream)
    del names["date"]
    assert status == 200
    assert json.loads(told) == {
        "dropped": [{"field": "extra", "reason": "unknown_field"}],
        "more": 0,
    }
    assert names.pop("content-length") == str(len(told))
    assert names == {
        "content-type": "application/json",
        "access-control-allow-origin": "*",
        "access-control-expose-headers": "retry-after",
    }


def test_who_hangs_up_before_the_answer_harms_nobody(shared_service: Service) -> None:
    host, _, port = shared_service.url.removeprefix("http://").rpartition(":")
    log = shared_service.log.read_text()
    for number in range(50):
        with socket.create_connection((host, int(port)), timeout=8) as connection:
            connection.sendall(request(push(f"gone-{number}")))
    assert shared_service.push(push_body("still-here")).body == "OK"
    assert shared_service.log.read_text() == log


def test_each_push_of_a_connection_has_its_own_time_for_its_body(wire: socket.socket) -> None:
    """The first comes in two pieces, and the second begins with the last of them."""
    wire.settimeout(15)
    bad, half = request(b"{" * 99), request(push("half"))[:-9]
    wire.sendall(bad[:-9])
    time.sleep(0.3)  # or both arrive as one
    wire.sendall(bad[-9:] + half)
    reasons = [json.loads(body)["errors"][0]["reason"] for _, body in answers(wire, 2)]
    assert reasons == ["not_json", "body_incomplete"]
    assert is_closed(wire)


def test_a_body_that_is_announced_too_large_is_refused_at_its_head(wire: socket.socket) -> None:
    wire.sendall(request(b"", "X: y").replace(b"Content-Length: 0", b"Content-Length: 65537"))
    [(status, body)] = answers(wire, 1)
    assert (status, json.loads(body)["errors"][0]["reason"]) == (413, "body_too_large")
    assert is_closed(wire)


def test_a_body_that_grows_too_large_is_refused_when_it_does(wire: socket.socket) -> None:
    wire.sendall(b"POST /metrics/push HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    wire.sendall(b"10001\r\n" + b" " * 0x10001)
    [(status, body)] = answers(wire, 1)
    assert (status, json.loads(body)["errors"][0]["reason"]) == (413, "body_too_large")


# Idleness, by a clock of our own.


class Clock:
    """The part of an event loop that tells the time and calls back."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.due: list[tuple[float, Callable[[], None]]] = []

    def time(self) -> float:
        return self.now

    def call_later(self, seconds: float, callback: Callable[[], None]) -> None:
        self.due.append((self.now + seconds, callback))

    def advance(self, seconds: float) -> None:
        """Let the time pass, and call what is due meanwhile."""
        until = self.now + seconds
        while self.due and (first := min(self.due, key=lambda each: each[0]))[0] <= until:
            self.due.remove(first)
            self.now = first[0]
            first[1]()
        self.now = until


class Wire(asyncio.Transport):
    """A transport that remembers what was written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.is_closed = False

    def write(self, data: Any) -> None:
        self.written += data

    def close(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed


class Door:
    """A push door that leaves it to the test when to answer."""

    max_body_bytes = 1000

    def take(self, _headers: Any, _body: bytes, reply: Callable[[Answer], None], peer: str) -> None:
        self.reply = reply
        self.peer = peer


class App:
    """An application that is a push door and nothing else."""

    def __init__(self) -> None:
        self.push_door = Door()


@pytest.fixture
def idle() -> tuple[Clock, Wire, PushProtocol, Door]:
    """Return a connection that was just made, kept for 75 s without a request."""
    app: Any = App()
    clock, wire = Clock(), Wire()
    config = uvicorn.Config(app, log_config=None, lifespan="off", timeout_keep_alive=75)
    config.load()
    config.loaded_app = app
    protocol = PushProtocol(config, ServerState(), {}, clock)
    protocol.connection_made(wire)
    return clock, wire, protocol, app.push_door


def test_a_connection_is_closed_when_nothing_has_been_asked_for_long_enough(
    idle: tuple[Clock, Wire, PushProtocol, Door],
) -> None:
    clock, wire, protocol, door = idle
    for _ in range(5):
        protocol.data_received(request(b"{}"))
        door.reply(Answer(200, [], b"OK"))
        clock.advance(74)
        assert not wire.is_closed
    clock.advance(0.9)
    assert not wire.is_closed
    clock.advance(0.2)
    assert wire.is_closed
    assert wire.written.count(b"OK") == 10
    assert len(clock.due) == 0


def test_a_connection_on_which_nothing_is_ever_asked_is_closed(
    idle: tuple[Clock, Wire, PushProtocol, Door],
) -> None:
    clock, wire, _, _ = idle
    clock.advance(74.9)
    assert not wire.is_closed
    clock.advance(0.2)
    assert wire.is_closed


def test_a_connection_is_not_idle_while_its_push_waits_for_the_store(
    idle: tuple[Clock, Wire, PushProtocol, Door],
) -> None:
    clock, wire, protocol, door = idle
    protocol.data_received(request(b"{}"))
    clock.advance(500)
    assert not wire.is_closed
    door.reply(Answer(200, [], b"OK"))
    clock.advance(76)
    assert wire.is_closed


def test_a_second_answer_to_a_push_is_not_sent(
    idle: tuple[Clock, Wire, PushProtocol, Door],
) -> None:
    _, wire, protocol, door = idle
    protocol.data_received(request(b"{}"))
    for _ in range(2):
        door.reply(Answer(200, [], b"OK"))
    assert wire.written.count(b"HTTP/1.1 200 OK") == 1


def test_who_expects_a_word_and_has_sent_the_body_gets_the_answer_alone(
    idle: tuple[Clock, Wire, PushProtocol, Door],
) -> None:
    _, wire, protocol, door = idle
    protocol.data_received(request(b"{}", "Expect: 100-continue"))
    door.reply(Answer(200, [], b"OK"))
    assert b" 100 " not in wire.written
    assert wire.written.startswith(b"HTTP/1.1 200 OK")
