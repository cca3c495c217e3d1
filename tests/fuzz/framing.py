"""
Streams of requests, cut anywhere: the service sees the same requests as a strict reader.

One input is all that comes on a connection. It goes in pieces to a connection of the service, with
an application behind it that notes each complete request; `reader.py` reads the same input. If the
two disagree on the number of requests, or on one of them, that is a finding.
"""

import asyncio
import zlib
from collections.abc import Sequence
from random import Random
from time import process_time
from typing import Any, Final

import uvicorn
from fuzz.edges import mutate as mutate_bytes
from fuzz.reader import Reader, Request
from uvicorn.server import ServerState

from otel_jcmc.server.connections import ConnectionLimits, Connections
from otel_jcmc.server.ending import EndingProtocol
from otel_jcmc.web.answers import Answer

_OK: Final = Answer(200, [(b"content-type", b"text/plain")], b"OK")


class Transport:
    """The other side, which takes whatever is written."""

    def __init__(self) -> None:
        self.written = b""
        self.is_closed = self.is_paused = False

    def get_extra_info(self, _name: str) -> None:
        return None

    def write(self, data: bytes) -> None:
        if not self.is_closed:
            self.written += data

    def close(self) -> None:
        self.is_closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.is_closed

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False


class App:
    """Notes what it is asked; the push endpoint answers at once or a little later."""

    max_body_bytes = 64 * 1024

    def __init__(self, chance: Random) -> None:
        self.push_endpoint = self
        self.connections = Connections(ConnectionLimits(), {})
        self.seen: list[Request] = []
        self._chance = chance

    def is_admin(self, _server: Any) -> bool:
        return False

    def is_too_large(self, _headers: Any) -> bool:
        return False

    def refuse(self, _headers: Any, _why: Any) -> Answer:
        return Answer(400, [(b"connection", b"close")], b"")

    def take(self, _headers: Any, body: bytes, reply: Any, _peer: str) -> None:
        self.seen.append(Request(b"POST", b"/metrics/push", body))
        if self._chance.random() < 0.5:
            reply(_OK)
        else:
            asyncio.get_running_loop().call_soon(reply, _OK)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message["body"]
            more = message["more_body"]
        target = scope["raw_path"] + (b"?" + scope["query_string"]) * bool(scope["query_string"])
        self.seen.append(Request(scope["method"].encode(), target, body))
        headers = [(b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"OK"})


async def _converse(stream: bytes, chance: Random) -> list[Request]:
    """Send *stream* to a connection; return what its application saw."""
    app: Any = App(chance)
    config = uvicorn.Config(app, log_config=None, lifespan="off")
    config.load()
    config.loaded_app = app
    protocol = EndingProtocol(config, ServerState(), {})
    transport: Any = Transport()
    protocol.connection_made(transport)
    while stream and not transport.is_closed:
        size = chance.choice((1, 3, 20, 200, 5000))
        piece, stream = stream[:size], stream[size:]
        protocol.data_received(piece)
        while transport.is_paused and not transport.is_closed:  # noqa: ASYNC110  # nothing tells
            await asyncio.sleep(0)
        if chance.random() < 0.2:
            await asyncio.sleep(0)
    if not transport.is_closed and not protocol.eof_received():
        transport.close()
    for _ in range(1000):
        if transport.is_closed:
            break
        await asyncio.sleep(0)
    assert transport.is_closed, "an end that is not answered"
    protocol.connection_lost(None)
    await asyncio.sleep(0)
    told = transport.written.count(b"HTTP/1.1 200 OK\r\n")
    assert told >= len(app.seen), f"{len(app.seen)} requests, {told} answers"
    return list(app.seen)


def check(stream: bytes) -> float:
    """Compare what the service sees in *stream* with what a strict reader does."""
    reader = Reader(stream)
    expected, end = reader.read()
    chance = Random(zlib.crc32(stream))
    began = process_time()
    with asyncio.Runner() as runner:
        runner.get_loop().set_exception_handler(_fail)
        seen = runner.run(_converse(stream, chance))
    seconds = process_time() - began
    known = [_shown(each) for each in seen]
    wanted = [_shown(each) for each in expected]
    if len(known) == reader.may_end_after:
        wanted = wanted[: reader.may_end_after]
    assert known == wanted, f"{known} and not {wanted}, {end}"
    return seconds


def _fail(_loop: Any, context: dict[str, Any]) -> None:
    raise AssertionError(context["message"]) from context.get("exception")


def _shown(request: Request) -> Request:
    """Return *request* as an application is told of it: without a fragment."""
    return request._replace(target=request.target.partition(b"#")[0].rstrip(b"?"))


# Streams.

_METHODS: Final = (b"GET", b"POST", b"HEAD", b"DELETE", b"OPTIONS", b"PUT", b"get", b"CONNECT")
_TARGETS: Final = (b"/metrics/push", b"/metrics", b"/sessions?client_id=a", b"/", b"*", b"/a%20b")
_LINES: Final = (
    *(
        b"Connection: close",
        b"Connection: keep-alive",
        b"Connection: Upgrade",
        b"Connection: x, close",
    ),
    *(b"Upgrade: h2c", b"Upgrade: websocket", b"Expect: 100-continue", b"TE: trailers"),
    *(b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked", b"Trailer: a"),
    *(b"Transfer-Encoding: Chunked", b"Transfer-Encoding : chunked", b"Transfer-Encoding:"),
    *(b"Content-Length: 0", b"Content-Length: 5", b"Content-Length: +5", b"Content-Length: 5, 5"),
    *(b"Content-Length: 99999999999999999999", b"Content-Length: 0x5", b"Content-Length:"),
    *(b" folded: x", b"no colon", b": empty", b"a\x00b: c", b"a: b\x00c", b"a: b\rc", b"X-A: \xff"),
)
_ENDS: Final = (b"\r\n", b"\r\n", b"\r\n", b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r", b"\r\r\n")


def _request(chance: Random) -> bytes:
    """Return a request, well framed more often than not."""
    body = bytes(
        chance.choice(b'{"a}\r\n 0GET/') for _ in range(chance.choice((0, 0, 5, 40, 3000)))
    )
    if chance.random() < 0.3:
        body = b"{%b}" % body
    if chance.random() < 0.3:
        body = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
    method, target = chance.choice(_METHODS[:6]), chance.choice(_TARGETS)
    if chance.random() < 0.4:
        method, target = b"POST", b"/metrics/push"
    lines = [b"Host: x"]
    if chance.random() < 0.5:
        lines.append(b"Content-Length: %d" % len(body))
    elif chance.random() < 0.8:
        lines.append(b"Transfer-Encoding: chunked")
        body = _chunks(body, chance)
    else:
        body = b""
    for _ in range(chance.choice((0, 0, 0, 1, 1, 2))):
        lines.insert(chance.randrange(len(lines) + 1), chance.choice(_LINES))
    version = b"1.0" if chance.random() < 0.1 else b"1.1"
    if chance.random() < 0.03:
        version = chance.choice((b"1.2", b"2.0", b"0.9", b"11", b"1.10", b""))
    if chance.random() < 0.03:
        method = chance.choice(_METHODS)
    head = [method + b" " + target + b" HTTP/" + version, *lines, b""]
    if chance.random() < 0.05:
        return b"".join(line + chance.choice(_ENDS) for line in head) + body
    return b"".join(line + b"\r\n" for line in head) + body


def _chunks(body: bytes, chance: Random) -> bytes:
    """Return *body* in chunks."""
    out = b""
    while body:
        size = chance.randint(1, len(body))
        extension = chance.choice((b"", b"", b"", b";a", b";a=b", b' ; a="b"', b"\t"))
        out += b"%x" % size + extension + b"\r\n" + body[:size] + b"\r\n"
        body = body[size:]
    trailers = chance.choice((b"", b"", b"", b"X-Forwarded-For: 1.2.3.4\r\n", b"a: b\r\nc: d\r\n"))
    return out + b"0\r\n" + trailers + b"\r\n"


def seeds() -> list[bytes]:
    """Return streams to begin with."""
    chance = Random(7)
    return [_stream(chance) for _ in range(200)]


def _stream(chance: Random) -> bytes:
    return b"".join(_request(chance) for _ in range(chance.choice((1, 2, 2, 3, 5))))


def mutate(data: bytes, chance: Random, others: Sequence[bytes]) -> bytes:
    """Return another stream, or a worse one."""
    if chance.random() < 0.6:
        return _stream(chance)
    return mutate_bytes(data, chance, others)
