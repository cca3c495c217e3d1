"""
uvicorn's HTTP protocol with a bound on the head of a request.

httptools gathers a head of any size before it hands it on, so one connection could fill the
memory. Passed to uvicorn by the command line; an application in somebody's server has that
server's bounds.
"""

from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# Browsers send 1 to 2 KiB; nginx takes 32 KiB by default.
MAX_HEAD_BYTES: Final = 64 * 1024


class BoundedProtocol(HttpToolsProtocol):
    """One connection; it is closed when a head grows beyond MAX_HEAD_BYTES."""

    _head_bytes = 0
    _is_in_head = True

    def on_message_begin(self) -> None:
        """Begin to count; the parser calls this."""
        self._head_bytes, self._is_in_head = 0, True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Cease to count; the parser calls this."""
        self._is_in_head = False
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Parse what came, and hang up on a head without end; the loop calls this."""
        super().data_received(data)
        if self._is_in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self.transport.close()
