"""
A strict reader of where requests end (RFC 9112), with which the service must agree.

It is written from the RFC alone, byte for byte and slowly, and shares nothing with the service's
parser. A request is its method, target and body. The reader stops after the last request of a
connection, and at an incomplete or invalid request.
"""

import re
from enum import Enum
from typing import Final, NamedTuple

# RFC 9110, 5.6.2.
_TOKEN: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# Methods that are registered, and what a target may be where CONNECT is not spoken.
_REQUEST_LINE: Final = re.compile(
    rb"(GET|HEAD|POST|PUT|DELETE|OPTIONS|TRACE|PATCH|CONNECT)"
    rb" +(/[\x21-\x7e]*|\*|https?://[\x21-\x7e]+) +HTTP/(1\.[01])"
)
# RFC 9110, 5.5: visible, obs-text, blanks inside; nothing else.
_VALUE: Final = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_LENGTH: Final = re.compile(rb"[0-9]+")
# RFC 9112, 7.1.1, without the blanks that a recipient has to parse and no sender may send.
_TOKENS = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_CHUNK: Final = re.compile(
    rb"0*([0-9A-Fa-f]+)(?:;"
    + _TOKENS
    + rb"(?:=(?:"
    + _TOKENS
    + rb'|"[^"\\\x00-\x08\x0a-\x1f\x7f]*"))?)*'
)
# An extension that is no extension, in a line that ends where all lines end.
_DOUBTFUL_CHUNK: Final = re.compile(rb"0*([0-9A-Fa-f]+)[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?")


# The service's own limit.
MOST_FIELDS: Final = 100


class End(Enum):
    """How the reading of a stream ended."""

    CLEAN = "clean"  # between two requests
    INCOMPLETE = "incomplete"  # in the middle of one
    CLOSE = "close"  # behind the last one
    BAD = "bad"  # at what is none


class Request(NamedTuple):
    """One request."""

    method: bytes
    target: bytes
    body: bytes


class _Bad(Exception):
    pass


class _Incomplete(Exception):
    pass


class Reader:
    """
    Reads one stream.

    Attributes:
        may_end_after: after so many requests comes one with a chunk extension that is faulty and
            moves no end: who reads it may refuse it, or read on and agree on all that follows.
            None if there is none.
    """

    def __init__(self, stream: bytes) -> None:
        """Read *stream*, all that ever comes on a connection."""
        self._stream = stream
        self._at = 0
        self._is_doubtful = False
        self.may_end_after: int | None = None

    def read(self) -> tuple[list[Request], End]:
        """Return the requests that are whole, and how it ended."""
        found: list[Request] = []
        while True:
            # RFC 9112, 2.2: empty lines before a request line should be ignored; a lone CR or LF
            # there is no part of anything.
            while self._stream[self._at : self._at + 1] in (b"\r", b"\n"):
                self._at += 1
            if self._at == len(self._stream):
                return found, End.CLEAN
            try:
                request, is_last = self._request()
            except _Bad:
                return found, End.BAD
            except _Incomplete:
                return found, End.INCOMPLETE
            if self._is_doubtful and self.may_end_after is None:
                self.may_end_after = len(found)
            found.append(request)
            if is_last:
                return found, End.CLOSE

    def _line(self) -> bytes:
        """Return the next line without its end."""
        end = self._stream.find(b"\n", self._at)
        if end < 0:
            raise _Incomplete
        line = self._stream[self._at : end]
        if not line.endswith(b"\r") or b"\r" in line[:-1]:
            raise _Bad
        self._at = end + 1
        return line[:-1]

    def _take(self, size: int) -> bytes:
        """Return the next *size* bytes."""
        if len(self._stream) - self._at < size:
            raise _Incomplete
        self._at += size
        return self._stream[self._at - size : self._at]

    def _fields(self) -> list[tuple[bytes, bytes]]:
        """Return the field lines up to the empty one."""
        fields = []
        while line := self._line():
            name, colon, value = line.partition(b":")
            if not colon or not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
                raise _Bad
            fields.append((name.lower(), value.strip(b" \t")))
            if len(fields) > MOST_FIELDS:
                raise _Bad
        return fields

    def _request(self) -> tuple[Request, bool]:
        """Return the next request, and whether it is the connection's last."""
        line = _REQUEST_LINE.fullmatch(self._line())
        if line is None:
            raise _Bad
        method, target, version = line.groups()
        fields = self._fields()
        lengths = [value for name, value in fields if name == b"content-length"]
        codings = [value.lower() for name, value in fields if name == b"transfer-encoding"]
        if method == b"CONNECT":
            raise _Bad
        if codings:
            # RFC 9112, 6.1: in HTTP/1.0, and beside a length, the framing is faulty.
            if codings != [b"chunked"] or lengths or version == b"1.0":
                raise _Bad
            body = self._chunks()
        elif lengths:
            digits = lengths[0].lstrip(b"0") or b"0"
            if len(lengths) > 1 or not _LENGTH.fullmatch(lengths[0]) or len(digits) > 19:
                raise _Bad
            body = self._take(int(digits))
        else:
            body = b""
        options = {
            token.strip(b" \t").lower()
            for name, value in fields
            if name == b"connection"
            for token in value.split(b",")
        }
        return Request(method, target, body), b"close" in options or version == b"1.0"

    def _chunks(self) -> bytes:
        """Return a body in chunks, without its trailers."""
        body = b""
        while True:
            text = self._line()
            line = _CHUNK.fullmatch(text)
            if line is None:
                self._is_doubtful = True
                line = _DOUBTFUL_CHUNK.fullmatch(text)
            if line is None or len(line[1]) > 15:
                raise _Bad
            size = int(line[1], 16)
            if not size:
                # What frames a message may stand in no trailer (RFC 9110, 6.5.1).
                if {name for name, _ in self._fields()} & {b"content-length", b"transfer-encoding"}:
                    raise _Bad
                return body
            body += self._take(size)
            if self._take(2) != b"\r\n":
                raise _Bad
