"""
uvicorn's HTTP protocol with a short way for pushes, and a bound on the head of a request.

A push whose head and body have been read is handed to the push door at once and answered when the
store has it, without the task, the event and the messages of an ASGI call, which cost more than
checking and storing it. Whatever is out of the ordinary (another path, a query, a request before
the last one was answered, `Expect`, a sender that does not read) goes the ASGI way, to the same
door. httptools gathers a head of any size before it hands it on, so one connection could fill the
memory: MAX_HEAD_BYTES.

Passed to uvicorn by the command line; an application in somebody's server has that server's
protocol and bounds.
"""

from asyncio import TimerHandle
from functools import partial
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
    """A push that is being read or stored, in the place of uvicorn's RequestResponseCycle."""

    __slots__ = ("disconnected", "keep_alive", "more_body", "parts", "response_complete", "size")
    message_event = _NobodyWaits()

    def __init__(self, *, keep_alive: bool) -> None:
        self.parts: list[bytes] = []
        self.size = 0
        self.more_body = True
        self.response_complete = False
        self.disconnected = False
        self.keep_alive = keep_alive


class PushProtocol(HttpToolsProtocol):
    """One connection; it is closed when a head grows beyond MAX_HEAD_BYTES."""

    _head_bytes = 0
    _is_in_head = True
    _too_slow: TimerHandle | None = None
    # The last answer as bytes, which is nearly always the next one's too.
    _known: tuple[Answer | None, Any, bytes] = (None, None, b"")
    cycle: Any

    def on_message_begin(self) -> None:
        """Begin to count; the parser calls this."""
        self._head_bytes, self._is_in_head = 0, True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Cease to count, and choose the way; the parser calls this."""
        self._is_in_head = False
        parser = self.parser
        busy = self.cycle is not None and not self.cycle.response_complete
        if (
            self.url != _URL
            or busy
            or parser.get_method() != b"POST"
            or self.expect_100_continue
            or self.flow.write_paused
            or parser.should_upgrade()
        ):
            super().on_headers_complete()
            return
        is_old = parser.get_http_version() == "1.0"
        self.cycle = _Push(keep_alive=parser.should_keep_alive() and not is_old)
        if self._door.is_too_large(self.headers):
            self._refuse(self.cycle, Reason.BODY_TOO_LARGE)

    @property
    def _door(self) -> PushDoor:
        door: PushDoor = self.app.push_door
        return door

    def on_body(self, body: bytes) -> None:
        """Gather a push's body; the parser calls this."""
        push = self.cycle
        if type(push) is not _Push:
            super().on_body(body)
        elif not push.response_complete:
            push.parts.append(body)
            push.size += len(body)
            if push.size > self._door.max_body_bytes:
                self._refuse(push, Reason.BODY_TOO_LARGE)

    def on_message_complete(self) -> None:
        """Hand a whole push to the door; the parser calls this."""
        push = self.cycle
        if type(push) is not _Push:
            super().on_message_complete()
        elif not push.response_complete:
            push.more_body = False
            if self._too_slow is not None:
                self._too_slow.cancel()
                self._too_slow = None
            self._door.take(self.headers, b"".join(push.parts), partial(self._reply, push))

    def data_received(self, data: bytes) -> None:
        """Parse what came, and hang up on a head without end; the loop calls this."""
        super().data_received(data)
        push = self.cycle
        if type(push) is _Push and push.more_body and self._too_slow is None:
            late = partial(self._refuse, push, Reason.BODY_INCOMPLETE)
            self._too_slow = self.loop.call_later(BODY_SECONDS, late)
        if self._is_in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget what was being read; the loop calls this."""
        if self._too_slow is not None:
            self._too_slow.cancel()
        super().connection_lost(exc)

    def _refuse(self, push: _Push, reason: Reason) -> None:
        """Answer a push whose body is not read to its end, and hang up."""
        if push.response_complete or push.disconnected:
            return
        refused = PushRefused([Fault("", reason)])
        self._reply(push, self._door.refuse(self.headers, refused))

    def _reply(self, push: _Push, answer: Answer) -> None:
        """Send one whole answer, unless the sender has hung up."""
        if push.response_complete or push.disconnected or self.transport.is_closing():
            return
        push.response_complete = True
        defaults = self.server_state.default_headers
        known, at, text = PushProtocol._known
        if answer is not known or at is not defaults:
            length = (b"content-length", str(len(answer.body)).encode())
            lines = [b"%b: %b\r\n" % each for each in (*defaults, length, *answer.headers)]
            text = b"".join([STATUS_LINE[answer.status], *lines])
            PushProtocol._known = (answer, defaults, text)
        says_close = CLOSE in answer.headers
        end = b"\r\n" if push.keep_alive or says_close else b"connection: close\r\n\r\n"
        self.transport.write(text + end + answer.body)
        if says_close or not push.keep_alive:
            self.transport.close()
        self.on_response_complete()
