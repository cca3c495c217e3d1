"""
The head of a push: the few of its header lines that pushes are asked for, and no other.

Comes as the lines that a server has made of it, or as the bytes of it. Of sixteen lines each push
is asked for two, the browser's name and who its proxy says it comes from, and some for the page's
origin or a token: to look for those in the bytes costs less than to make all.

Source: RFC 9112, 5 (field lines).
"""

import re
from abc import abstractmethod
from collections.abc import Iterable, Iterator
from typing import Final, Protocol

import msgspec

from otel_jcmc.intake.callers import FORWARDED, Header, origin_of

# All lines are behind an end, that of the request line or another one's. The first letter is a set,
# since a line of another name costs least by it; what more these find is nobody's name.
_USER_AGENT: Final = re.compile(rb"\n[uU](?i:ser-agent):[ \t]*([^\r]*)")
_ORIGIN: Final = re.compile(rb"\n[oO](?i:rigin):[ \t]*([^\r]*)")
_FORWARDED: Final = re.compile(rb"\n([xXfF](?i:-forwarded-for|-real-ip|orwarded)):[ \t]*([^\r]*)")
_LINE: Final = re.compile(
    rb"\n([uUxXfFoOaAcC]"
    rb"(?i:ser-agent|-forwarded-for|-real-ip|orwarded|rigin|uthorization|ontent-encoding))"
    rb":[ \t]*([^\r]*)"
)
# What else a head has, no push is asked for: who wants to read another line adds it here and above.
READ: Final = FORWARDED | {b"user-agent", b"origin", b"authorization", b"content-encoding"}


class Head(Iterable[Header], Protocol):
    """The header lines of a request that are in READ, in their order; names in lower case."""

    @abstractmethod
    def user_agent(self) -> str:
        """Return the User-Agent header, the first if there are several; empty: there is none."""

    @abstractmethod
    def origin(self) -> bytes:
        """Return the page's origin, as `origin_of` does."""

    @abstractmethod
    def forwarded(self) -> list[Header]:
        """Return the lines in which a proxy tells who it stands for, for `Callers.key`."""


class Lines(list[Header]):
    """A head whose lines are made."""

    def __init__(self, headers: Iterable[Header] = ()) -> None:
        """Take of *headers*, with names in lower case, those that are in READ."""
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
    A head whose lines are found when they are asked for.

    Attributes:
        raw: the head as it was sent, request line and all; a parser has found no fault in it.
        lines: those in READ, once somebody has asked for them.
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
