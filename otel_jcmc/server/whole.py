"""
What came in one read -> the push that it is, or nothing.

Most pushes come so, one by one. The same parser as in framing.py checks all of one, but is asked
for no header lines, as to make them costs more than to check them. What is out of the ordinary in
any way (a body that has not all come, another request behind it, chunks, an upgrade, a connection
that ends with it, a fault) is nothing here: framing.py reads it, from its first byte.
"""

from functools import partial
from typing import Final

import httptools

from otel_jcmc.intake.heads import RawHead
from otel_jcmc.web.push import PUSH_PATH

# framing.py parses in pieces what is larger, to see what is too much before all of it is parsed.
MOST_HEAD_BYTES: Final = 2048
MOST_BYTES: Final = 16_384
_BEGIN: Final = b"POST %b HTTP/1.1\r\n" % PUSH_PATH.encode()
_BEGIN_BYTES: Final = len(_BEGIN)
_BEGUN, _ENDED = b"", b"ended"
_BRACE: Final = ord("}")


class WholePushes:
    """
    Reads pushes that are whole.

    Concurrency: of one event loop; any number of connections, as no read leaves anything behind.
    """

    def __init__(self, most_lines: int) -> None:
        """Leave a head of more than *most_lines* to others."""
        # With the request line's end, and that of the empty line.
        self._most_ends = most_lines + 2
        # What the parser has told of a read: _BEGUN, pieces of bodies, _ENDED.
        self._told: list[bytes] = []
        self.on_message_begin = partial(self._told.append, _BEGUN)
        self.on_body = self._told.append
        self._begin()

    def _begin(self) -> None:
        """Begin with nothing read."""
        self._parser = httptools.HttpRequestParser(self)

    def on_message_complete(self) -> None:
        """Note the end of a request behind which others may come; the parser calls this."""
        if self._parser.should_keep_alive():
            self._told.append(_ENDED)

    def read(self, data: bytes) -> tuple[RawHead, bytes] | None:
        """Return head and body of the one push that *data* is, None if it is anything else."""
        # A push is an object. One with a brace in its head is not found to be whole.
        if data[:_BEGIN_BYTES] != _BEGIN or data[-1] != _BRACE or len(data) > MOST_BYTES:
            return None
        start = data.find(b"{")
        head = data[:start]
        if start > MOST_HEAD_BYTES or head.count(b"\n") > self._most_ends:
            return None
        told = self._told
        told.clear()
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._begin()
            return None
        # One request, with a body in one piece. Nothing is behind it: line ends may be, without
        # another one that begins, but here a brace is last. So what is before the body is its head.
        if len(told) == 3 and told[2] is _ENDED and len(told[1]) == len(data) - start:
            return RawHead(head), told[1]
        self._begin()
        return None
