"""
A small HTTP/1.1 client for load: POST after POST on connections that stay open.

Whole requests come in; status and Retry-After go out. `Client` limits the number of connections and
the time of a request.

It uses no HTTP library, because sending a push must not cost more than the service's work on it.
Sending one push takes 37 µs of CPU time on asyncio's own loop and 16 µs on uvloop, or 8 µs with a
callback instead of a future. With aiohttp it takes 114 to 142 µs, with httpx2 680 µs. httptools,
which uvicorn installs, parses the answers.

Source: RFC 9112 (HTTP/1.1), of which only a POST with a known length and its answer are needed.
"""

import asyncio
import math
import ssl
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import httptools

PUSH_PATH: Final = "/metrics/push"
TIMEOUT_SECONDS: Final = 10.0


class PageAnswer(NamedTuple):
    """The parts of an answer that are used; *retry_after_seconds* is 0 without that header."""

    status: int
    retry_after_seconds: float


Then = Callable[[PageAnswer | ConnectionError], None]


class Target:
    """
    Where pushes go, and the beginning of each request.

    Attributes:
        start: the request line.
        netloc: the value of the Host header.

    Raises:
        ValueError: the URL is neither http:// nor https:// with a host.
    """

    def __init__(self, url: str) -> None:
        """Read *url*: the base of a service, or its push URL, which ends in `/push`."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url} is no http:// or https:// URL")
        self.host: str = parts.hostname
        self.port: int = parts.port or (443 if parts.scheme == "https" else 80)
        # The system's certificates, or those of SSL_CERT_FILE.
        self.tls = ssl.create_default_context() if parts.scheme == "https" else None
        is_push = parts.path.endswith("/push")
        path = parts.path if is_push else parts.path.rstrip("/") + PUSH_PATH
        self.start: str = f"POST {path}{'?' if parts.query else ''}{parts.query} HTTP/1.1\r\n"
        self.netloc: str = parts.netloc.rpartition("@")[2]

    def request(self, body: bytes, user_agent: str, more: str = "") -> bytes:
        """Return a whole request; *more* are header lines, each with its end of line."""
        head = f"{self.start}host: {self.netloc}\r\nuser-agent: {user_agent}\r\n"
        head += f"{more}content-type: text/plain\r\n"
        return f"{head}content-length: {len(body)}\r\n\r\n".encode("latin-1") + body

    async def connect(self) -> "PageConnection":
        """
        Return a new connection.

        Raises:
            OSError: it can't be opened; this includes TimeoutError.
        """
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(TIMEOUT_SECONDS):
            _, connection = await loop.create_connection(
                PageConnection, self.host, self.port, ssl=self.tls
            )
        return connection


class PageConnection(asyncio.Protocol):
    """
    One connection, with one request at a time on it.

    Attributes:
        is_open: whether another request may be sent.
    """

    def __init__(self) -> None:
        """Wait for asyncio to connect."""
        self._parser: Any = httptools.HttpResponseParser(self)
        self._transport: Any = None
        self._then: Then | None = None
        self._retry_after = 0.0
        self.is_open = False

    def send(self, request: bytes, then: Then) -> None:
        """Send *request*, then call *then* once, with the answer or the error instead of it."""
        self._then = then
        self._retry_after = 0.0
        self._transport.write(request)

    def close(self) -> None:
        """Close at once; *then* of a request that is under way is not called."""
        self.is_open = False
        self._then = None
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the *transport*; asyncio calls this."""
        self._transport = transport
        self.is_open = True

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the caller that waits for an answer that none will come; asyncio calls this."""
        self.is_open = False
        error = exc if isinstance(exc, ConnectionError) else ConnectionResetError("closed")
        self._finish(error)

    def data_received(self, data: bytes) -> None:
        """Parse the bytes of an answer; asyncio calls this."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.is_open = False
            self._finish(ConnectionAbortedError("not HTTP"))
            self._transport.abort()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep the value of Retry-After, the only header used; the parser calls this."""
        # Retry-After may also be a date, but our server never sends a date.
        if len(name) == 11 and name.lower() == b"retry-after" and value.isdigit():
            self._retry_after = float(value)

    def on_message_complete(self) -> None:
        """Hand on the answer; the parser calls this."""
        if not self._parser.should_keep_alive():
            self.is_open = False
            self._transport.abort()
        self._finish(PageAnswer(self._parser.get_status_code(), self._retry_after))

    def _finish(self, answer: PageAnswer | ConnectionError) -> None:
        """Hand on the outcome of the request, if one is under way."""
        then, self._then = self._then, None
        if then is not None:
            then(answer)


class Client:
    """A limited number of connections to one target; a request waits until one is free."""

    def __init__(self, target: Target, connections: int) -> None:
        """Prepare; nothing is opened yet."""
        self._target = target
        self._free = asyncio.Semaphore(connections)
        self._idle: list[PageConnection] = []

    async def post(self, body: bytes, user_agent: str, more: str = "") -> PageAnswer:
        """
        Send one push and return its answer; *more* are header lines, as in `Target.request`.

        If the server has closed a kept connection meanwhile, the push is sent again on another
        connection.

        Raises:
            OSError: no connection was opened, or no answer came; this includes TimeoutError.
        """
        request = self._target.request(body, user_agent, more)
        async with self._free, asyncio.timeout(TIMEOUT_SECONDS):
            while connection := self._kept():
                try:
                    return await self._exchange(connection, request)
                except ConnectionError:
                    continue
            return await self._exchange(await self._target.connect(), request)

    def _kept(self) -> PageConnection | None:
        """Return a connection that was used before and is still open."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open:
                return connection
        return None

    async def _exchange(self, connection: PageConnection, request: bytes) -> PageAnswer:
        """Send *request* on *connection*, and keep the connection for the next one."""
        answer: asyncio.Future[PageAnswer] = asyncio.get_running_loop().create_future()

        def then(found: PageAnswer | ConnectionError) -> None:
            if answer.done():
                return
            if isinstance(found, PageAnswer):
                answer.set_result(found)
            else:
                answer.set_exception(found)

        try:
            connection.send(request, then)
            found = await answer
        except BaseException:
            connection.close()
            raise
        if connection.is_open:
            self._idle.append(connection)
        return found

    def close(self) -> None:
        """Close the kept connections."""
        while self._idle:
            self._idle.pop().close()


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Return the value that *percent* of the *ordered* values do not exceed; NaN for no values."""
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)] if ordered else math.nan
