"""
Reads the head of a push: only the few header lines that the service needs.

A head has some sixteen header lines. For every push the service needs two of them: the User-Agent
and the proxy's forwarded header. For some pushes it also needs the Origin or the token. A server
hands over the head as parsed lines (`Lines`) or as bytes (`RawHead`). A search for the needed lines
in the bytes takes less time than parsing all lines.

Source: RFC 9112, 5 (field lines).
"""

import re
from abc import abstractmethod
from collections.abc import Iterable, Iterator
from typing import Final, Protocol

import msgspec

from otel_jcmc.intake.callers import FORWARDED, Header, origin_of

# These expressions begin with a line end, because a header line follows the request line or another
# header line. A set of letters comes next, because it rejects other lines fastest. The expressions
# match no name of another header.
_USER_AGENT: Final = re.compile(rb"\n[uU](?i:ser-agent):[ \t]*([^\r]*)")
_ORIGIN: Final = re.compile(rb"\n[oO](?i:rigin):[ \t]*([^\r]*)")
_FORWARDED: Final = re.compile(rb"\n([xXfF](?i:-forwarded-for|-real-ip|orwarded)):[ \t]*([^\r]*)")
_LINE: Final = re.compile(
    rb"\n([uUxXfFoOaAcC]"
    rb"(?i:ser-agent|-forwarded-for|-real-ip|orwarded|rigin|uthorization|ontent-encoding))"
    rb":[ \t]*([^\r]*)"
)
# Names of the header lines of a push that the service reads. To read another header, add its name
# here and to _LINE.
READ: Final = FORWARDED | {b"user-agent", b"origin", b"authorization", b"content-encoding"}


class Head(Iterable[Header], Protocol):
    """The lines of a request whose names are in READ, in order; the names are in lower case."""

    @abstractmethod
    def user_agent(self) -> str:
        """Return the first User-Agent header; empty: the request has no such header."""

    @abstractmethod
    def origin(self) -> bytes:
        """Return the page's origin; empty if the request has no Origin header, or several."""

    @abstractmethod
    def forwarded(self) -> list[Header]:
        """Return the lines whose names are in FORWARDED: a proxy reports its caller in them."""


class Lines(list[Header]):
    """A head that a server has parsed into lines."""

    def __init__(self, headers: Iterable[Header] = ()) -> None:
        """Keep those of *headers* whose names are in READ; names must be in lower case."""
        super().__init__([each for each in headers if each[0] in READ])

    def user_agent(self) -> str:
        """Return the User-Agent header, as Head does."""
        for name, value in self:
            if name == b"user-agent":
                return value.decode("latin-1")
        return ""

    def origin(self) -> bytes:
        """Return the page's origin, as Head does."""
        return origin_of(self)

    def forwarded(self) -> list[Header]:
        """Return the lines whose names are in FORWARDED, as Head does."""
        return [header for header in self if header[0] in FORWARDED]


class RawHead(msgspec.Struct, gc=False):
    """
    A head as bytes; each method searches the bytes for the lines that it returns.

    Attributes:
        raw: the bytes of the head, with the request line; a parser has found no fault in them.
        lines: the lines whose names are in READ; None until a caller first iterates over this head.
    """

    raw: bytes
    lines: list[Header] | None = None

    def user_agent(self) -> str:
        """Return the User-Agent header, as Head does."""
        found = _USER_AGENT.search(self.raw)
        return found[1].decode("latin-1") if found else ""

    def origin(self) -> bytes:
        """Return the page's origin, as Head does."""
        told: list[bytes] = _ORIGIN.findall(self.raw)
        return told[0] if len(told) == 1 else b""

    def forwarded(self) -> list[Header]:
        """Return the lines whose names are in FORWARDED, as Head does."""
        return _FORWARDED.findall(self.raw)

    def __iter__(self) -> Iterator[Header]:
        """Return an iterator over the lines whose names are in READ, with lower-case names."""
        if self.lines is None:
            self.lines = Lines((name.lower(), value) for name, value in _LINE.findall(self.raw))
        return iter(self.lines)
