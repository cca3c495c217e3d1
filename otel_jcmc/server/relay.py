"""
Hands requests from the process that accepts them to another process, by HTTP/1.1 on a Unix socket.

With several processes, workers accept connections and answer pushes, and one process reads Redis
and answers all other requests. In a worker, `Relay` sends such a request to the reading process
piece by piece, and its answer back to the client in the same way. Only the worker knows the address
of the client, the address of the service and the scheme, so it sends them in an additional header.
In the reading process, `as_it_came` puts these values back into the request. A worker removes this
header from its clients' requests, and the reading process trusts it on the Unix socket only.

If the client disconnects, the worker disconnects from the reading process. If the reading process
ends its answer early, the client's answer ends early too.
"""

import asyncio
import json
from asyncio import StreamReader, StreamWriter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

import httptools

from otel_jcmc.server.framing import Header

# How many requests a worker relays at the same time; further requests get 503. Each takes two
# descriptors.
MOST_RELAYED: Final = 256
# How long an answer may take to begin: longer than a scrape of 100,000 participants takes.
BEGIN_SECONDS: Final = 60.0
# How many more lines and bytes a relayed head can have than the head of the original request.
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
# These header lines of an answer are not relayed; the worker writes its own Date header.
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
    An ASGI application that sends each request to another process, and returns its answer.

    Concurrency: use it from one event loop; it relays up to *most* requests at the same time.
    """

    def __init__(self, path: str, most: int = MOST_RELAYED) -> None:
        """Send requests to the Unix socket at *path*, at most *most* at the same time."""
        self._path, self._most = path, most
        self._under_way = 0
        self._streams: dict[_Answer, StreamWriter] = {}

    def end_streams(self) -> None:
        """End all streams of server-sent events: a stop waits for answers, and these never end."""
        for answer, writer in self._streams.items():
            answer.is_over = True
            writer.transport.abort()

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Send the other process's answer to the client; send 503 if that process gives none."""
        if self._under_way >= self._most:
            await _be_away(send, "too many requests are being answered")
            return
        self._under_way += 1
        try:
            await self._hand_on(scope, receive, send)
        finally:
            self._under_way -= 1

    async def _hand_on(self, scope: Any, receive: Receive, send: Send) -> None:
        """Send the request to the other process, and its answer back to the client."""
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
                # The client is still connected, because `_ask` ends when it disconnects.
                await _be_away(send, "the process that answers this is away")
        finally:
            self._streams.pop(answer, None)
            answer.end()
            asking.cancel()
            writer.transport.abort()


async def _ask(scope: Any, receive: Receive, writer: StreamWriter) -> None:
    """Send the request in *scope* to *writer*; when the client disconnects, abort *writer* too."""
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
        # The other process has disconnected. The code that reads its answer notices this, and
        # cancels this task.
        await asyncio.Event().wait()
    else:
        writer.transport.abort()


def _head(scope: Any, *, is_chunked: bool) -> bytes:
    """Return the head of the request in *scope* as bytes, with our additional header."""
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
    Parses the answer of the other process; the parser of httptools calls the methods on_….

    Attributes:
        status, headers: status and headers of the answer; status is 0 until its head is complete.
        pieces: pieces of the body that have come and have not been sent to the client yet.
        is_over: whether the answer is complete.
    """

    def __init__(self, *, is_bodiless: bool) -> None:
        """Prepare for an answer; *is_bodiless*: it answers a HEAD request and has no body."""
        self._parser = httptools.HttpResponseParser(self)
        self._is_bodiless = is_bodiless
        self.status = 0
        self.headers: list[Header] = []
        self.pieces: list[bytes] = []
        self.is_over = False

    def feed(self, read: bytes) -> None:
        """
        Parse *read*, the next bytes of the answer.

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
        """Free the parser, which refers to this object: otherwise Python would free both late."""
        del self._parser

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note a header line; httptools calls this."""
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Note the status of the answer; an answer to HEAD is complete with its head."""
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
    """Read until the head of *answer* is complete; return whether it was within BEGIN_SECONDS."""
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(BEGIN_SECONDS):
            while not answer.status:
                answer.feed(await reader.read(_PIECE_BYTES))
        return True
    return False


async def _hand_back(answer: _Answer, reader: StreamReader, send: Send) -> None:
    """Send *answer* to the client, each piece when it comes; stop if the other side disconnects."""
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
    """Return an ASGI message with the pieces in *answer*, and remove them from *answer*."""
    body = b"".join(answer.pieces)
    answer.pieces.clear()
    return {"type": "http.response.body", "body": body, "more_body": more}


async def _be_away(send: Send, why: str) -> None:
    """Answer 503 with the text *why*; Retry-After asks the client to try again in 1 s."""
    text = f"{why}: again in a second\n".encode()
    headers = [*_AGAIN, (b"content-length", str(len(text)).encode())]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": text})


def as_it_came(scope: Any) -> Any:
    """
    Return *scope* of a relayed request with the addresses and scheme that the worker received.

    If no worker has relayed the request, the result has no address of a client.
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
