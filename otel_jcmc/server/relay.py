"""
Hands requests from the process that accepts them to another one, by HTTP/1.1 on a Unix socket.

In a worker, `Relay` hands on the requests that the worker does not answer itself, piece by piece in
both directions. In the process that reads, `as_it_came` restores the request as the worker received
it: the caller, our address and the scheme, which only the worker knows. They travel in a header. A
worker removes that header from outside requests, and the reading process trusts the header on the
Unix socket alone.

If one side disconnects, the other side's connection ends too. If an answer breaks off, the caller's
answer breaks off.
"""

import asyncio
import json
from asyncio import StreamReader, StreamWriter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

import httptools

from otel_jcmc.server.framing import Header

# The most requests that are relayed at once; further ones get 503. Each takes two descriptors.
MOST_RELAYED: Final = 256
# How long an answer may take to begin: longer than a scrape of 100,000 participants takes.
BEGIN_SECONDS: Final = 60.0
# A relayed head has at most so many more lines and bytes than the original.
MORE_LINES: Final = 2
MORE_BYTES: Final = 1024
_PIECE_BYTES: Final = 65_536
_CALLER: Final = b"x-otel-jcmc-caller"
_OF_A_CONNECTION: Final = frozenset(
    (
        *(b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer"),
        *(b"transfer-encoding", b"upgrade", b"expect", _CALLER),
    )
)
# These lines of an answer are not relayed; each process writes its own date.
_NOT_HANDED_BACK: Final = _OF_A_CONNECTION | {b"date"}
_AGAIN: Final[list[Header]] = [
    (b"content-type", b"text/plain; charset=utf-8"),
    (b"retry-after", b"1"),
]
# The content type of server-sent events.
_EVENTS: Final = (b"content-type", b"text/event-stream; charset=utf-8")

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


class Relay:
    """
    An ASGI application that hands requests to the process behind a socket.

    Concurrency: for one event loop; *most* requests at a time.
    """

    def __init__(self, path: str, most: int = MOST_RELAYED) -> None:
        """Hand requests to the socket at *path*, at most *most* at a time."""
        self._path, self._most = path, most
        self._under_way = 0
        self._streams: dict[_Answer, StreamWriter] = {}

    def end_streams(self) -> None:
        """End streams of events, which never end otherwise: a stop waits for all answers."""
        for answer, writer in self._streams.items():
            answer.is_over = True
            writer.transport.abort()

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer as the other process does; answer 503 if that process does not answer."""
        if self._under_way >= self._most:
            await _be_away(send, "too many requests are being answered")
            return
        self._under_way += 1
        try:
            await self._hand_on(scope, receive, send)
        finally:
            self._under_way -= 1

    async def _hand_on(self, scope: Any, receive: Receive, send: Send) -> None:
        """Hand the request to the other process, and hand its answer back to the caller."""
        try:
            reader, writer = await asyncio.open_unix_connection(self._path, limit=_PIECE_BYTES)
        except OSError:
            await _be_away(send, "the process that answers this is away")
            return
        asking = asyncio.create_task(_ask(scope, receive, writer))
        answer = _Answer(is_bodiless=scope["method"] == "HEAD")
        try:
            if await _begun(answer, reader):
                if _EVENTS in answer.headers:
                    self._streams[answer] = writer
                await _hand_back(answer, reader, send)
            elif not asking.done():
                # The caller is still connected.
                await _be_away(send, "the process that answers this is away")
        finally:
            self._streams.pop(answer, None)
            answer.end()
            asking.cancel()
            writer.transport.abort()


async def _ask(scope: Any, receive: Receive, writer: StreamWriter) -> None:
    """Send the request of *scope*; when the caller disconnects, end the connection too."""
    try:
        is_chunked = any(name == b"transfer-encoding" for name, _ in scope["headers"])
        writer.write(_head(scope, is_chunked=is_chunked))
        more = True
        while (message := await receive())["type"] == "http.request":
            piece = message.get("body", b"")
            if is_chunked and piece:
                piece = b"%x\r\n%b\r\n" % (len(piece), piece)
            if is_chunked and more and not message.get("more_body"):
                piece += b"0\r\n\r\n"
            more = message.get("more_body", False)
            writer.write(piece)
            await writer.drain()
    except OSError:
        # The other process has disconnected; the reader of its answer notices that.
        await asyncio.Event().wait()
    else:
        writer.transport.abort()


def _head(scope: Any, *, is_chunked: bool) -> bytes:
    """Return the head of the request of *scope* for the other process."""
    target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
    told = json.dumps([scope["client"], scope["server"], scope["scheme"]]).encode()
    headers = [each for each in scope["headers"] if each[0] not in _OF_A_CONNECTION]
    headers += [(_CALLER, told), (b"connection", b"close")]
    if is_chunked:
        headers.append((b"transfer-encoding", b"chunked"))
    lines = [b"%b: %b\r\n" % each for each in headers]
    start = b"%b %b HTTP/1.1\r\n" % (scope["method"].encode(), target)
    return b"".join([start, *lines, b"\r\n"])


class _Answer:
    """
    An answer as far as it is read; httptools calls its methods.

    Attributes:
        status, headers: of the answer, once it has begun.
        pieces: those of its body that are not handed back yet.
        is_over: whether the last piece has come.
    """

    def __init__(self, *, is_bodiless: bool) -> None:
        """Read an answer; the answer to HEAD has no body."""
        self._parser = httptools.HttpResponseParser(self)
        self._is_bodiless = is_bodiless
        self.status = 0
        self.headers: list[Header] = []
        self.pieces: list[bytes] = []
        self.is_over = False

    def feed(self, read: bytes) -> None:
        """
        Take the bytes that were read.

        Raises:
            ConnectionError: *read* is empty, or the answer is not HTTP.
        """
        if not read:
            raise ConnectionError
        try:
            self._parser.feed_data(read)
        except httptools.HttpParserError as error:
            raise ConnectionError from error

    def end(self) -> None:
        """Read no more, and free the parser, which refers to this object and it to the parser."""
        del self._parser

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note a line of the head."""
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Note that the answer has begun; an answer to HEAD is then complete."""
        status = self._parser.get_status_code()
        if status >= 200:  # a lower status is an interim response
            self.status = status
            self.is_over = self._is_bodiless
        else:
            self.headers.clear()

    def on_body(self, body: bytes) -> None:
        """Note a piece of the answer's body."""
        self.pieces.append(body)

    def on_message_complete(self) -> None:
        """Note the end of the answer."""
        self.is_over = self.is_over or bool(self.status)


async def _begun(answer: _Answer, reader: StreamReader) -> bool:
    """Read until *answer* has begun; return whether it has begun within BEGIN_SECONDS."""
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(BEGIN_SECONDS):
            while not answer.status:
                answer.feed(await reader.read(_PIECE_BYTES))
        return True
    return False


async def _hand_back(answer: _Answer, reader: StreamReader, send: Send) -> None:
    """Send *answer* to the caller piece by piece as it comes; if it breaks off, stop there."""
    headers = [each for each in answer.headers if each[0] not in _NOT_HANDED_BACK]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    with suppress(OSError):
        while not answer.is_over:
            if answer.pieces:
                await send(_body(answer, more=True))
            answer.feed(await reader.read(_PIECE_BYTES))
    if answer.is_over:
        await send(_body(answer, more=False))


def _body(answer: _Answer, *, more: bool) -> Any:
    """Return the ASGI message with the pieces of *answer* that have come."""
    body = b"".join(answer.pieces)
    answer.pieces.clear()
    return {"type": "http.response.body", "body": body, "more_body": more}


async def _be_away(send: Send, why: str) -> None:
    """Answer 503 with the text *why*: the caller should send the request again later."""
    text = f"{why}: again in a second\n".encode()
    headers = [*_AGAIN, (b"content-length", str(len(text)).encode())]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": text})


def as_it_came(scope: Any) -> Any:
    """
    Return *scope* of a relayed request as the worker received it.

    The result has no caller if no worker has relayed the request.
    """
    headers = []
    client, server, scheme = None, None, "http"
    for name, value in scope["headers"]:
        if name == _CALLER:
            client, server, scheme = json.loads(value)
        else:
            headers.append((name, value))
    told = {"client": client and tuple(client), "server": server and tuple(server)}
    return {**scope, **told, "scheme": scheme, "headers": headers}
