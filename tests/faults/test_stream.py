"""
A scrape that is sent while it is made: to clients that read slowly, hang up, or ask for a part.

On real sockets, with one process and through a worker. Where a test says so, the service's own
renderer waits, fails, or logs what it has made.
"""

import asyncio
import gzip
import http.client
import re
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from crowd import Browser, names_in, push_request
from harness import Service, eventually

pytestmark = pytest.mark.xdist_group("faults-stream")

PAGE = "/metrics/participants"
GET = f"GET {PAGE} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
# A text of about 2 MB, which is two or three batches.
PEOPLE = 1000
# About 17 MB: more than the kernel buffers for a reader.
MANY = 8 * PEOPLE
LAST = "jitsi_jcmc_transport_rtt"
# Starts the service with an addition before each column of the metric LAST.
SCRIPT = """
import sys, time
from pathlib import Path
from otel_jcmc.command.arguments import main
from otel_jcmc.metrics import prometheus, scrape

lines, batch = prometheus._lines, scrape._batch

def _lines(name, column, made):
    if name == {last!r}:
        {before}
    return lines(name, column, made)

def _batch(pieces):
    found = batch(pieces)
    print("batch of", sum(map(len, found)), file=sys.stderr, flush=True)
    return found

prometheus._lines, scrape._batch = _lines, _batch
main()
"""
BATCH = re.compile(r"^batch of (\d+)$", re.MULTILINE)


@contextmanager
def serving(folder: Path, before: str = "pass", **environ: str) -> Iterator[Service]:
    """Run a service that does *before* before it renders the last metric."""
    service = Service(folder, METRICS_EXPIRATION="300", TMPDIR=str(folder), **environ)
    service.command = [sys.executable, "-c", SCRIPT.format(last=LAST, before=before)]
    with service:
        yield service


@pytest.fixture(params=["0", "1"], ids=["one process", "a worker"])
def workers(request: pytest.FixtureRequest) -> str:
    """Return how many workers there are."""
    return str(request.param)


def fill(service: Service, people: int = PEOPLE) -> None:
    """Push for so many participants, over fifty connections at a time."""

    async def push(first: int) -> None:
        browser = await Browser.opened(service.url)
        for number in range(first, people, 50):
            await browser.send(push_request(f"p{number}", conference=f"room-{number // 100}"))
            told = await browser.told()
            assert told is not None
            assert told.status == 200
        browser.close()

    async def all_push() -> None:
        await asyncio.gather(*map(push, range(50)))

    asyncio.run(all_push())


def made(service: Service) -> list[int]:
    """Return the sizes of the batches so far."""
    return [int(size) for size in BATCH.findall(service.log.read_text())]


def ask(service: Service, headers: dict[str, str] | None = None) -> http.client.HTTPResponse:
    """Request the page of participants, and return the answer at its beginning."""
    connection = http.client.HTTPConnection(urlsplit(service.url).netloc, timeout=15)
    connection.request("GET", PAGE, headers={"connection": "close", **(headers or {})})
    return connection.getresponse()


def body_of(service: Service) -> bytes:
    """Return the whole page of participants."""
    with ask(service) as answer:
        return answer.read()


def hear(service: Service, version: str, method: str = "GET") -> bytes:
    """Return the whole answer to a request of HTTP *version*, until the hang-up."""
    with socket.create_connection(address(service), timeout=15) as wire:
        asked = f"{method} {PAGE} HTTP/{version}\r\nHost: x\r\nConnection: close\r\n\r\n"
        wire.sendall(asked.encode())
        return b"".join(iter(lambda: wire.recv(65_536), b""))


def address(service: Service) -> tuple[str, int]:
    """Return the address of *service*."""
    parts = urlsplit(service.url)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


def slow_reader(service: Service) -> socket.socket:
    """Return a connection with a request and a very small buffer."""
    wire = socket.socket()
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    wire.settimeout(15)
    wire.connect(address(service))
    wire.sendall(GET)
    return wire


def settled(service: Service) -> int:
    """Return the number of batches when none has come for half a second."""
    before = 0
    while not (now := len(made(service))) or now > before:
        before = now
        time.sleep(0.5)
    return now


def test_the_first_bytes_leave_before_the_last_ones_are_made(
    short_path: Path, workers: str
) -> None:
    go = short_path / "go"
    before = f"while not Path({str(go)!r}).exists(): time.sleep(0.01)"
    with serving(short_path / "a", before, JCMC_WORKERS=workers) as service:
        fill(service)
        with ask(service) as answer:
            begun = answer.read(800_000)
            assert LAST.encode() not in begun
            go.touch()
            text = (begun + answer.read()).decode()
        assert len(made(service)) > 2
    assert answer.headers["transfer-encoding"] == "chunked"
    assert answer.headers["content-length"] is None
    assert names_in(text) == {f"p{number}" for number in range(PEOPLE)}
    assert text.count(f"\n{LAST}{{") == PEOPLE


def test_whichever_way_it_is_asked_for_the_text_is_the_same(short_path: Path, workers: str) -> None:
    with serving(short_path / "a", JCMC_WORKERS=workers) as service:
        fill(service)
        whole = body_of(service)
        with ask(service, {"accept-encoding": "gzip"}) as packed:
            assert packed.headers["content-encoding"] == "gzip"
            assert gzip.decompress(packed.read()) == whole
        head, _, body = hear(service, "1.0").partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        assert b"transfer-encoding" not in head
        assert f"\r\ncontent-length: {len(whole)}\r\n".encode() in head + b"\r\n"
        assert body == whole
        head, _, body = hear(service, "1.1", "HEAD").partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        assert body == b""


def test_a_connection_goes_on_after_a_head_and_after_a_scrape(service: Service) -> None:
    service.push(push_request("p0").partition(b"\r\n\r\n")[2])
    with closing(http.client.HTTPConnection(urlsplit(service.url).netloc, timeout=15)) as wire:
        for method in ("HEAD", "GET", "GET", "HEAD", "GET"):
            wire.request(method, PAGE)
            answer = wire.getresponse()
            assert answer.status == 200
            assert (names_in(answer.read().decode()) == {"p0"}) == (method == "GET")


@pytest.mark.parametrize("coding", ["identity", "gzip"])
def test_what_fails_in_the_middle_is_cut_and_never_looks_whole(
    short_path: Path, workers: str, coding: str
) -> None:
    with serving(short_path / "a", "raise ValueError", JCMC_WORKERS=workers) as service:
        fill(service)
        with ask(service, {"accept-encoding": coding}) as answer:
            assert answer.status == 200
            with pytest.raises(http.client.IncompleteRead):
                answer.read()
        assert bool(made(service)) == (coding == "identity")
        # The service goes on with pages that do not have this metric, and counts the failure.
        series = service.series("otel_jcmc_exports_total", "/metrics/service")
    failed = 'otel_jcmc_exports_total{exporter="prometheus",outcome="failed"}'
    assert series[failed] == 1


def test_what_fails_before_an_old_reader_has_anything_is_an_error(
    short_path: Path, workers: str
) -> None:
    """HTTP/1.0 has no chunks: a hang-up would look like the end of the text."""
    with serving(short_path / "a", "raise ValueError", JCMC_WORKERS=workers) as service:
        fill(service)
        assert hear(service, "1.0").startswith(b"HTTP/1.1 500 ")


def test_who_does_not_read_holds_some_batches_and_not_the_text(
    short_path: Path, workers: str
) -> None:
    """The answer is as of the request, however long ago that was."""
    with serving(short_path / "a", JCMC_WORKERS=workers) as service:
        fill(service, MANY)
        with slow_reader(service) as wire:
            held = settled(service)
            # The kernel's buffers are the largest part: 4 MB of a socket, and those of the
            # worker's.
            assert held < 10
            with socket.create_connection(address(service)) as pushing:
                pushing.sendall(push_request("late", conference="another"))
                assert pushing.recv(1000).endswith(b"OK")
            assert "late" in names_in(body_of(service).decode())
            answer = http.client.HTTPResponse(wire)
            answer.begin()
            text = answer.read().decode()
        assert len(made(service)) > held + 4
    assert names_in(text) == {f"p{number}" for number in range(MANY)}
    assert text.count(f"\n{LAST}{{") == MANY


def test_two_at_a_time_are_both_whole(short_path: Path, workers: str) -> None:
    with serving(short_path / "a", JCMC_WORKERS=workers) as service:
        fill(service, 5 * PEOPLE)

        async def both() -> list[Any]:
            browsers = [await Browser.opened(service.url) for _ in range(2)]
            for browser in browsers:
                await browser.send(GET)
            told = await asyncio.gather(*(browser.told() for browser in browsers))
            for browser in browsers:
                browser.close()
            return told

        first, second = asyncio.run(both())
    assert first.body == second.body
    assert len(names_in(first.body.decode())) == 5 * PEOPLE


def test_for_who_has_hung_up_nothing_more_is_made(short_path: Path, workers: str) -> None:
    limit = {"JCMC_LIMIT_SCRAPES": "1"}
    with serving(short_path / "a", JCMC_WORKERS=workers, **limit) as service:
        fill(service, MANY)
        with slow_reader(service):
            held = settled(service)
            assert service.get("/metrics/service").status == 503
        # Its place is free again, and it did not get the whole answer.
        eventually(lambda: service.get("/metrics/service").status == 200)
        assert len(made(service)) <= held + 3
        series = service.series("otel_jcmc_exports_total", "/metrics/service")
    assert series['otel_jcmc_exports_total{exporter="prometheus",outcome="failed"}'] == 1


def is_let_on(service: Service) -> bool:
    """Say whether no client was cut yet for not reading."""
    cut = 'otel_jcmc_connections_cut_total{reason="answer_too_slow"}'
    return not service.series(cut, "/metrics/service")[cut]


def test_who_reads_too_slowly_is_cut_while_it_is_made(short_path: Path) -> None:
    """The limit is for the whole answer: a byte now and then does not extend it."""
    with serving(short_path / "a", JCMC_LIMIT_ANSWER_SECONDS="1") as service:
        fill(service, MANY)
        with slow_reader(service) as wire:
            answer = http.client.HTTPResponse(wire)
            answer.begin()

            while is_let_on(service):
                assert answer.read(2000)
            with pytest.raises((ConnectionResetError, http.client.IncompleteRead)):
                answer.read()
