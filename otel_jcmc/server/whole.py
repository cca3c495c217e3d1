"""
Recognises a whole push in the bytes of one read, and returns its head and body.

Most pushes come alone and whole in one read. The parser of framing.py checks all of such a push
too, but does not report header lines: to make them costs more than to check them. For anything out
of the ordinary, `read` returns None: an incomplete body, another request behind the push, chunks,
an upgrade, a connection that ends with the push, a fault. framing.py then parses the same bytes
from the first one.
"""

from functools import partial
from typing import Final

import httptools

from otel_jcmc.intake.heads import RawHead
from otel_jcmc.web.push import PUSH_PATH

# framing.py parses larger data in pieces, to see an excess before all of it is parsed.
MOST_HEAD_BYTES: Final = 2048
MOST_BYTES: Final = 16_384
_BEGIN: Final = b"POST %b HTTP/1.1\r\n" % PUSH_PATH.encode()
_BEGIN_BYTES: Final = len(_BEGIN)
_BEGUN, _ENDED = b"", b"ended"
_BRACE: Final = ord("}")


class WholePushes:
    """
    Reads pushes that are whole.

    Concurrency: one event loop, any number of connections: a read keeps nothing for the next one.
    """

    def __init__(self, most_lines: int) -> None:
        """Return None for heads of more than *most_lines*, which are left to framing.py."""
        # Line ends in a head: also those of the request line and of the empty line.
        self._most_ends = most_lines + 2
        # The parser's events of one read, in order: _BEGUN, pieces of bodies, _ENDED.
        self._told: list[bytes] = []
        self.on_message_begin = partial(self._told.append, _BEGUN)
        self.on_body = self._told.append
        self._begin()

    def _begin(self) -> None:
        """Forget the earlier reads, and make a new parser."""
        self._parser = httptools.HttpRequestParser(self)

    def on_message_complete(self) -> None:
        """Note the end of a request that others may follow; the parser calls this."""
        if self._parser.should_keep_alive():
            self._told.append(_ENDED)

    def read(self, data: bytes) -> tuple[RawHead, bytes] | None:
        """Return head and body of the one push that *data* is, None if it is anything else."""
        # A push is a JSON object. If its head has a brace, the push is left to framing.py.
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
        # One request, with a body in one piece. Nothing follows it: the parser accepts line ends
        # behind a request, but the last byte here is a brace. So all bytes before the body are its
        # head.
        if len(told) == 3 and told[2] is _ENDED and len(told[1]) == len(data) - start:
            return RawHead(head), told[1]
        self._begin()
        return None
