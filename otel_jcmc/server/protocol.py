"""
Handles one connection: hands pushes straight to their endpoint, everything else to ASGI.

When the head and body of a push have been read, the push endpoint gets it at once. The answer goes
out when the store has written it. This avoids the task, the event and the messages of an ASGI call,
which cost more than checking and storing the push. Everything out of the ordinary goes the ASGI way
to the same endpoint: another path, a query, a request before the previous one was answered, a
sender that does not read its answers. framing.py decides where a request ends; connections.py has
the limits of time and size. All limits of time use one timer; a push that is answered at once
starts no timer.

An application mounted in another server has that server's protocol and limits.
"""

from asyncio import AbstractEventLoop, BaseTransport, TimerHandle, get_running_loop
from collections.abc import Callable
from functools import partial
from math import inf
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle
from uvicorn.server import ServerState

from otel_jcmc.catalogue.reasons import Fault, PushRefused, Reason
from otel_jcmc.intake.heads import Lines
from otel_jcmc.server.connections import ADMIN_PLACES, Connections, Cut
from otel_jcmc.server.framing import BODY, HEAD, Framing, Header, Refused
from otel_jcmc.server.requests import Flow, Requests, in_one_piece
from otel_jcmc.store.deadline import Timer
from otel_jcmc.web.answers import CLOSE, Answer
from otel_jcmc.web.cors import SECURITY_HEADERS
from otel_jcmc.web.push import PUSH_PATH, PushEndpoint

_URL: Final = PUSH_PATH.encode()


class _NobodyWaits:
    """Replaces the event with which uvicorn wakes a waiting application; no application waits."""

    def set(self) -> None:
        """Do nothing."""


class _PendingPush:
    """The current push of a connection, in the place of a RequestResponseCycle."""

    __slots__ = (
        *("disconnected", "headers", "keep_alive", "more_body"),
        *("parts", "response_complete", "size"),
    )
    message_event = _NobodyWaits()

    def __init__(self) -> None:
        self.headers: list[Header] = []
        self.parts: list[bytes] = []
        self.size = 0
        self.more_body = False
        # As if a push had just been answered: the next may begin.
        self.response_complete = True
        self.disconnected = False
        self.keep_alive = True


class PushProtocol(Framing):
    """One connection; it ends when it exceeds a limit or is idle."""

    # The last answer, its bytes, which are nearly always those of the next answer too, and whether
    # it says "Connection: close".
    _known: tuple[Answer | None, Any, bytes, bool] = (None, None, b"", False)
    cycle: Any

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: AbstractEventLoop | None = None,
    ) -> None:
        """Begin a connection; uvicorn calls this."""
        super().__init__()
        self._requests = Requests(config, app_state, self.on_response_complete)
        self.app: Any = config.loaded_app
        self.loop = _loop or get_running_loop()
        self.server_state = server_state
        self.connections, self.tasks = server_state.connections, server_state.tasks
        self.patience = config.timeout_keep_alive
        self._door: PushEndpoint = self.app.push_endpoint
        self._places: Connections = self.app.connections
        self._limits = self._places.limits
        self.most_bytes = self._limits.head_bytes
        self._push_url: bytes | None = _URL
        self._push = self.cycle = _PendingPush()
        self._peer = ""
        self._idle_since = 0.0
        self._has_ended = False
        self._is_ending = False
        self._idle_timer: Timer | None = None
        self._late_timer: Timer | None = None
        self._answer_timer: TimerHandle | None = None
        # The ASGI answer that the client has not read yet, if any; since when it is unread.
        self._unread: Any = None
        self._unread_since = 0.0
        self._answering: Any = None
        # The last answer of the connection; it is sent after all waiting answers.
        self._last_word: Answer | None = None

    def connection_made(self, transport: BaseTransport) -> None:
        """Ask for a place, and watch for idleness; the loop calls this."""
        self.transport = transport
        self.connections.add(self)  # type: ignore[arg-type]
        self.flow = Flow(self)
        self._requests.connect(transport, self.flow)
        self._peer = self._requests.peer
        now = self._idle_since = self.loop.time()
        spare = 0
        if self.app.is_admin(self._requests.server):
            self._push_url, spare = None, ADMIN_PLACES
        if self._places.has_place(self, self.connections, now, spare):
            self._watch(self._limits.head_seconds or self.patience)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget what was being read; the loop calls this."""
        self.connections.discard(self)
        if isinstance(exc, TimeoutError):
            # The kernel still held an answer that the client had not read.
            self._places.cut[Cut.ANSWER_TOO_SLOW] += 1
        for timer in (self._idle_timer, self._late_timer, self._answer_timer):
            if timer is not None:
                timer.cancel()
        for cycle in (self.cycle, self._answering):
            if cycle is not None and not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()
        self.flow.resume_writing()
        self.end_reading()
        self.waiting.clear()
        # Drop all references to this connection, so that Python frees it without the collector.
        self.cycle, self._answering, self._unread = self._push, None, None
        del self.flow, self._requests

    def data_received(self, data: bytes) -> None:
        """Parse *data*, the bytes that have come; the loop calls this."""
        if self._take_whole(data):
            return
        self.read(data)
        if self.reading:
            self._wait()
        if self._rest and self.has_rest:
            self.flow.pause_reading()

    def eof_received(self) -> bool:
        """Answer the requests that came before the sender ended its side; the loop calls this."""
        self._has_ended = True
        if not self.has_rest:
            self._drop_unfinished()
        # In TLS nothing can be sent after the other side has ended.
        return self._is_owed() and not self._requests.is_tls

    def _is_owed(self) -> bool:
        """Whether the client still waits for an answer."""
        begun = self._push, self._answering
        is_begun = any(each is not None and not each.response_complete for each in begun)
        return is_begun or bool(self.waiting) or self.has_rest

    def _drop_unfinished(self) -> None:
        """Forget a request that can't become complete; a push gets an answer that says so."""
        cycle = self.cycle
        if not cycle.more_body:
            return
        if cycle is self._push:
            self._refuse(Reason.BODY_INCOMPLETE)
            return
        cycle.disconnected = cycle.response_complete = True
        cycle.message_event.set()
        if cycle in self.waiting:
            self.waiting.remove(cycle)

    # Reading.

    def _take_whole(self, data: bytes) -> bool:
        """Hand *data* to the endpoint if it is one whole push and no earlier request waits."""
        door = self._door
        if (
            not self.cycle.response_complete
            or self._push_url is None
            or (self.reading or self.is_over or self.is_ending)
            or (self.flow.write_paused or self.transport.is_closing())
            or (whole := self._places.pushes.read(data)) is None
            or len(whole[1]) > door.max_body_bytes
        ):
            return False
        self.has_asked = True
        self.cycle = push = self._push
        push.response_complete = False
        head, body = whole
        door.take(head, body, self._reply, self._peer)
        return True

    def take_head(self) -> None:
        """Hand the request to the push endpoint, or to ASGI."""
        if self._late_timer is not None:
            self._in_time()
        if len(self.headers) > self._limits.head_lines:
            raise self._too_many_headers()
        if (
            self.url == self._push_url
            and self.cycle.response_complete
            and self.parser.get_method() == b"POST"
            and not self.flow.write_paused
        ):
            self.cycle = push = self._push
            push.headers = self.headers
            push.more_body = True
            push.response_complete = False
            push.keep_alive = not self.closes
        else:
            self._go_by_asgi()

    def _too_many_headers(self) -> Refused:
        """Count a head with too many lines, and return the answer to its sender."""
        self._places.cut[Cut.HEAD_TOO_LARGE] += 1
        return Refused(431, "Too many headers.")

    def _go_by_asgi(self) -> None:
        """Have the application answer the request, after the requests that wait."""
        self.check_codings()
        is_free = self.cycle.response_complete
        self.cycle = self._requests.make(
            self.parser, self.url, self.headers, self.server_state.default_headers
        )
        self.cycle.keep_alive = not self.closes
        if is_free:
            self._begin(self.cycle)
        else:
            self.flow.pause_reading()
            self.waiting.appendleft(self.cycle)

    def _begin(self, cycle: RequestResponseCycle) -> None:
        """Begin to answer a request by ASGI."""
        self._answering = cycle
        is_old = cycle.scope["http_version"] == "1.0"
        app = in_one_piece(self.app) if is_old else self.app
        task = self.loop.create_task(cycle.run_asgi(app))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    def take_body(self, body: bytes) -> None:
        """Collect a push's body, or hand it to the application."""
        push = self.cycle
        if push.response_complete:
            return
        if push is not self._push:
            push.body += body
            if len(push.body) > HIGH_WATER_LIMIT:
                self.flow.pause_reading()
            push.message_event.set()
            return
        push.parts.append(body)
        push.size += len(body)
        if push.size > self._door.max_body_bytes:
            self._refuse(Reason.BODY_TOO_LARGE)

    def take_end(self) -> None:
        """Hand a complete push to the endpoint."""
        push = self.cycle
        if self._late_timer is not None:
            self._in_time()
        if push.response_complete:
            return
        if push is not self._push:
            push.more_body = False
            push.message_event.set()
            return
        body = b"".join(push.parts)
        self._end_body()
        self._door.take(Lines(push.headers), body, self._reply, self._peer)

    def refuse(self, refused: Refused) -> None:
        """Answer a request that is not valid HTTP, after the answers before it, and close."""
        kind = (b"content-type", b"text/plain; charset=utf-8")
        answer = Answer(refused.status, [kind, CLOSE, *SECURITY_HEADERS], str(refused).encode())
        if self.cycle is self._push and self._push.more_body:
            # The refused request is this push itself.
            self._end_body()
            self._push.response_complete = True
        if self._is_owed():
            self._last_word = answer
        else:
            self._end_with(answer)

    def _end_with(self, answer: Answer) -> None:
        """Send the last answer."""
        self.transport.write(text_of(answer, self.server_state.default_headers))
        self.transport.close()

    def cut_head(self) -> None:
        """End the connection of a head that is too large."""
        self._cut(Cut.HEAD_TOO_LARGE)

    # A request that is not complete yet.

    def _wait(self) -> None:
        """Limit the time of a request of which only a part has come."""
        if self.transport.is_closing():
            return
        if self.reading == HEAD:
            if len(self.headers) > self._limits.head_lines:
                self.is_over = True
                self.refuse(self._too_many_headers())
            else:
                self._expect_within(self._limits.head_seconds, self._end_head)
        elif self.cycle is not self._push:
            self._expect_within(self._limits.body_seconds, self._end_request)
        elif self._late_timer is None:
            self._wait_for_body()

    def _wait_for_body(self) -> None:
        """Wait for the rest of a push whose head has come."""
        if self._door.is_too_large(self._push.headers):
            self._refuse(Reason.BODY_TOO_LARGE)
            return
        # Checked only here: a sender that has sent the whole push does not wait for this answer.
        if any(
            name == b"expect" and text.lower() == b"100-continue"
            for name, text in self._push.headers
        ):
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        late = partial(self._refuse, Reason.BODY_INCOMPLETE)
        self._expect_within(self._limits.body_seconds, late)

    def _expect_within(self, seconds: float, late: Callable[[], None]) -> None:
        """Call *late* in *seconds* unless a timer already runs; with 0 never call it."""
        if self._late_timer is None:
            self._late_timer = Timer(self.loop, seconds or inf, late)

    def _in_time(self) -> None:
        """Stop the timer: the expected bytes have come."""
        if self._late_timer is not None:
            self._late_timer.cancel()
            self._late_timer = None

    def _end_head(self) -> None:
        """Close a connection whose head is late, unless we had stopped reading."""
        self._in_time()
        if self.flow.read_paused:
            self._expect_within(self._limits.head_seconds, self._end_head)
        else:
            self._cut(Cut.HEAD_TOO_SLOW)

    def _end_request(self, *, is_last_call: bool = False) -> None:
        """Close a connection whose body is late; if it waits for an answer, send that first."""
        self._in_time()
        if self.cycle.response_complete or is_last_call:
            self._cut(Cut.BODY_TOO_SLOW)
        else:
            self.cycle.keep_alive = False
            again = partial(self._end_request, is_last_call=True)
            self._expect_within(self._limits.body_seconds, again)

    def _cut(self, reason: Cut) -> None:
        """End the connection at once, and count the reason."""
        self._places.cut[reason] += 1
        self.transport.abort()

    def _end_body(self) -> None:
        """Stop waiting for the rest of the push, and drop the pieces of its body."""
        push = self._push
        push.parts, push.size, push.more_body = [], 0, False
        if self._late_timer is not None:
            self._in_time()

    def _refuse(self, reason: Reason) -> None:
        """Answer a push whose body is not read to its end, and close."""
        self._end_body()
        self._reply(self._door.refuse(self._push.headers, PushRefused([Fault("", reason)])))

    # Answers.

    def _reply(self, answer: Answer) -> None:
        """Send *answer* as a whole, unless the sender has disconnected."""
        push, transport = self._push, self.transport
        if push.response_complete or transport.is_closing():
            return
        push.response_complete = True
        defaults = self.server_state.default_headers
        known, at, text, says_close = PushProtocol._known
        if answer is not known or at is not defaults:
            text, says_close = text_of(answer, defaults), CLOSE in answer.headers
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
        """Begin the next waiting request, or become idle; uvicorn's cycle calls this too."""
        self.server_state.total_requests += 1
        self._idle_since = self.loop.time()
        if self.transport.is_closing():
            return
        if self.waiting:
            self._begin(self.waiting.pop())
        if self._rest:
            self.read_on()
        if not (self.waiting or (self._rest and self.has_rest)):
            if self.flow.read_paused:
                self.flow.resume_reading()
            if self._last_word or self._has_ended:
                self._end_unless_owed()

    def _end_unless_owed(self) -> None:
        """When nothing more is read and all answers are sent, end the connection."""
        if self._has_ended:
            self._drop_unfinished()
        if not self._is_owed():
            if self._last_word:
                self._end_with(self._last_word)
            else:
                self.transport.close()

    # An answer that the client does not read.

    def pause_writing(self) -> None:
        """Start the time limit of an answer that the client reads more slowly than we write."""
        self.flow.pause_writing()
        if self._unread is None or self._unread.response_complete:
            # All pushes share one cycle, which was complete before its answer was written.
            self._unread = None if self.cycle is self._push else self.cycle
            self._unread_since = self.loop.time()
        if self._answer_timer is None and (seconds := self._limits.answer_seconds):
            self._answer_timer = self.loop.call_later(seconds, self._look_at_answer)

    def resume_writing(self) -> None:
        """Go on writing answers; the loop calls this."""
        self.flow.resume_writing()

    def _look_at_answer(self) -> None:
        """Cut a connection whose client has not read its answer in time."""
        self._answer_timer = None
        is_unread = self._unread is not None and not self._unread.response_complete
        if not (is_unread or self.flow.write_paused):
            return
        left = self._unread_since + self._limits.answer_seconds - self.loop.time()
        if left > 0:
            self._answer_timer = self.loop.call_later(left, self._look_at_answer)
        else:
            self._cut(Cut.ANSWER_TOO_SLOW)

    # Idleness. One timer is restarted when it ends. uvicorn restarts its timer after each answer,
    # which costs more than the parser.

    def quiet_since(self) -> tuple[bool, float] | None:
        """
        Return whether it has sent a request, and since when it is idle; None while it is busy.

        Before its first request, and while a head is incomplete, the first value is false.
        """
        is_busy = not self.cycle.response_complete or self.reading == BODY
        if is_busy or self.transport.is_closing():
            return None
        return self.has_asked and self.reading != HEAD, self._idle_since

    def _watch(self, seconds: float) -> None:
        """Check in *seconds* whether the connection is idle."""
        self._idle_timer = Timer(self.loop, seconds, self._close_if_idle)

    def _close_if_idle(self) -> None:
        """Close the connection if it has been idle for the keep-alive time given to uvicorn."""
        patience = self.patience
        if self.transport.is_closing():
            # The client does not read its answers. Check twice: closing may have begun just now.
            if self._is_ending:
                self._cut(Cut.ANSWER_TOO_SLOW)
            else:
                self._is_ending = True
                self._watch(self._limits.answer_seconds or patience)
            return
        quiet = None if self.reading else self.quiet_since()
        if quiet is None:
            self._watch(patience)
            return
        has_asked, since = quiet
        if not has_asked:
            patience = self._limits.head_seconds or patience
        left = since + patience - self.loop.time()
        if left > 0:
            self._watch(min(left, patience))
        elif not has_asked:
            self._cut(Cut.HEAD_TOO_SLOW)
        elif self.transport.get_write_buffer_size():
            self._cut(Cut.ANSWER_TOO_SLOW)
        else:
            self.transport.close()


def text_of(answer: Answer, defaults: list[tuple[bytes, bytes]]) -> bytes:
    """Return *answer* as the bytes to send, with uvicorn's *defaults* among its headers."""
    length = (b"content-length", str(len(answer.body)).encode())
    lines = [b"%b: %b\r\n" % each for each in (*defaults, length, *answer.headers)]
    return b"".join([STATUS_LINE[answer.status], *lines, b"\r\n", answer.body])
