"""
Sends many pushes by HTTP/1.1, one POST after another on connections that stay open.

The bodies of pushes come in; the status and Retry-After of each answer go out. `Client` limits the
number of connections and the time of a request.

This file uses no HTTP library, because sending a push must not take more CPU time than the service
takes to handle it. Sending one push takes 37 µs of CPU time on asyncio's own loop, and 16 µs on
uvloop. With a callback instead of a future it takes 8 µs. With the library aiohttp, sending one
push takes 114 to 142 µs, and with httpx2 680 µs. httptools, which uvicorn installs, parses the
answers.

Source: RFC 9112 (HTTP/1.1); this file only implements a POST with a known length, and its answer.
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
    """The status and Retry-After of an answer; without this header, *retry_after_seconds* is 0."""

    status: int
    retry_after_seconds: float


Then = Callable[[PageAnswer | ConnectionError], None]


class Target:
    """
    Makes requests and connections for the URL to which pushes are sent.

    Attributes:
        start: the request line.
        netloc: the value of the Host header.

    Raises:
        ValueError: the URL is neither http:// nor https:// with a host.
    """

    def __init__(self, url: str) -> None:
        """Use *url*: the base URL of a service, or its push URL, which ends in `/push`."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url} is no http:// or https:// URL")
        self.host: str = parts.hostname
        self.port: int = parts.port or (443 if parts.scheme == "https" else 80)
        # This trusts the system's certificates, or the certificates in SSL_CERT_FILE.
        self.tls = ssl.create_default_context() if parts.scheme == "https" else None
        is_push = parts.path.endswith("/push")
        path = parts.path if is_push else parts.path.rstrip("/") + PUSH_PATH
        self.start: str = f"POST {path}{'?' if parts.query else ''}{parts.query} HTTP/1.1\r\n"
        self.netloc: str = parts.netloc.rpartition("@")[2]

    def request(self, body: bytes, user_agent: str, more: str = "") -> bytes:
        """Return a request as bytes; *more* are more header lines, each with its end of line."""
        head = f"{self.start}host: {self.netloc}\r\nuser-agent: {user_agent}\r\n"
        head += f"{more}content-type: text/plain\r\n"
        return f"{head}content-length: {len(body)}\r\n\r\n".encode("latin-1") + body

    async def connect(self) -> "PageConnection":
        """
        Open and return a new connection.

        Raises:
            OSError: the connection can't be opened; this includes TimeoutError.
        """
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(TIMEOUT_SECONDS):
            _, connection = await loop.create_connection(
                PageConnection, self.host, self.port, ssl=self.tls
            )
        return connection


class PageConnection(asyncio.Protocol):
    """
    Sends requests on one connection, one at a time, and parses the answers.

    Attributes:
        is_open: whether another request may be sent on this connection.
    """

    def __init__(self) -> None:
        """Prepare; asyncio calls `connection_made` when the connection is open."""
        self._parser: Any = httptools.HttpResponseParser(self)
        self._transport: Any = None
        self._then: Then | None = None
        self._retry_after = 0.0
        self.is_open = False

    def send(self, request: bytes, then: Then) -> None:
        """Send *request*; when the answer or an error comes, call *then* once with it."""
        self._then = then
        self._retry_after = 0.0
        self._transport.write(request)

    def close(self) -> None:
        """Close the connection at once; a request that waits for its answer never gets one."""
        self.is_open = False
        self._then = None
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the *transport*; asyncio calls this."""
        self._transport = transport
        self.is_open = True

    def connection_lost(self, exc: Exception | None) -> None:
        """If a request waits for its answer, hand on an error; asyncio calls this."""
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
        """Hand on the answer, which is now complete; the parser calls this."""
        if not self._parser.should_keep_alive():
            self.is_open = False
            self._transport.abort()
        self._finish(PageAnswer(self._parser.get_status_code(), self._retry_after))

    def _finish(self, answer: PageAnswer | ConnectionError) -> None:
        """If a request waits for its answer, call its *then* with *answer*."""
        then, self._then = self._then, None
        if then is not None:
            then(answer)


class Client:
    """Sends pushes to one target; if all its connections are in use, a push waits for one."""

    def __init__(self, target: Target, connections: int) -> None:
        """Open nothing yet; *connections* is how many connections may be open at a time."""
        self._target = target
        self._free = asyncio.Semaphore(connections)
        self._idle: list[PageConnection] = []

    async def post(self, body: bytes, user_agent: str, more: str = "") -> PageAnswer:
        """
        Send one push and return its answer; *more* are header lines, as in `Target.request`.

        The server may have closed a connection that was kept open after an earlier push. Then the
        push is sent again on another connection.

        Raises:
            OSError: no connection could be opened, or no answer came; this includes TimeoutError.
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
        """Send *request* on *connection*, keep the connection open, and return the answer."""
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
        """Close all connections that were kept open."""
        while self._idle:
            self._idle.pop().close()


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Return the least of the *ordered* values that *percent* of them do not exceed; NaN: none."""
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)] if ordered else math.nan
