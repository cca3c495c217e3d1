"""
Splits the bytes of one connection into requests; ends the connection if they are not HTTP.

httptools' parser finds the parts of a request (RFC 9112). The class Framing handles the cases that
the parser does not handle. If a request asks for an upgrade to another protocol, Framing ignores
this and reads the body by its length. It drops trailers. If the method of a request is CONNECT, or
this service can't decode its transfer coding, Framing answers with an error and ends the
connection. It parses no bytes after the last request of a connection. It limits the number of
requests that wait for an answer, the size of a head, and the bytes that frame a body (the lengths
and line ends of its chunks).

uvicorn's own protocol class is not used: if a request asks for an upgrade, that class parses the
bytes after its head as a new request (Kludex/uvicorn 2722), and it has none of these limits. Of
uvicorn only RequestResponseCycle is used, which answers one request by ASGI.
"""

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from typing import Any, Final

import httptools

# The bytes of a read are parsed in pieces of this size. So a head, or the bytes that frame a body,
# can exceed their limit by at most one piece before the connection is ended.
PIECE_BYTES: Final = 2048
# Most pushes are larger than a piece, and their body is one line. If there is no line end behind
# the first piece, the data contains no further request. Such data of up to this size is parsed in
# one piece.
WHOLE_BYTES: Final = 16_384
# When this many requests wait for the answer to an earlier request, no further piece is parsed.
MAX_WAITING: Final = 8
# How many bytes may frame each chunk: its length, extensions and line ends.
_CHUNK_BYTES: Final = 16

Header = tuple[bytes, bytes]

_VERSIONS: Final = ("1.1", "1.0")

# The values of Framing.reading: which part of a request has begun to arrive and is not complete.
NOTHING: Final = 0
HEAD: Final = 1
BODY: Final = 2


class Refused(Exception):
    """Raised to stop parsing: the client gets *status* as its answer, and the connection ends."""

    def __init__(self, status: int, text: str) -> None:
        """Answer with *status* and *text*."""
        super().__init__(text)
        self.status = status


class _IsOver(Exception):
    """Raised to stop the parser at bytes that come after the last request of a connection."""


class Framing(asyncio.Protocol, ABC):
    """
    Reads the bytes of one connection; a subclass handles the requests.

    Attributes:
        transport: asyncio's transport of the connection.
        url, headers: target and header lines of the request that is being read. Header names are in
            lower case; trailers are left out.
        reading: which part of a request is incomplete: HEAD, BODY, or NOTHING.
        has_asked: whether the client has begun to send a first request.
        waiting: requests that wait until earlier requests are answered, the newest first.
        closes: whether the connection closes after the answer to the request that is being read.
        is_ending: whether the connection must close after the answer to the next request.
        is_over: whether all further bytes are ignored.
        parser: httptools' parser; knows the method, the version and whether the client lets the
            connection stay open.
    """

    transport: Any
    # Most bytes of an incomplete head, and most bytes that frame a body; 0: no limit.
    most_bytes = 0

    def __init__(self) -> None:
        """Begin a connection of which nothing has been read."""
        self.parser = httptools.HttpRequestParser(self)
        self.url = b""
        self.headers: list[Header] = []
        self.reading = NOTHING
        self.has_asked = False
        self.is_over = False
        self._framing_bytes = 0
        self._is_chunked = self._sees_chunks = False
        self._is_replayed = False
        self._is_parsing = False
        # Holds the exception that a callback raised, because the parser loses the exception if the
        # callback raises it while another exception is being handled.
        self._refused: Refused | None = None
        self.is_ending = self.closes = False
        self._rest = memoryview(b"")
        self.waiting: deque[Any] = deque()

    # A subclass implements these methods to handle requests.

    @abstractmethod
    def take_head(self) -> None:
        """Begin to handle a request: its head is complete, in `url`, `headers` and `parser`."""

    @abstractmethod
    def take_body(self, body: bytes) -> None:
        """Handle the next piece of the request's body."""

    @abstractmethod
    def take_end(self) -> None:
        """Handle the end of the request: its body is complete."""

    @abstractmethod
    def refuse(self, refused: Refused) -> None:
        """After the answers to earlier requests, send *refused* as answer, and close."""

    @abstractmethod
    def cut_head(self) -> None:
        """End the connection: a head, or the bytes that frame a body, exceed `most_bytes`."""

    # Reading.

    def read(self, data: bytes) -> None:
        """Parse *data*, the bytes of one read; keep them unparsed while earlier requests wait."""
        size = len(data)
        if self._rest or self.waiting or (size > PIECE_BYTES and _has_more(data, size)):
            self._rest = memoryview(bytes(self._rest) + data)
            self.read_on()
        else:
            self._parse(data)

    def read_on(self) -> None:
        """Parse the bytes that `read` has kept, until MAX_WAITING requests wait for an answer."""
        while self.has_rest and len(self.waiting) < MAX_WAITING and not self._is_parsing:
            piece, self._rest = self._rest[:PIECE_BYTES], self._rest[PIECE_BYTES:]
            self._parse(piece)

    @property
    def has_rest(self) -> bool:
        """Whether bytes have been read that are not parsed yet."""
        return bool(self._rest) and not (self.is_over or self.transport.is_closing())

    def end_reading(self) -> None:
        """
        Stop reading, and free the unparsed bytes and the parser.

        A connection and its parser refer to each other. Python frees such cycles only every 10
        minutes (garbage.py), so the parser is deleted here.
        """
        self.is_over = True
        del self.parser
        self._rest = memoryview(b"")
        self.headers = []
        self.url = b""

    def _parse(self, data: bytes | memoryview) -> None:
        """Parse *data*; call `cut_head` if a head or the bytes that frame a body are too long."""
        if self.is_over:
            return
        behind_upgrade: int | None = None
        self._is_parsing = True
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            behind_upgrade = upgrade.args[0]
        except httptools.HttpParserError as error:
            self._stop(error)
            return
        finally:
            self._is_parsing = False
        if behind_upgrade is not None:
            self._read_without_upgrade(bytes(data[behind_upgrade:]))
            return
        if not (self.reading or self._is_chunked):
            return
        if self.reading == BODY and not self._is_chunked:
            # Set this before the first chunk is complete: the chunk's extension may be endless.
            self._is_chunked = any(name == b"transfer-encoding" for name, _ in self.headers)
        if self._sees_chunks:
            # Drop trailers: a short line takes thirty times as many bytes of memory as on the wire.
            self.headers.clear()
        if self.reading == HEAD or self._is_chunked:
            self._framing_bytes += len(data)
            if 0 < self.most_bytes < self._framing_bytes:
                self.is_over = True
                self.cut_head()

    def _stop(self, error: httptools.HttpParserError) -> None:
        """Stop parsing because of *error*; if the connection is open, send the reason as answer."""
        was_over, self.is_over = self.is_over, True
        if was_over or self.transport.is_closing():
            return
        if isinstance(error, httptools.HttpParserCallbackError) and self._refused is None:
            raise error
        self.refuse(self._refused or Refused(400, "Invalid HTTP request received."))

    def _read_without_upgrade(self, rest: bytes) -> None:
        """
        Parse the request again without its headers for an upgrade, then parse *rest*.

        When a request asks for an upgrade, the parser assumes that it has no body, and that all
        further bytes belong to another protocol.
        """
        parser, headers = self.parser, self.headers
        version = parser.get_http_version().encode()
        lines = [b"%b %b HTTP/%b" % (parser.get_method(), self.url, version)]
        for name, value in headers:
            if name == b"connection":
                tokens = [token.strip() for token in value.split(b",")]
                others = b", ".join(token for token in tokens if token.lower() != b"upgrade")
                lines.append(b"connection: " + others)
            elif name != b"upgrade":
                lines.append(b"%b: %b" % (name, value))
        self.parser = httptools.HttpRequestParser(self)
        self._parse(b"\r\n".join([*lines, b"\r\n"]))
        if rest:
            self._rest = memoryview(rest + bytes(self._rest))
            self.read_on()

    def check_codings(self) -> None:
        """
        Check that this service can decode the body's transfer coding.

        Raises:
            Refused: the body has a transfer coding other than chunked, or any coding in HTTP/1.0.
        """
        codings = [value for name, value in self.headers if name == b"transfer-encoding"]
        is_old = self.parser.get_http_version() == "1.0"
        if codings and (is_old or codings[0].lower() != b"chunked" or codings[1:]):
            raise Refused(501, "Only chunked is understood as a transfer coding.")

    # The parser calls these methods.

    def on_message_begin(self) -> None:
        """Note that a request begins; raise _IsOver if the connection accepts no request."""
        if self.is_over or self.transport.is_closing():
            raise _IsOver
        self.url = b""
        self.headers = []
        self.has_asked = True
        self.reading = HEAD
        self._framing_bytes = 0

    def on_url(self, url: bytes) -> None:
        """Add a piece of the request's target."""
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note a header. A trailer is noted too, but never used."""
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Check the version of a complete head, and hand the head to the subclass."""
        self.reading = BODY
        self._framing_bytes = 0
        version = self.parser.get_http_version()
        self.closes = self.is_ending or version == "1.0" or not self.parser.should_keep_alive()
        try:
            self._choose(version)
        except Refused as refused:
            self._refused = refused
            raise

    def _choose(self, version: str) -> None:
        """Call `take_head`; if the request asks for an upgrade, let it be parsed again instead."""
        if version == "0.9":  # the parser's value when the request names no version
            raise Refused(400, "Invalid HTTP request received.")
        if version not in _VERSIONS:
            raise Refused(505, "HTTP/1.1 is spoken here.")
        if not self.parser.should_upgrade():
            self.take_head()
        elif self.parser.get_method() == b"CONNECT":
            raise Refused(400, "CONNECT is for proxies.")
        else:
            # The parser raises HttpParserUpgrade after this callback.
            self.reading = NOTHING
            self._is_replayed = True

    def on_chunk_header(self) -> None:
        """Check the codings at the first chunk; at later chunks, allow _CHUNK_BYTES for framing."""
        if self._sees_chunks:
            self._framing_bytes = max(0, self._framing_bytes - _CHUNK_BYTES)
            return
        try:
            self.check_codings()
        except Refused as refused:
            self._refused = refused
            raise
        self._sees_chunks = self._is_chunked = True
        # Headers that come behind the last chunk are trailers.
        self.headers = []

    def on_body(self, body: bytes) -> None:
        """Hand a piece of the body to the subclass."""
        if self._is_chunked:
            self._framing_bytes = max(0, self._framing_bytes - len(body))
        self.take_body(body)

    def on_message_complete(self) -> None:
        """Hand the end of the request to the subclass; note whether the connection ends with it."""
        if self._is_replayed:
            self._is_replayed = False
            return
        self.reading = NOTHING
        if self._is_chunked:
            self._is_chunked = self._sees_chunks = False
        self.is_over = self.closes
        self.take_end()


def _has_more(data: bytes, size: int) -> bool:
    """Say whether *data* of *size* bytes may hold more requests after its first PIECE_BYTES."""
    return size > WHOLE_BYTES or data.find(b"\n", PIECE_BYTES) >= 0
