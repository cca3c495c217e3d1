"""
Bad input to a running service: invalid requests, and the scrape after bad pushes.

The service must answer each connection in HTTP, soon and without a 5xx. It must live on as the same
process, with nothing new in its log.
"""

import json
import re
import socket
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random

from exposition import samples
from fuzz import corpus, edges, push
from fuzz.engine import Tally, Target
from harness import CHROME, Service, push_body
from series_names import VERDICT

QUIET_SECONDS = 5.0
# Of the paths that answer at length, by what they answer.
_LONG = (b"text/javascript", b"text/plain; version=", b"openmetrics", b'{"openapi"')
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")
_ROUTES = ("/metrics", "/client-file", "/", "/-/ready", "/-/healthy", "/openapi.json", "/nothing")


@contextmanager
def running(**environ: str) -> Iterator[Service]:
    """Return a service without limits on senders, whose participants live for a second."""
    rates = ("PARTICIPANT_PUSHES", "ADDRESS_PUSHES", "ADDRESS_NEWCOMERS")
    limits = {f"JCMC_LIMIT_{name}_PER_SECOND": "0" for name in rates}
    limits["JCMC_LIMIT_ADDRESS_PARTICIPANTS"] = "0"
    # A short path: the store listens on a unix socket.
    with (
        tempfile.TemporaryDirectory(prefix="fz") as folder,
        Service(Path(folder), METRICS_EXPIRATION="1", **limits, **environ) as service,
    ):
        yield service


class Sockets:
    """Raw bytes at the port of a service."""

    def __init__(self, service: Service) -> None:
        """Look what is in its log before."""
        self._service = service
        host, _, port = service.url.removeprefix("http://").rpartition(":")
        self._address = (host, int(port))
        self._logged = len(service.log.read_text())
        self._tried = 0

    def check(self, data: bytes) -> float:
        """Send *data* as it is, in pieces, and assert that what comes back is HTTP."""
        started = time.monotonic()
        told = self._exchange(data)
        seconds = time.monotonic() - started
        statuses = [int(status) for status in _STATUS.findall(told)]
        assert told == b"" or told.startswith(b"HTTP/1.1 "), told[:200]
        # That it is busy is an answer (on a slow machine scrapes wait for each other), and so is
        # that it speaks no other version and no other transfer coding.
        ours = [status for status in statuses if status >= 500 and status not in (501, 505)]
        assert not ours or b"scrapes are being answered" in told, told[:400]
        if statuses and not any(each in told for each in _LONG):
            assert len(told) / len(statuses) <= push.MAX_ANSWER_BYTES
        self._has_nothing_to_log()
        self._tried += 1
        if self._tried % 100 == 0:
            self.lives_on()
        return seconds

    def _exchange(self, data: bytes) -> bytes:
        """Return all that is answered to *data*; nothing when it was hung up on."""
        chance = Random(data)
        told = b""
        try:
            with socket.create_connection(self._address, timeout=QUIET_SECONDS) as connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                while data:
                    size = chance.choice((1, 20, 300, len(data)))
                    connection.sendall(data[:size] if len(data) < 20_000 else data)
                    data = data[size:] if len(data) < 20_000 else b""
                connection.shutdown(socket.SHUT_WR)
                while part := connection.recv(65_536):
                    told += part
        except TimeoutError as error:
            raise AssertionError(f"neither answered nor hung up on: {told[:200]!r}") from error
        except OSError:
            pass  # hung up on
        return told

    def lives_on(self) -> None:
        """Assert that the service takes a good push, in the same process, with nothing to log."""
        assert self._service.push(push_body()).body == "OK"
        assert self._service.get("/-/ready").status == 200
        assert self._service.get("/metrics").status == 200
        assert self._service.process is not None
        assert self._service.process.poll() is None
        self._has_nothing_to_log()

    def _has_nothing_to_log(self) -> None:
        logged = self._service.log.read_text()[self._logged :]
        assert logged == "", logged[-2000:]


def requests() -> list[bytes]:
    """Return good requests of every kind."""
    bodies = corpus.pushes()[::20]
    return [
        *(_post(body) for body in bodies),
        *(_chunked(body, 100) for body in bodies[:6]),
        _post(bodies[0]) + _post(bodies[1]) + _get("/metrics") + _post(b"[]"),
        _get("/-/ready") + _chunked(bodies[0], 7) + _get("/nothing"),
        *(_get(path) for path in _ROUTES),
        *(_get("/metrics", f"Accept: {each.decode()}") for each in edges.ACCEPTS),
        *(_get("/metrics", *each.decode().split("\n")) for each in edges.FORWARDED),
        *(_get("/client-file", f"{name}: x") for name in ("If-None-Match", "Range", "Origin")),
        _get("/metrics/push", method="OPTIONS"),
        _get("/", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: eA=="),
        _get("/", "Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AA"),
        _post(bodies[0], "Expect: 100-continue"),
        _post(bodies[0], "Connection: close"),
        _post(bodies[0]).replace(b"HTTP/1.1", b"HTTP/1.0"),
        *corpus.found("http"),
    ]


def _get(path: str, *headers: str, method: str = "GET") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: x", *headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"


def _post(body: bytes, *headers: str) -> bytes:
    """Return a push as browsers send it."""
    length = (f"Content-Length: {len(body)}", "Content-Type: text/plain", f"User-Agent: {CHROME}")
    return _get("/metrics/push", *length, *headers, method="POST") + body


def _chunked(body: bytes, size: int) -> bytes:
    chunks = [body[start : start + size] for start in range(0, len(body), size)]
    text = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in [*chunks, b""])
    return _get("/metrics/push", "Transfer-Encoding: chunked", method="POST") + text


PIECES: Sequence[bytes] = (
    *(b"\r\n", b"\r", b"\n", b"\r\n\r\n", b": ", b"\0", b" ", b"\t", b"\x80", b"%00", b"/../"),
    *(
        b"Content-Length: 5\r\n",
        b"Content-Length: 99999999999999999999\r\n",
        b"Content-Length: -1\r\n",
    ),
    *(b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n"),
    *(b"Expect: 100-continue\r\n", b"Connection: close\r\n", b"Connection: upgrade\r\n"),
    *(b"Upgrade: websocket\r\n", b"ffffffffffffffff\r\n", b"5;ext=1\r\nhello\r\n", b"HTTP/2.0"),
    *(
        b"POST /metrics/push HTTP/1.1\r\n",
        b"GET /metrics HTTP/1.1\r\n\r\n",
        b"X" * 3000,
        b"a: b\r\n" * 90,
    ),
)


def mutate(data: bytes, chance: Random, others: Sequence[bytes] = ()) -> bytes:
    """Return *data* with a few pieces of HTTP where they do not belong."""
    if chance.random() < 0.5:
        at = chance.randrange(len(data) + 1)
        data = data[:at] + chance.choice(PIECES) + data[at + chance.choice((0, 0, 2, 10)) :]
    return edges.mutate(data, chance, others) if chance.random() < 0.7 else data


def try_sockets(service: Service, inputs: int, seed: int, *, is_silent: bool = False) -> Tally:
    """Send *inputs* broken requests."""
    sockets = Sockets(service)
    target = Target(sockets.check, requests, mutate, QUIET_SECONDS)
    chance, seeds = Random(seed), requests()
    tally = Tally("http", inputs, is_silent=is_silent)
    for number in range(inputs):
        data = seeds[number] if number < len(seeds) else mutate(chance.choice(seeds), chance, seeds)
        tally.take(target, data)
    sockets.lives_on()
    return tally


def try_road(service: Service, inputs: int, seed: int, *, is_silent: bool = False) -> Tally:
    """Push *inputs* bad bodies and assert that nothing is scraped that was not sent."""
    # Here, because nothing else of this needs it.
    from fuzz import mutations

    chance, seeds = Random(seed), corpus.pushes()
    tally = Tally("road", inputs, is_silent=is_silent)
    sent: dict[tuple[str, ...], list[object]] = {}

    def one(body: bytes) -> float:
        started = time.monotonic()
        answer = service.push(body)
        seconds = time.monotonic() - started
        assert answer.status in (200, 400), answer
        assert len(answer.body) + len(str(answer.headers)) <= push.MAX_ANSWER_BYTES
        told = push.read(body)
        if answer.status == 200 and isinstance(told, dict):
            labels = told["default_labels"]
            sent.setdefault(tuple(labels[name] for name in push.IDENTITY), []).append(told)
        return seconds

    target = Target(one, lambda: seeds, mutations.mutate, QUIET_SECONDS)
    while tally.done < inputs:
        tally.take(target, mutations.mutate(chance.choice(seeds), chance, seeds))
        if tally.done % 20 == 0:
            _compare(service, sent)
    return tally


def _compare(service: Service, sent: dict[tuple[str, ...], list[object]]) -> None:
    """Assert that all series of who is in *sent* are what one of their pushes said."""
    for found in samples(service.get("/metrics").body):
        who = tuple(found.labels.get(name, "") for name in push.IDENTITY)
        if not found.name.startswith("jitsi_jcmc_") or found.name in VERDICT or who not in sent:
            continue
        sample = push.Sample(found.name.removeprefix("jitsi_jcmc_"), found.labels, found.value)
        for each in reversed(sent[who]):
            try:
                push.assert_sent(each, sample)
            except AssertionError:
                continue
            break
        else:
            pushes = json.dumps(sent[who][-3:])[:2000]
            raise AssertionError(f"{sample} is in none of {pushes}")
