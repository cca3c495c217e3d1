"""
How a connection ends when the service stops.

uvicorn closes every connection on which it has not read a whole head. It thereby loses requests
that are half read, and requests that a browser or proxy sent just before it could know. Here the
service answers each request of which it has read a byte, and each that comes within LINGER_SECONDS.
Each of these answers says `Connection: close`. A client that sends or reads too slowly is told to
come again, or is disconnected, before uvicorn's own patience ends with a traceback in the log.
"""

from typing import Any, Final

from otel_jcmc.server.protocol import PushProtocol, text_of

# No client is told that its idle connection will be closed: its request may be on its way already.
LINGER_SECONDS: Final = 0.5
# With 0, the loop would read nothing in between.
LOOK_SECONDS: Final = 0.01
# A push is one or two packets. A client that has not sent all of it by now sends it again,
# elsewhere.
UNREAD_SECONDS: Final = 2.0
# Time for answers to be read, above all a scrape's.
HANG_UP_SECONDS: Final = 4.0
GRACE_SECONDS: Final = 5


class EndingProtocol(PushProtocol):
    """One connection, which answers what has begun before it ends."""

    def shutdown(self) -> None:
        """Answer what has begun, then close; uvicorn calls this when the service stops."""
        # No request that comes from now on keeps the connection open.
        self.is_ending = True
        last: Any = self.waiting[0] if self.waiting else self.cycle
        last.keep_alive = False
        self.loop.call_later(LINGER_SECONDS, self._look_once_more)
        self.loop.call_later(UNREAD_SECONDS, self._answer_unread)
        self.loop.call_later(HANG_UP_SECONDS, self.transport.abort)

    def _look_once_more(self) -> None:
        """Let the loop read what has come: a busy loop is late and runs its timers first."""
        self.loop.call_later(LOOK_SECONDS, self._close_if_quiet)

    def _close_if_quiet(self) -> None:
        """Close the connection if no request is under way."""
        if self.cycle.response_complete and not self.reading:
            self.transport.close()

    def _answer_unread(self) -> None:
        """Answer an incomplete request: the client should send it again, elsewhere."""
        cycle = self.cycle
        if cycle.more_body:
            is_owed = not (cycle.response_complete or getattr(cycle, "response_started", False))
        else:
            # Within a head: the answer to the previous request must be out.
            is_owed = cycle.response_complete
        if self.reading and is_owed and not self.transport.is_closing():
            self._end_body()
            self._push.response_complete = True
            answer = self._door.stop(self.headers)
            self.transport.write(text_of(answer, self.server_state.default_headers))
            self.transport.close()
