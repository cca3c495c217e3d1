"""
Ends each connection when the service stops, after answering the requests on it.

At a stop, uvicorn closes each connection on which it has not read a whole head. It thereby loses
requests that it has read in part, and requests that a browser or proxy sent before it knew of the
stop. This module answers each request whose first byte comes before the stop, or within
LINGER_SECONDS after the stop. Each of these answers has the header `Connection: close`. If a client
has not sent its whole request after UNREAD_SECONDS, the answer asks it to send the request again.
If a client has not read its answer after HANG_UP_SECONDS, it is disconnected. After GRACE_SECONDS
uvicorn would end the connection itself, with a traceback in the log.
"""

from typing import Any, Final

from otel_jcmc.server.protocol import PushProtocol, text_of

# How long an idle connection stays open after the stop: a client can't be told that its idle
# connection will be closed, and may have sent a request already.
LINGER_SECONDS: Final = 0.5
# The pause before the last check of an idle connection. In this pause the loop reads bytes that
# have come; with a pause of 0 s it would read none.
LOOK_SECONDS: Final = 0.01
# How long a stopping service waits for the rest of a request. A push is one or two packets. If a
# client has not sent a whole push by then, it sends the push again, to another replica.
UNREAD_SECONDS: Final = 2.0
# How long clients may take to read their last answers, above all the answer to a scrape.
HANG_UP_SECONDS: Final = 4.0
GRACE_SECONDS: Final = 5


class EndingProtocol(PushProtocol):
    """One connection. At a stop of the service it answers requests that have begun, then closes."""

    def shutdown(self) -> None:
        """Answer the requests that have begun, then close; uvicorn calls this at the stop."""
        # From now on, the connection closes after its next answer.
        self.is_ending = True
        last: Any = self.waiting[0] if self.waiting else self.cycle
        last.keep_alive = False
        self.loop.call_later(LINGER_SECONDS, self._look_once_more)
        self.loop.call_later(UNREAD_SECONDS, self._answer_unread)
        self.loop.call_later(HANG_UP_SECONDS, self.transport.abort)

    def _look_once_more(self) -> None:
        """Let the loop read bytes before `_close_if_quiet`: a busy loop runs late timers first."""
        self.loop.call_later(LOOK_SECONDS, self._close_if_quiet)

    def _close_if_quiet(self) -> None:
        """Close the connection if all its requests are answered and none has begun to arrive."""
        if self.cycle.response_complete and not self.reading:
            self.transport.close()

    def _answer_unread(self) -> None:
        """Answer an incomplete request: ask the client to send it again, to another replica."""
        cycle = self.cycle
        if cycle.more_body:
            is_owed = not (cycle.response_complete or getattr(cycle, "response_started", False))
        else:
            # The head is incomplete. Write this answer only after the answer to the request before.
            is_owed = cycle.response_complete
        if self.reading and is_owed and not self.transport.is_closing():
            self._end_body()
            self._push.response_complete = True
            answer = self._door.stop(self.headers)
            self.transport.write(text_of(answer, self.server_state.default_headers))
            self.transport.close()
