"""
How many connections there may be, what each may use, and which are closed; also on the service.

The tests use sockets, with limits of a second or of a few dozen connections, to reach each at once.
"""

import json
import logging
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from harness import Service, eventually, push_body

from otel_jcmc.server.connections import ConnectionLimits, Connections, Cut
from otel_jcmc.server.sockets import allow_connections

# Which connection is closed


class Caller:
    """A connection, as the code that gives places sees it."""

    def __init__(self, *, has_asked: bool, since: float) -> None:
        self.quiet: tuple[bool, float] | None = (has_asked, since)
        self.transport = self
        self.is_gone = False

    def quiet_since(self) -> tuple[bool, float] | None:
        return None if self.is_gone else self.quiet

    def abort(self) -> None:
        self.is_gone = True


NOW = 1000.0


class House:
    """All places of a service, and the connections that have them."""

    def __init__(self, most: int) -> None:
        self.cut: dict[str, int] = {}
        self.places = Connections(ConnectionLimits(connections=most), self.cut)
        self.everyone: set[Caller] = set()

    def let_in(self, *, now: float = NOW, spare: int = 0, busy: bool = False) -> Caller:
        """Return a newcomer, which may already be closed."""
        newcomer = Caller(has_asked=False, since=now)
        self.everyone.add(newcomer)
        if busy:
            newcomer.quiet = None
        self.places.has_place(newcomer, self.everyone, now, spare)
        return newcomer

    def has(self, *, asked: bool, quiet_for: float) -> Caller:
        """Return a connection that has sent nothing for *quiet_for* seconds."""
        there = Caller(has_asked=asked, since=NOW - quiet_for)
        self.everyone.add(there)
        return there


def test_there_is_a_place_for_everyone_up_to_the_limit() -> None:
    house = House(3)
    assert [house.let_in().is_gone for _ in range(3)] == [False] * 3
    assert house.cut == dict.fromkeys(Cut, 0)


def test_without_a_limit_there_is_always_a_place() -> None:
    house = House(0)
    assert not any(house.let_in(busy=True).is_gone for _ in range(50))


def test_for_one_more_the_one_that_can_best_be_spared_is_closed() -> None:
    """Unused places first, then newcomers: participants that push go on."""
    house = House(7)
    pushes = house.has(asked=True, quiet_for=9)
    pushed_just_now = house.has(asked=True, quiet_for=0.1)
    just_came = house.has(asked=False, quiet_for=0.5)
    idle = house.has(asked=True, quiet_for=16)
    idle_for_longer = house.has(asked=True, quiet_for=30)
    silent = house.has(asked=False, quiet_for=1.5)
    silent_for_longer = house.has(asked=False, quiet_for=9)
    in_order = [
        *(silent_for_longer, silent, idle_for_longer, idle),
        *(just_came, pushes, pushed_just_now),
    ]
    for count in range(1, len(in_order) + 1):
        assert not house.let_in(busy=True).is_gone
        assert [each.is_gone for each in in_order] == [True] * count + [False] * (7 - count)
        assert len(house.everyone) == 7
    assert house.let_in(busy=True).is_gone
    assert house.cut[Cut.IDLE] == 7
    assert house.cut[Cut.REFUSED] == 1


def test_who_has_asked_something_meanwhile_is_not_closed() -> None:
    """It looks up a hundredth at once, and looks again at each one when it is that one's turn."""
    house = House(200)
    pair = [house.has(asked=True, quiet_for=since) for since in (50, 40)]
    while len(house.everyone) < 200:
        house.has(asked=True, quiet_for=20)
    house.let_in()
    assert [each.is_gone for each in pair] == [True, False]
    pair[1].quiet = (True, NOW)
    house.let_in()
    assert not pair[1].is_gone
    assert house.cut[Cut.IDLE] == 2


def test_with_everyone_busy_nobody_is_looked_for_at_each_newcomer() -> None:
    house = House(2)
    first = [house.let_in(busy=True) for _ in range(2)]
    assert house.let_in().is_gone
    first[0].quiet = (True, NOW - 20)
    assert house.let_in(now=NOW + 0.4).is_gone
    assert not house.let_in(now=NOW + 0.6).is_gone
    assert first[0].is_gone


def test_the_port_that_is_not_for_browsers_has_places_beside() -> None:
    house = House(2)
    for _ in range(2):
        house.let_in(busy=True)
    assert not any(house.let_in(busy=True, spare=32).is_gone for _ in range(32))
    assert house.let_in(busy=True, spare=32).is_gone


def test_a_full_house_is_told_once_and_so_is_its_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "otel_jcmc")
    house = House(10)
    for _ in range(3):
        for _ in range(30):
            house.let_in()
        for caller in list(house.everyone)[:2]:
            house.everyone.discard(caller)
    house.let_in()
    for caller in list(house.everyone)[:9]:
        house.everyone.discard(caller)
    house.let_in()
    assert [record.message[:40] for record in caplog.records] == [
        "connections: all 10 places are taken (JC",
        "connections: there is room again",
    ]


# On the running service


def address(service: Service) -> tuple[str, int]:
    host, _, port = service.url.removeprefix("http://").rpartition(":")
    return host, int(port)


def connect(service: Service) -> socket.socket:
    return socket.create_connection(address(service), timeout=8)


def push(name: str, *headers: str) -> bytes:
    body = json.dumps(push_body(name)).encode()
    lines = ["POST /metrics/push HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def is_taken(wire: socket.socket, name: str) -> bool:
    """Push on *wire*, and say whether the push was stored."""
    try:
        wire.sendall(push(name))
        return wire.recv(4096).endswith(b"OK")
    except OSError:
        return False


def rest(wire: socket.socket) -> bytes:
    """Return what comes until the other side hangs up, which it must do."""
    found = b""
    with suppress(ConnectionResetError):
        while part := wire.recv(4096):
            found += part
    return found


def cut(service: Service, reason: str) -> float:
    value = service.own(f'otel_jcmc_connections_cut_total{{reason="{reason}"}}')
    assert value is not None
    return value


@pytest.fixture(scope="module")
def hurried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Return a service that allows a second for each part of a request."""
    limits = dict.fromkeys(
        [f"JCMC_LIMIT_{part}_SECONDS" for part in ("HEAD", "BODY", "ANSWER")], "1"
    )
    folder = tmp_path_factory.mktemp("s", numbered=True)
    with Service(folder, JCMC_LIMIT_HEAD_BYTES="2000", **limits) as running:
        yield running


def test_a_connection_that_says_nothing_is_closed_when_a_head_should_be_there(
    hurried: Service,
) -> None:
    before = cut(hurried, "head_too_slow")
    with connect(hurried) as wire:
        assert rest(wire) == b""
    assert cut(hurried, "head_too_slow") == before + 1


def test_a_head_without_end_is_cut_when_its_time_is_over(hurried: Service) -> None:
    with connect(hurried) as wire:
        wire.sendall(b"POST /metrics/push HTTP/1.1\r\nHost: x\r\nX-A: ")
        assert rest(wire) == b""


def test_a_body_without_end_is_answered_when_its_time_is_over(hurried: Service) -> None:
    for target in (b"/metrics/push", b"/metrics/push?by=asgi"):
        with connect(hurried) as wire:
            wire.sendall(push("slow")[:-9].replace(b"/metrics/push", target))
            answer = rest(wire)
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"body_incomplete" in answer


@pytest.mark.parametrize("size", [0, 40, -9])
def test_what_came_while_the_service_stood_still_came_in_time(hurried: Service, size: int) -> None:
    """Nothing, a part of the head, or all but the end of the body had come before."""
    whole = push("still")
    with connect(hurried) as wire, connect(hurried) as other:
        wire.sendall(whole[:size])
        for name in ("before", "before-again"):
            assert is_taken(other, name)
        os.kill(hurried.pid, signal.SIGSTOP)
        try:
            wire.sendall(whole[size:])
            time.sleep(1.5)
        finally:
            os.kill(hurried.pid, signal.SIGCONT)
        assert wire.recv(4096).endswith(b"OK")


def test_a_body_that_nobody_asked_for_is_not_read_for_ever(hurried: Service) -> None:
    before = cut(hurried, "body_too_slow")
    with connect(hurried) as wire:
        wire.sendall(b"POST /-/healthy HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n..")
        assert rest(wire).startswith(b"HTTP/1.1 405 ")
    assert cut(hurried, "body_too_slow") == before + 1


def test_an_idle_connection_outlives_the_time_of_a_head(hurried: Service) -> None:
    with connect(hurried) as wire, connect(hurried) as silent:
        assert is_taken(wire, "idle")
        rest(silent)
        assert is_taken(wire, "idle")


def test_a_head_larger_than_the_limit_is_cut(hurried: Service) -> None:
    before = cut(hurried, "head_too_large")
    with connect(hurried) as wire:
        wire.sendall(b"POST /metrics/push HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 2000)
        assert rest(wire) == b""
    assert cut(hurried, "head_too_large") == before + 1


@pytest.mark.parametrize("pages", [1, 20])
def test_who_does_not_read_a_scrape_is_cut(hurried: Service, pages: int) -> None:
    """One page that the kernel buffers completely, and more pages, which wait in the service."""
    with connect(hurried) as wire:
        for number in range(400):
            assert is_taken(wire, f"reader-{number:04}")
    before = cut(hurried, "answer_too_slow")
    with socket.socket() as wire:
        # Otherwise the kernel at this end would take all of it for the reader.
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        wire.settimeout(8)
        wire.connect(address(hurried))
        wire.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * pages)
        eventually(lambda: cut(hurried, "answer_too_slow") == before + 1)
        assert rest(wire).count(b"\njitsi_jcmc_transport_rtt{") < 400 * pages


def is_let_in(service: Service) -> bool:
    """Say whether a newcomer gets an answer."""
    with connect(service) as newcomer:
        return is_taken(newcomer, "newcomer")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Return a service with a limit of thirty connections."""
    folder = tmp_path_factory.mktemp("s", numbered=True)
    with Service(folder, JCMC_LIMIT_CONNECTIONS="30") as running:
        yield running


@contextmanager
def crowd(service: Service, count: int, first_words: bytes = b"") -> Iterator[list[socket.socket]]:
    """Open *count* connections to *service*; each sends *first_words*."""
    with ExitStack() as stack:
        wires = []
        for _ in range(count):
            wire = stack.enter_context(connect(service))
            with suppress(OSError):  # the other end may have refused it
                wire.sendall(first_words)
            wires.append(wire)
        yield wires


def test_a_silent_crowd_keeps_nobody_out(small: Service) -> None:
    """Participants go on, a newcomer that sends at once gets an answer, and so does the scrape."""
    with connect(small) as wire:
        assert is_taken(wire, "there")
        with crowd(small, 100):
            for number in range(20):
                assert is_taken(wire, "there")
                with connect(small) as newcomer:
                    assert is_taken(newcomer, f"new-{number}")
            assert small.own("otel_jcmc_connections") == 30
            assert cut(small, "idle") >= 71
            assert cut(small, "refused") == 0


def test_a_busy_crowd_goes_on_and_newcomers_are_refused_until_there_is_room(
    small: Service,
) -> None:
    whole = push("busy")
    with crowd(small, 30, whole[:-9]) as busy:
        assert not is_let_in(small)
        for wire in busy:
            wire.sendall(whole[-9:])
            assert wire.recv(4096).endswith(b"OK")
        # Idle connections are looked for twice a second.
        eventually(lambda: is_let_in(small))
    assert cut(small, "refused") >= 1


def test_with_all_limits_off_a_push_in_pieces_is_stored(short_path: Path) -> None:
    parts = ("CONNECTIONS", "HEAD_BYTES", "HEAD_SECONDS", "BODY_SECONDS", "ANSWER_SECONDS")
    off = dict.fromkeys([f"JCMC_LIMIT_{part}" for part in parts], "0")
    with Service(short_path, **off) as service, connect(service) as wire:
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        whole = push("pieces", f"X-Long: {'x' * 70_000}")
        for start in range(0, len(whole), 7_001):
            wire.sendall(whole[start : start + 7_001])
        assert wire.recv(4096).endswith(b"OK")


# Descriptors


def with_files(most: int, folder: Path, **environ: str) -> Service:
    """Return a service that may open *most* files, not started yet."""
    service = Service(folder, **environ)
    limited = f'ulimit -n {most} && exec "$@"'
    service.command = ["/bin/sh", "-c", limited, "sh", sys.executable, "-m", "otel_jcmc"]
    return service


def test_connections_are_as_many_as_the_limit_of_open_files_allows(short_path: Path) -> None:
    with with_files(100, short_path) as service, connect(service) as wire:
        assert is_taken(wire, "there")
        with crowd(service, 200):
            assert is_taken(wire, "there")
            assert service.own("otel_jcmc_connections") == 36
            assert service.push(push_body("new")).body == "OK"
        (line,) = [each for each in service.log.read_text().splitlines() if "open files" in each]
        assert (
            "the limit of open files is 100: enough for 36 connections, not for the 10000 of"
            " JCMC_LIMIT_CONNECTIONS" in line
        )


def test_a_service_out_of_descriptors_goes_on_and_recovers(short_path: Path) -> None:
    """The service has no limit of its own here: accept() and open() meet the kernel's."""
    service = with_files(64, short_path, JCMC_LIMIT_CONNECTIONS="0")
    with service, connect(service) as wire, connect(service) as scraper:
        assert is_taken(wire, "there")
        scraper.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        with crowd(service, 200):
            for number in range(20):
                assert is_taken(wire, f"there-{number}")
            page = b""
            while b"otel_jcmc_build_info{" not in page:
                page += scraper.recv(65_536)
            assert b"otel_jcmc_store_up 1" in page
        eventually(lambda: is_let_in(service))
        assert is_taken(wire, "there")
        assert "Traceback" not in service.log.read_text()


def test_the_limit_of_open_files_is_raised_for_the_connections(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limits = {"soft": 1024, "hard": 20_000}
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limits["soft"], limits["hard"]))
    monkeypatch.setattr(resource, "setrlimit", lambda _, to: limits.update(soft=to[0], hard=to[1]))
    assert allow_connections(10_000) == 10_000
    assert limits == {"soft": 10_064, "hard": 20_000}
    assert allow_connections(500) == 500
    assert limits == {"soft": 10_064, "hard": 20_000}
    assert allow_connections(30_000) == 19_936
    assert limits == {"soft": 20_000, "hard": 20_000}
    limits.update(soft=1024)
    assert allow_connections(0) == 0
    assert limits == {"soft": 20_000, "hard": 20_000}
