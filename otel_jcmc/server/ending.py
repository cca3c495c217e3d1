"""
How a connection ends when the service stops.

uvicorn closes every connection on which no whole head has been read, and with it a request that was
half read, or that a browser or proxy sent a moment before it could know. Here each request of which
a byte has been read is answered, and what comes within LINGER_SECONDS too, each answer with
`Connection: close`, so that the other side knows. Who sends or reads too slowly to be waited for is
told to come again, or hung up on, before uvicorn's own patience ends with a traceback in the log.
"""

from typing import Any, Final

from otel_jcmc.server.protocol import PushProtocol, text_of

# Nobody is told that an idle connection will be closed: a request may be on its way already.
LINGER_SECONDS: Final = 0.5
# Not 0, with which the loop reads nothing in between.
LOOK_SECONDS: Final = 0.01
# A push is one or two packets. Who has not sent all of it by now sends it again, elsewhere.
UNREAD_SECONDS: Final = 2.0
# For answers to be read, a scrape's above all.
HANG_UP_SECONDS: Final = 4.0
GRACE_SECONDS: Final = 5


class EndingProtocol(PushProtocol):
    """One connection, which ends well."""

    def shutdown(self) -> None:
        """Answer what has begun, then close; uvicorn calls this when the service stops."""
        # No request that comes from now on leaves the connection open.
        self.is_ending = True
        last: Any = self.waiting[0] if self.waiting else self.cycle
        last.keep_alive = False
        self.loop.call_later(LINGER_SECONDS, self._look_once_more)
        self.loop.call_later(UNREAD_SECONDS, self._answer_unread)
        self.loop.call_later(HANG_UP_SECONDS, self.transport.abort)

    def _look_once_more(self) -> None:
        """Let the loop read what has come: a busy one is late, and sees to its timers first."""
        self.loop.call_later(LOOK_SECONDS, self._close_if_quiet)

    def _close_if_quiet(self) -> None:
        """Close a connection on which nothing is asked."""
        if self.cycle.response_complete and not self.reading:
            self.transport.close()

    def _answer_unread(self) -> None:
        """Answer a request that has not come whole by now: it is to be sent again, elsewhere."""
        cycle = self.cycle
        if cycle.more_body:
            is_owed = not (cycle.response_complete or getattr(cycle, "response_started", False))
        else:
            # In the middle of a head: the answer to the request before must be out.
            is_owed = cycle.response_complete
        if self.reading and is_owed and not self.transport.is_closing():
            self._end_body()
            self._push.response_complete = True
            answer = self._door.stop(self.headers)
            self.transport.write(text_of(answer, self.server_state.default_headers))
            self.transport.close()
