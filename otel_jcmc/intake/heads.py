"""
Reads the head of a push: only the few header lines that the service needs.

A server hands over the head as parsed lines, or as bytes. A head has some sixteen lines. Every push
needs two of them, the browser's name and the proxy's report of the caller; some pushes need the
page's origin or a token. Searching for these lines in the bytes costs less than parsing all lines.

Source: RFC 9112, 5 (field lines).
"""

import re
from abc import abstractmethod
from collections.abc import Iterable, Iterator
from typing import Final, Protocol

import msgspec

from otel_jcmc.intake.callers import FORWARDED, Header, origin_of

# Every header line follows the end of a line: of the request line, or of another header line. The
# expressions begin with a set of letters, because that rejects other lines fastest. They match no
# other header's name.
_USER_AGENT: Final = re.compile(rb"\n[uU](?i:ser-agent):[ \t]*([^\r]*)")
_ORIGIN: Final = re.compile(rb"\n[oO](?i:rigin):[ \t]*([^\r]*)")
_FORWARDED: Final = re.compile(rb"\n([xXfF](?i:-forwarded-for|-real-ip|orwarded)):[ \t]*([^\r]*)")
_LINE: Final = re.compile(
    rb"\n([uUxXfFoOaAcC]"
    rb"(?i:ser-agent|-forwarded-for|-real-ip|orwarded|rigin|uthorization|ontent-encoding))"
    rb":[ \t]*([^\r]*)"
)
# The header lines of a push that the service reads. To read another line, add it here and above.
READ: Final = FORWARDED | {b"user-agent", b"origin", b"authorization", b"content-encoding"}


class Head(Iterable[Header], Protocol):
    """The header lines of a request that READ names, in the request's order; lower-case names."""

    @abstractmethod
    def user_agent(self) -> str:
        """Return the first User-Agent header; empty: the request has no such header."""

    @abstractmethod
    def origin(self) -> bytes:
        """Return the page's origin, as `origin_of` does."""

    @abstractmethod
    def forwarded(self) -> list[Header]:
        """Return the lines in which a proxy reports its caller, for `Callers.key`."""


class Lines(list[Header]):
    """A head that a server has parsed into lines."""

    def __init__(self, headers: Iterable[Header] = ()) -> None:
        """Take the *headers* that READ names; their names must be in lower case."""
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
        """Return the lines of proxies, as Head does."""
        return [header for header in self if header[0] in FORWARDED]


class RawHead(msgspec.Struct, gc=False):
    """
    A head as bytes, which are searched for a line when it is asked for.

    Attributes:
        raw: the bytes of the head, with the request line; a parser has accepted it.
        lines: the lines that READ names; None before they are first asked for.
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
        """Return the lines of proxies, as Head does."""
        return _FORWARDED.findall(self.raw)

    def __iter__(self) -> Iterator[Header]:
        """Return the lines, as Head does."""
        if self.lines is None:
            self.lines = Lines((name.lower(), value) for name, value in _LINE.findall(self.raw))
        return iter(self.lines)
