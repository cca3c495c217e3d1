"""Raw requests: the fast path of a push and the ASGI path give the same answers."""

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
from refusal_lines import without_refusals
from uvicorn.server import ServerState

from otel_jcmc.catalogue.reasons import PushRefused
from otel_jcmc.server.connections import ConnectionLimits, Connections
from otel_jcmc.server.protocol import PushProtocol
from otel_jcmc.web.answers import CLOSE, Answer


@pytest.fixture
def wire(shared_service: Service) -> Iterator[socket.socket]:
    host, _, port = shared_service.url.removeprefix("http://").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=8) as connection:
        yield connection


def request(
    body: bytes, *headers: str, target: str = "/metrics/push", version: str = "1.1"
) -> bytes:
    """Return the bytes of a push."""
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
    """Return status and body of the next *count* answers, which may share a segment."""
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
    log = without_refusals(shared_service.said())
    for number in range(50):
        with socket.create_connection((host, int(port)), timeout=8) as connection:
            connection.sendall(request(push(f"gone-{number}")))
    assert shared_service.push(push_body("still-here")).body == "OK"
    assert without_refusals(shared_service.said()) == log


def test_who_hangs_up_with_requests_in_line_harms_nobody(shared_service: Service) -> None:
    """The request under way is not the last one: uvicorn only says that nobody listens."""
    logged = without_refusals(shared_service.said())
    host, _, port = shared_service.url.removeprefix("http://").rpartition(":")
    behind = request(push("in-line"), target="/metrics/push?") + b"GET / HTTP/1.1\r\n\r\n"
    for _ in range(20):
        with socket.create_connection((host, int(port)), timeout=8) as connection:
            connection.sendall(b"GET /-/ready HTTP/1.1\r\n\r\n" + behind)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65_536):
                pass
    assert shared_service.push(push_body("in-line-after")).body == "OK"
    assert without_refusals(shared_service.said()) == logged


def test_each_push_of_a_connection_has_its_own_time_for_its_body(wire: socket.socket) -> None:
    """The first body comes in two pieces; the second push begins with the last of them."""
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


# Idle connections, with a clock of the test.


class Timer:
    """The handle that a clock returns for a scheduled call."""

    def __init__(self, clock: "Clock", due: tuple[float, Callable[[], None]]) -> None:
        self.clock, self.due = clock, due

    def cancel(self) -> None:
        if self.due in self.clock.due:
            self.clock.due.remove(self.due)


class Clock:
    """The part of an event loop that has the time and schedules calls."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.due: list[tuple[float, Callable[[], None]]] = []
        self.timers = 0

    def time(self) -> float:
        return self.now

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        self.timers += 1
        self.due.append((self.now + seconds, callback))
        return Timer(self, self.due[-1])

    def advance(self, seconds: float) -> None:
        """Let time pass, and make the calls that become due."""
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
        self.is_closed = self.is_aborted = self.is_paused = False
        self.unread = 0

    def write(self, data: Any) -> None:
        self.written += data

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_closed = self.is_aborted = True

    def get_write_buffer_size(self) -> int:
        return self.unread

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False

    def is_closing(self) -> bool:
        return self.is_closed


class Door:
    """A push endpoint that answers when the test says so."""

    max_body_bytes = 1000

    def take(self, _headers: Any, _body: bytes, reply: Callable[[Answer], None], peer: str) -> None:
        self.reply = reply
        self.peer = peer

    def refuse(self, _headers: Any, refused: PushRefused) -> Answer:
        return Answer(400, [CLOSE], refused.reason.encode())

    def is_too_large(self, _headers: Any) -> bool:
        return False


class App:
    """An application with only a push endpoint."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self.push_endpoint = Door()
        self.connections = Connections(limits, {})

    def is_admin(self, _server: Any) -> bool:
        return False


def connect(limits: ConnectionLimits) -> tuple[Clock, Wire, PushProtocol, Door]:
    """Return a new connection, which may stay for 75 s without a request."""
    app: Any = App(limits)
    clock: Any = Clock()
    wire = Wire()
    config = uvicorn.Config(app, log_config=None, lifespan="off", timeout_keep_alive=75)
    config.load()
    config.loaded_app = app
    protocol = PushProtocol(config, ServerState(), {}, clock)
    protocol.connection_made(wire)
    return clock, wire, protocol, app.push_endpoint


@pytest.fixture
def idle() -> tuple[Clock, Wire, PushProtocol, Door]:
    """Return a connection with the default limits."""
    return connect(ConnectionLimits())


@pytest.fixture
def unlimited() -> tuple[Clock, Wire, PushProtocol, Door]:
    """Return a connection without limits."""
    return connect(ConnectionLimits(*[0] * 5))


def reasons(protocol: PushProtocol) -> dict[str, int]:
    """Return how many connections were cut, by reason."""
    return {why: count for why, count in protocol._places.cut.items() if count}


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


def test_a_connection_that_was_not_read_is_read_again_with_the_answer(
    idle: tuple[Clock, Wire, PushProtocol, Door],
) -> None:
    _, wire, protocol, door = idle
    protocol.data_received(request(b"{}"))
    protocol.flow.pause_reading()
    assert wire.is_paused
    door.reply(Answer(200, [], b"OK"))
    assert not wire.is_paused


def test_a_connection_on_which_nothing_is_asked_is_closed_when_a_head_should_be_there(
    idle: tuple[Clock, Wire, PushProtocol, Door],
) -> None:
    clock, wire, protocol, _ = idle
    clock.advance(9.9)
    assert not wire.is_closed
    clock.advance(0.2)
    assert wire.is_closed
    assert reasons(protocol) == {"head_too_slow": 1}


def test_a_connection_on_which_only_line_ends_come_is_closed(
    idle: tuple[Clock, Wire, PushProtocol, Door],
) -> None:
    """Line ends may come before a request and are not one: the parser does not see them."""
    clock, wire, protocol, _ = idle
    for _ in range(11):
        protocol.data_received(b"\r\n")
        clock.advance(1)
    assert wire.is_closed


def test_an_ordinary_push_sets_no_timer(idle: tuple[Clock, Wire, PushProtocol, Door]) -> None:
    clock, _, protocol, door = idle
    for _ in range(100):
        protocol.data_received(request(b"{}"))
        door.reply(Answer(200, [], b"OK"))
    assert clock.timers == 1
    clock.advance(10.1)
    assert clock.timers == 2


def test_a_head_that_comes_byte_by_byte_is_cut_when_its_time_is_over(
    idle: tuple[Clock, Wire, PushProtocol, Door],
) -> None:
    clock, wire, protocol, _ = idle
    for byte in request(b"{}")[:20]:
        assert not wire.is_closed
        protocol.data_received(bytes([byte]))
        clock.advance(0.51)
    assert wire.is_aborted
    assert wire.written == b""
    assert reasons(protocol) == {"head_too_slow": 1}


def test_a_later_head_has_the_same_time_and_not_that_of_an_idle_connection(
    idle: tuple[Clock, Wire, PushProtocol, Door],
) -> None:
    clock, wire, protocol, door = idle
    for _ in range(3):
        protocol.data_received(request(b"{}")[:9])
        clock.advance(9)
        protocol.data_received(request(b"{}")[9:])
        door.reply(Answer(200, [], b"OK"))
        clock.advance(30)
    protocol.data_received(request(b"{}")[:9])
    clock.advance(9.9)
    assert not wire.is_closed
    clock.advance(0.2)
    assert wire.is_aborted


def test_the_time_of_a_head_is_not_that_of_its_body(
    idle: tuple[Clock, Wire, PushProtocol, Door],
) -> None:
    clock, wire, protocol, door = idle
    whole = request(b"{}")
    protocol.data_received(whole[:9])
    clock.advance(9)
    protocol.data_received(whole[9:-1])
    clock.advance(9)
    protocol.data_received(whole[-1:])
    clock.advance(60)
    assert not wire.is_closed
    door.reply(Answer(200, [], b"OK"))
    assert wire.written.endswith(b"OK")
    assert reasons(protocol) == {}


def test_a_body_that_is_not_there_in_time_is_answered(
    idle: tuple[Clock, Wire, PushProtocol, Door],
) -> None:
    clock, wire, protocol, _ = idle
    protocol.data_received(request(b"{}")[:-1])
    clock.advance(9.9)
    assert not wire.is_closed
    clock.advance(0.2)
    assert wire.is_closed
    assert wire.written.endswith(b"body_incomplete")


@pytest.mark.parametrize("seconds", [5, 60, 500])
def test_with_the_limits_off_head_and_body_have_any_time(
    unlimited: tuple[Clock, Wire, PushProtocol, Door], seconds: float
) -> None:
    clock, wire, protocol, door = unlimited
    whole = request(b"{}")
    for start in range(0, len(whole), 20):
        protocol.data_received(whole[start : start + 20])
        clock.advance(seconds)
    door.reply(Answer(200, [], b"OK"))
    assert wire.written.endswith(b"OK")


def test_with_the_limits_off_who_expects_a_word_gets_it_once(
    unlimited: tuple[Clock, Wire, PushProtocol, Door],
) -> None:
    _, wire, protocol, _ = unlimited
    whole = request(b"{}", "Expect: 100-continue")
    for sent in (whole[:-2], b"{", b"}"):
        protocol.data_received(sent)
    assert wire.written == b"HTTP/1.1 100 Continue\r\n\r\n"


def test_with_the_limits_off_a_silent_connection_is_idle(
    unlimited: tuple[Clock, Wire, PushProtocol, Door],
) -> None:
    clock, wire, _, _ = unlimited
    clock.advance(74.9)
    assert not wire.is_closed
    clock.advance(0.2)
    assert wire.is_closed


@pytest.mark.parametrize("piece", [b"X: y\r\n", b"a" * 1000])
def test_a_head_too_large_is_cut_before_its_time(
    idle: tuple[Clock, Wire, PushProtocol, Door], piece: bytes
) -> None:
    """A head of many short lines, or of one line without an end."""
    _, wire, protocol, _ = idle
    protocol.data_received(b"POST /metrics/push HTTP/1.1\r\nY: z\r\n")
    for count in range(110):
        assert not wire.is_closed or count > 60
        protocol.data_received(piece)
    assert wire.is_closed
    assert reasons(protocol)["head_too_large"] >= 1


@pytest.mark.parametrize("size", [7, 10_000])
def test_a_head_of_many_lines_is_refused_however_it_comes(
    idle: tuple[Clock, Wire, PushProtocol, Door], size: int
) -> None:
    _, wire, protocol, door = idle
    allowed, refused = (request(b"{}", *["X: y"] * count) for count in (98, 99))
    for start in range(0, len(allowed), size):
        protocol.data_received(allowed[start : start + size])
    door.reply(Answer(200, [], b"OK"))
    assert wire.written.endswith(b"OK")
    for start in range(0, len(refused), size):
        if not wire.is_closed:
            protocol.data_received(refused[start : start + size])
    assert wire.is_closed
    assert reasons(protocol) == {"head_too_large": 1}


class Unfinished:
    """An ASGI answer that is not finished."""

    response_complete = False
    disconnected = False


def test_who_does_not_read_an_answer_is_cut_when_its_time_is_over(
    idle: tuple[Clock, Wire, PushProtocol, Door],
) -> None:
    """Also if it reads slowly: a piece that is read does not restart the time."""
    clock, wire, protocol, _ = idle
    protocol.has_asked = True
    protocol.cycle = Unfinished()
    for _ in range(7):
        assert not wire.is_closed
        protocol.pause_writing()
        clock.advance(8)
        protocol.resume_writing()
        clock.advance(1)
    assert wire.is_aborted
    assert reasons(protocol) == {"answer_too_slow": 1}


def test_who_has_read_an_answer_has_as_long_for_the_next_one(
    idle: tuple[Clock, Wire, PushProtocol, Door],
) -> None:
    clock, wire, protocol, _ = idle
    protocol.has_asked = True
    for _ in range(5):
        protocol.cycle = Unfinished()
        protocol.pause_writing()
        clock.advance(25)
        protocol.resume_writing()
        clock.advance(25)
        protocol.cycle.response_complete = True
        protocol.on_response_complete()
    assert not wire.is_closed


def test_what_is_left_of_an_answer_is_given_up_with_its_connection(
    idle: tuple[Clock, Wire, PushProtocol, Door],
) -> None:
    """It is below the limit that pauses writing: all is sent, and the client has not read."""
    clock, wire, protocol, door = idle
    protocol.data_received(request(b"{}"))
    door.reply(Answer(200, [], b"OK"))
    wire.unread = 10
    clock.advance(76)
    assert wire.is_aborted
    assert reasons(protocol) == {"answer_too_slow": 1}


def test_who_reads_nothing_before_the_end_of_a_closing_connection_is_cut(
    idle: tuple[Clock, Wire, PushProtocol, Door],
) -> None:
    clock, wire, protocol, door = idle
    protocol.data_received(request(b"{}", "Connection: close"))
    door.reply(Answer(200, [], b"OK"))
    assert wire.is_closed
    clock.advance(69)
    assert not wire.is_aborted
    clock.advance(2)
    assert wire.is_aborted


def test_a_request_whose_body_nobody_reads_is_not_read_for_ever(
    idle: tuple[Clock, Wire, PushProtocol, Door],
) -> None:
    clock, wire, protocol, _ = idle
    protocol.cycle = Unfinished()
    protocol.cycle.response_complete = True
    protocol.has_asked = True
    protocol.reading = 2
    for _ in range(11):
        protocol._wait()
        clock.advance(1)
    assert wire.is_aborted
    assert reasons(protocol) == {"body_too_slow": 1}


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


# Conditions under which a complete push in one read does not take the fast path.


def ways(protocol: PushProtocol, door: Door) -> list[str]:
    """Return a list that records the path of each request from now on."""
    taken: list[str] = []
    take: Any = door.take

    def noted(*given: Any) -> None:
        taken.append("door")
        take(*given)

    def by_asgi() -> None:
        taken.append("asgi")
        protocol.cycle = Unfinished()
        protocol.cycle.response_complete = True

    changed: Any = protocol
    changed._go_by_asgi = by_asgi
    changed._door.take = noted
    return taken


def test_a_whole_push_goes_to_the_door(idle: tuple[Clock, Wire, PushProtocol, Door]) -> None:
    _, _, protocol, door = idle
    taken = ways(protocol, door)
    for _ in range(3):
        protocol.data_received(request(b"{}"))
        door.reply(Answer(200, [], b"OK"))
        assert protocol.quiet_since() == (True, 1000.0)
    assert taken == ["door"] * 3


def test_a_push_that_comes_while_another_is_answered_waits(
    idle: tuple[Clock, Wire, PushProtocol, Door],
) -> None:
    _, _, protocol, door = idle
    answered: Any = Unfinished()
    answered.response_complete = True
    protocol.cycle = answered
    taken = ways(protocol, door)
    for _ in range(2):
        protocol.data_received(request(b"{}"))
    assert taken == ["door", "asgi"]


def test_a_whole_push_to_the_other_port_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(App, "is_admin", lambda _self, _server: True)
    _, _, protocol, door = connect(ConnectionLimits())
    taken = ways(protocol, door)
    protocol.data_received(request(b"{}"))
    assert taken == ["asgi"]


@pytest.mark.parametrize(
    "begun",
    [b"GET / HTTP/1.1\r\nHost: ", b"PUT /else HTTP/1.1\r\nContent-Length: 1000\r\n\r\n"],
    ids=["a head", "a body"],
)
def test_what_looks_like_a_push_inside_of_a_request_is_a_part_of_it(
    idle: tuple[Clock, Wire, PushProtocol, Door], begun: bytes
) -> None:
    _, _, protocol, door = idle
    taken = ways(protocol, door)
    protocol.data_received(begun)
    protocol.data_received(request(b"{}"))
    assert taken == ["asgi"]


def test_who_does_not_read_answers_pushes_the_asgi_way(
    idle: tuple[Clock, Wire, PushProtocol, Door],
) -> None:
    _, _, protocol, door = idle
    taken = ways(protocol, door)
    protocol.pause_writing()
    protocol.data_received(request(b"{}"))
    assert taken == ["asgi"]


def test_behind_the_last_request_no_push_is_taken(
    idle: tuple[Clock, Wire, PushProtocol, Door],
) -> None:
    _, wire, protocol, door = idle
    taken = ways(protocol, door)
    protocol.data_received(request(b"{}", "Connection: close"))
    door.reply(Answer(200, [], b"OK"))
    for is_closed in (True, False):
        wire.is_closed = is_closed
        protocol.data_received(request(b"{}"))
    assert taken == ["door"]


def test_on_a_connection_that_is_being_closed_no_push_is_taken(
    idle: tuple[Clock, Wire, PushProtocol, Door],
) -> None:
    _, wire, protocol, door = idle
    taken = ways(protocol, door)
    wire.close()
    protocol.data_received(request(b"{}"))
    assert taken == []


def test_the_last_push_of_an_ending_connection_is_told_so(
    idle: tuple[Clock, Wire, PushProtocol, Door],
) -> None:
    _, wire, protocol, door = idle
    protocol.is_ending = True
    protocol.data_received(request(b"{}"))
    door.reply(Answer(200, [], b"OK"))
    assert b"\r\nconnection: close\r\n" in wire.written
    assert wire.is_closed


def test_a_whole_push_that_is_too_large_is_refused(
    idle: tuple[Clock, Wire, PushProtocol, Door],
) -> None:
    _, wire, protocol, door = idle
    taken = ways(protocol, door)
    for size in (1000, 1001):
        protocol.data_received(request(b"{%b}" % (b" " * (size - 2))))
        if size == 1000:
            door.reply(Answer(200, [], b"OK"))
    assert taken == ["door"]
    assert wire.written.endswith(b"body_too_large")
