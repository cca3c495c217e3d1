"""
A small HTTP/1.1 client for load: it sends many POST requests on connections that stay open.

Whole requests come in. The status and the Retry-After header of each answer go out. `Client` limits
the number of connections and the time of a request.

This file uses no HTTP library, because sending a push must not need more CPU time than the service
needs for the push. Sending one push takes 37 µs of CPU time on asyncio's own loop and 16 µs on
uvloop. On uvloop with a callback instead of a future, it takes 8 µs. Sending one push with aiohttp
takes 114 to 142 µs, with httpx2 680 µs. The parser of the answers is httptools, which uvicorn
installs.

Source: RFC 9112 (HTTP/1.1). This file supports only a POST of a known length, and its answer.
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
    """Status and Retry-After of an answer; *retry_after_seconds* is 0 without this header."""

    status: int
    retry_after_seconds: float


Then = Callable[[PageAnswer | ConnectionError], None]


class Target:
    """
    The address of a service, and the first lines of each request to it.

    Attributes:
        start: the request line.
        netloc: the value of the Host header.

    Raises:
        ValueError: the URL is neither http:// nor https:// with a host.
    """

    def __init__(self, url: str) -> None:
        """Read *url*: the base URL of a service, or its push URL, which ends in `/push`."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url} is no http:// or https:// URL")
        self.host: str = parts.hostname
        self.port: int = parts.port or (443 if parts.scheme == "https" else 80)
        # By default, TLS uses the certificates of the system, or of the file in SSL_CERT_FILE.
        self.tls = ssl.create_default_context() if parts.scheme == "https" else None
        is_push = parts.path.endswith("/push")
        path = parts.path if is_push else parts.path.rstrip("/") + PUSH_PATH
        self.start: str = f"POST {path}{'?' if parts.query else ''}{parts.query} HTTP/1.1\r\n"
        self.netloc: str = parts.netloc.rpartition("@")[2]

    def request(self, body: bytes, user_agent: str, more: str = "") -> bytes:
        """Return a whole request with *body*; *more* are header lines that end in CR LF."""
        head = f"{self.start}host: {self.netloc}\r\nuser-agent: {user_agent}\r\n"
        head += f"{more}content-type: text/plain\r\n"
        return f"{head}content-length: {len(body)}\r\n\r\n".encode("latin-1") + body

    async def connect(self) -> "PageConnection":
        """
        Open a connection to the service and return it.

        Raises:
            OSError: the connection can't be opened; TimeoutError is an OSError too.
        """
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(TIMEOUT_SECONDS):
            _, connection = await loop.create_connection(
                PageConnection, self.host, self.port, ssl=self.tls
            )
        return connection


class PageConnection(asyncio.Protocol):
    """
    One connection, which sends one request at a time.

    Attributes:
        is_open: whether another request may be sent.
    """

    def __init__(self) -> None:
        """Prepare; asyncio calls `connection_made` when it has connected."""
        self._parser: Any = httptools.HttpResponseParser(self)
        self._transport: Any = None
        self._then: Then | None = None
        self._retry_after = 0.0
        self.is_open = False

    def send(self, request: bytes, then: Then) -> None:
        """Send *request*; later call *then* once, with the answer or with the error."""
        self._then = then
        self._retry_after = 0.0
        self._transport.write(request)

    def close(self) -> None:
        """Close the connection at once. A request without an answer gets no call of *then*."""
        self.is_open = False
        self._then = None
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the *transport*; asyncio calls this."""
        self._transport = transport
        self.is_open = True

    def connection_lost(self, exc: Exception | None) -> None:
        """Give an error to the caller that waits for an answer; asyncio calls this."""
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
        """Keep the value of the header Retry-After, ignore others; the parser calls this."""
        # By HTTP, Retry-After may also be a date, but our service never sends a date.
        if len(name) == 11 and name.lower() == b"retry-after" and value.isdigit():
            self._retry_after = float(value)

    def on_message_complete(self) -> None:
        """Give the complete answer to the caller that waits for it; the parser calls this."""
        if not self._parser.should_keep_alive():
            self.is_open = False
            self._transport.abort()
        self._finish(PageAnswer(self._parser.get_status_code(), self._retry_after))

    def _finish(self, answer: PageAnswer | ConnectionError) -> None:
        """Give *answer* to the caller that waits for it; do nothing if no caller waits."""
        then, self._then = self._then, None
        if then is not None:
            then(answer)


class Client:
    """Sends requests on a limited number of connections; a request waits for a free connection."""

    def __init__(self, target: Target, connections: int) -> None:
        """Prepare for up to so many *connections* to *target*; `post` opens them."""
        self._target = target
        self._free = asyncio.Semaphore(connections)
        self._idle: list[PageConnection] = []

    async def post(self, body: bytes, user_agent: str, more: str = "") -> PageAnswer:
        """
        Send one push and return its answer; *more* are header lines, as in `Target.request`.

        If the server has closed a connection that was used before, `post` sends the push again on
        another connection.

        Raises:
            OSError: no connection was opened, or no answer came; TimeoutError is an OSError too.
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
        """Return a connection that was used before and is still open; None: there is none."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open:
                return connection
        return None

    async def _exchange(self, connection: PageConnection, request: bytes) -> PageAnswer:
        """Send *request*, return its answer, and keep *connection* for the next request."""
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
        """Close the connections that are kept for later requests."""
        while self._idle:
            self._idle.pop().close()


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Return the percentile *percent* of *ordered*, which is sorted; NaN if there are no values."""
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)] if ordered else math.nan
