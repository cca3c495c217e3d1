"""
Ends each connection when the service stops, after answering the requests on it.

uvicorn closes every connection on which it has not read a whole head. It thereby loses requests
that are half read, and requests that a browser or proxy sent before it knew of the stop. Here the
service answers each request of which it has read a byte, and each that comes within LINGER_SECONDS.
Each of these answers says `Connection: close`. A client that sends or reads too slowly is told to
come again, or is disconnected, before uvicorn's own patience ends with a traceback in the log.
"""

from typing import Any, Final

from otel_jcmc.server.protocol import PushProtocol, text_of

# No client is told that its idle connection will be closed: its request may be on its way already.
LINGER_SECONDS: Final = 0.5
# The pause before the last look at a connection. With 0, the loop would read nothing before it.
LOOK_SECONDS: Final = 0.01
# How long a stopping service waits for the rest of a request. A push is one or two packets. A
# client that has not sent all of it by now sends the push again, to another replica.
UNREAD_SECONDS: Final = 2.0
# How long clients may take to read their last answers, above all the answer to a scrape.
HANG_UP_SECONDS: Final = 4.0
GRACE_SECONDS: Final = 5


class EndingProtocol(PushProtocol):
    """One connection, which answers the requests that have begun before it ends."""

    def shutdown(self) -> None:
        """Answer the requests that have begun, then close; uvicorn calls this at the stop."""
        # No request that comes from now on keeps the connection open.
        self.is_ending = True
        last: Any = self.waiting[0] if self.waiting else self.cycle
        last.keep_alive = False
        self.loop.call_later(LINGER_SECONDS, self._look_once_more)
        self.loop.call_later(UNREAD_SECONDS, self._answer_unread)
        self.loop.call_later(HANG_UP_SECONDS, self.transport.abort)

    def _look_once_more(self) -> None:
        """Let the loop read the bytes that have come: a busy loop runs late timers first."""
        self.loop.call_later(LOOK_SECONDS, self._close_if_quiet)

    def _close_if_quiet(self) -> None:
        """Close the connection if no request is under way."""
        if self.cycle.response_complete and not self.reading:
            self.transport.close()

    def _answer_unread(self) -> None:
        """Answer an incomplete request: the client should send it again, to another replica."""
        cycle = self.cycle
        if cycle.more_body:
            is_owed = not (cycle.response_complete or getattr(cycle, "response_started", False))
        else:
            # The head is incomplete: the answer to the previous request must have been sent.
            is_owed = cycle.response_complete
        if self.reading and is_owed and not self.transport.is_closing():
            self._end_body()
            self._push.response_complete = True
            answer = self._door.stop(self.headers)
            self.transport.write(text_of(answer, self.server_state.default_headers))
            self.transport.close()
