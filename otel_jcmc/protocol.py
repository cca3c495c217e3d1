"""
uvicorn's HTTP protocol with a short way for pushes, and a bound on the head of a request.

A push whose head and body have been read is handed to the push door at once and answered when the
store has it, without the task, the event and the messages of an ASGI call, which cost more than
checking and storing it. Whatever is out of the ordinary (another path, a query, a request before
the last one was answered, an upgrade, a sender that does not read) goes the ASGI way, to the same
door. httptools gathers a head of any size before it hands it on, so one connection could fill the
memory: MAX_HEAD_BYTES.

Passed to uvicorn by the command line; an application in somebody's server has that server's
protocol and bounds.
"""

from asyncio import BaseTransport, TimerHandle
from functools import partial
from math import inf
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from otel_jcmc.faults import Fault, PushRefused, Reason
from otel_jcmc.receiver import BODY_SECONDS, CLOSE, PUSH_PATH, Answer, PushDoor

# Browsers send 1 to 2 KiB; nginx takes 32 KiB by default.
MAX_HEAD_BYTES: Final = 64 * 1024
_URL: Final = PUSH_PATH.encode()


class _NobodyWaits:
    """What uvicorn wakes a waiting application with; here there is none."""

    def set(self) -> None:
        """Do nothing."""


class _Push:
    """The push of a connection, one after the other, in the place of a RequestResponseCycle."""

    __slots__ = ("disconnected", "keep_alive", "more_body", "parts", "response_complete", "size")
    message_event = _NobodyWaits()

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.size = 0
        self.more_body = False
        # As if one had been answered: the next may begin.
        self.response_complete = True
        self.disconnected = False
        self.keep_alive = True


class PushProtocol(HttpToolsProtocol):
    """One connection; it is closed when a head grows beyond MAX_HEAD_BYTES, or when it is idle."""

    # The last answer as bytes, which is nearly always the next one's too; whether it says close.
    _known: tuple[Answer | None, Any, bytes, bool] = (None, None, b"", False)
    cycle: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Begin a connection; uvicorn calls this."""
        super().__init__(*args, **kwargs)
        self._door: PushDoor = self.app.push_door
        self._push = self.cycle = _Push()
        self._peer = ""
        self._head_bytes = 0
        self._is_in_head = True
        self._is_old: bool | None = None
        self._too_slow: TimerHandle | None = None
        self._idle_since = inf
        self._idle_timer: TimerHandle | None = None

    def connection_made(self, transport: BaseTransport) -> None:
        """Begin to look for idleness; the loop calls this."""
        super().connection_made(transport)  # type: ignore[arg-type]
        if self.client:
            self._peer = self.client[0]
        self._idle_since = self.loop.time()
        self._watch(self.timeout_keep_alive)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget what was being read; the loop calls this."""
        for timer in (self._too_slow, self._idle_timer):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, and hang up on a head without end; the loop calls this."""
        self._idle_since = inf
        super().data_received(data)
        if self._push.more_body:
            self._wait_for_body()
        if self._is_in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self.transport.close()

    # What the parser calls.

    def on_message_begin(self) -> None:
        """Begin a request."""
        self.url = b""
        self.headers = []
        self._head_bytes, self._is_in_head = 0, True

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note a header."""
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Choose the way."""
        self._is_in_head = False
        parser = self.parser
        if (
            self.url == _URL
            and self.cycle.response_complete
            and parser.get_method() == b"POST"
            and not parser.should_upgrade()
            and not self.flow.write_paused
        ):
            self.cycle = push = self._push
            push.more_body = True
            push.response_complete = False
            if self._is_old is None:
                # Asked once: nobody changes the version in the middle of a connection.
                self._is_old = parser.get_http_version() == "1.0"
            push.keep_alive = parser.should_keep_alive() and not self._is_old
        else:
            self._go_by_asgi()

    def _go_by_asgi(self) -> None:
        """Tell uvicorn's protocol what was kept from it."""
        url, headers = self.url, self.headers
        super().on_message_begin()
        super().on_url(url)
        for name, value in headers:
            super().on_header(name, value)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Gather a push's body."""
        push = self.cycle
        if push is not self._push:
            super().on_body(body)
        elif not push.response_complete:
            push.parts.append(body)
            push.size += len(body)
            if push.size > self._door.max_body_bytes:
                self._refuse(Reason.BODY_TOO_LARGE)

    def on_message_complete(self) -> None:
        """Hand a whole push to the door."""
        push = self.cycle
        if push is not self._push:
            super().on_message_complete()
        elif not push.response_complete:
            body = b"".join(push.parts)
            self._end_body()
            self._door.take(self.headers, body, self._reply, self._peer)

    # A push whose body is not there yet.

    def _wait_for_body(self) -> None:
        """See to a push of which only a part has come."""
        if self._too_slow is not None or self.transport.is_closing():
            return
        if self._door.is_too_large(self.headers):
            self._refuse(Reason.BODY_TOO_LARGE)
            return
        # Only here: who has sent all of it waits for no word.
        if any(
            name == b"expect" and text.lower() == b"100-continue" for name, text in self.headers
        ):
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        late = partial(self._refuse, Reason.BODY_INCOMPLETE)
        self._too_slow = self.loop.call_later(BODY_SECONDS, late)

    def _end_body(self) -> None:
        """Wait no longer for more of the push."""
        push = self._push
        push.parts, push.size, push.more_body = [], 0, False
        if self._too_slow is not None:
            self._too_slow.cancel()
            self._too_slow = None

    def _refuse(self, reason: Reason) -> None:
        """Answer a push whose body is not read to its end, and hang up."""
        self._end_body()
        self._reply(self._door.refuse(self.headers, PushRefused([Fault("", reason)])))

    # Answers.

    def _reply(self, answer: Answer) -> None:
        """Send one whole answer, unless the sender has hung up."""
        push, transport = self._push, self.transport
        if push.response_complete or transport.is_closing():
            return
        push.response_complete = True
        defaults = self.server_state.default_headers
        known, at, text, says_close = PushProtocol._known
        if answer is not known or at is not defaults:
            text, says_close = _text(answer, defaults), CLOSE in answer.headers
            PushProtocol._known = (answer, defaults, text, says_close)
        if push.keep_alive and not says_close:
            transport.write(text)
        else:
            head, end, body = text.partition(b"\r\n\r\n")
            told = b"" if says_close else b"\r\nconnection: close"
            transport.write(head + told + end + body)
            transport.close()
        self.on_response_complete()

    def on_response_complete(self) -> None:
        """Begin the next request that waits, or to be idle; uvicorn's cycle calls this too."""
        self.server_state.total_requests += 1
        self._idle_since = self.loop.time()
        if (self.pipeline or self.flow.read_paused) and not self.transport.is_closing():
            self.flow.resume_reading()
            if self.pipeline:
                self._idle_since = inf
                self._start_asgi_task(*self.pipeline.pop())

    # One timer, set anew when it is over: uvicorn's own, one an answer, costs more than the parser.

    def _watch(self, seconds: float) -> None:
        """Look in *seconds* whether nothing is asked for any more."""
        self._idle_timer = self.loop.call_later(seconds, self._close_if_idle)

    def _close_if_idle(self) -> None:
        """Close when nothing has been asked for as long as uvicorn was told."""
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._watch(min(left, self.timeout_keep_alive))
        else:
            self.transport.close()


def _text(answer: Answer, defaults: list[tuple[bytes, bytes]]) -> bytes:
    """Return *answer* as it is sent, with uvicorn's *defaults*."""
    length = (b"content-length", str(len(answer.body)).encode())
    lines = [b"%b: %b\r\n" % each for each in (*defaults, length, *answer.headers)]
    return b"".join([STATUS_LINE[answer.status], *lines, b"\r\n", answer.body])
