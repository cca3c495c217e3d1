"""
Recognises a whole push in the bytes of one read of a socket, and returns its head and body.

Most pushes come whole in one read, with no other bytes. The parser (httptools, as in framing.py)
checks all bytes of such a push, but makes no objects for its header lines, because that would take
more time than the check. `read` returns None for all other bytes: an incomplete body, another
request after the push, chunks, an upgrade, `Connection: close`, a fault. framing.py then parses the
same bytes from the beginning.
"""

from functools import partial
from typing import Final

import httptools

from otel_jcmc.intake.heads import RawHead
from otel_jcmc.web.push import PUSH_PATH

# framing.py parses heads and pushes that are larger than this. It parses them in pieces, so that it
# finds a head beyond the limit before it has parsed the whole head.
MOST_HEAD_BYTES: Final = 2048
MOST_BYTES: Final = 16_384
_BEGIN: Final = b"POST %b HTTP/1.1\r\n" % PUSH_PATH.encode()
_BEGIN_BYTES: Final = len(_BEGIN)
_BEGUN, _ENDED = b"", b"ended"
_BRACE: Final = ord("}")


class WholePushes:
    """
    Reads whole pushes from the bytes of one read.

    Concurrency: use it from one event loop, for any number of connections: `read` keeps no data for
    its next call.
    """

    def __init__(self, most_lines: int) -> None:
        """Prepare; `read` will return None for a head of more than *most_lines* header lines."""
        # The line ends in a head include the ends of the request line and of the empty line.
        self._most_ends = most_lines + 2
        # The parser's events of one read, in order: _BEGUN, pieces of bodies, _ENDED.
        self._told: list[bytes] = []
        self.on_message_begin = partial(self._told.append, _BEGUN)
        self.on_body = self._told.append
        self._begin()

    def _begin(self) -> None:
        """Make a new parser, which has no state from earlier reads."""
        self._parser = httptools.HttpRequestParser(self)

    def on_message_complete(self) -> None:
        """Note the end of a request if the connection stays open; the parser calls this."""
        if self._parser.should_keep_alive():
            self._told.append(_ENDED)

    def read(self, data: bytes) -> tuple[RawHead, bytes] | None:
        """Return head and body if *data* is exactly one push; otherwise return None."""
        # The body is a JSON object, which begins with the first brace. If the head has a brace, the
        # checks below fail, and framing.py parses the push.
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
        # *data* is one request with a body in one piece, which ends at the last byte: the parser
        # accepts line ends behind a request, but the last byte is a brace. So all bytes before the
        # body are the head.
        if len(told) == 3 and told[2] is _ENDED and len(told[1]) == len(data) - start:
            return RawHead(head), told[1]
        self._begin()
        return None
