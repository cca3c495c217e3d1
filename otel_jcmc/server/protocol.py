"""
Handles one connection: hands pushes directly to the push endpoint, other requests to ASGI.

When the head and body of a push have been read, this module calls the push endpoint at once. It
sends the answer when Redis has stored the push. This avoids the task, the event and the messages of
an ASGI call, which take more time than checking and storing the push. All other requests go to the
application by ASGI: requests for another path or with a query, requests that come before the
previous request was answered, and requests of a client that does not read its answers. framing.py
decides where a request ends; connections.py has the limits of time and size. A push that is
complete in one read starts no timer.

If another program mounts our application, that program's server has its own protocol and limits.
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
    """Replaces the event with which uvicorn wakes an application; a push wakes no application."""

    def set(self) -> None:
        """Do nothing."""


class _PendingPush:
    """The current push of a connection; has the attributes of uvicorn's RequestResponseCycle."""

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
        # Begin as if a push had just been answered, so that the next push may begin.
        self.response_complete = True
        self.disconnected = False
        self.keep_alive = True


class PushProtocol(Framing):
    """One connection; it is closed when it exceeds a limit or is idle for too long."""

    # The last answer, uvicorn's default headers in it, its bytes, and whether it has the header
    # "Connection: close". The next answer is nearly always the same, and its bytes are used again.
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
        # The ASGI request whose answer the client has not read yet, or None; since when.
        self._unread: Any = None
        self._unread_since = 0.0
        self._answering: Any = None
        # The last answer of the connection, after a fault; it is sent after all earlier answers.
        self._last_word: Answer | None = None

    def connection_made(self, transport: BaseTransport) -> None:
        """Check the limit of connections, and start the timer for idleness; the loop calls this."""
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
        """Free all objects of the connection, and tell the application; the loop calls this."""
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
        """Handle *data*, the bytes of one read; the loop calls this."""
        if self._take_whole(data):
            return
        self.read(data)
        if self.reading:
            self._wait()
        if self._rest and self.has_rest:
            self.flow.pause_reading()

    def eof_received(self) -> bool:
        """Return whether to stay open and answer; called when the client has ended its side."""
        self._has_ended = True
        if not self.has_rest:
            self._drop_unfinished()
        # In TLS, asyncio can send no answer after the client has ended its side.
        return self._is_owed() and not self._requests.is_tls

    def _is_owed(self) -> bool:
        """Return whether the client still waits for an answer."""
        begun = self._push, self._answering
        is_begun = any(each is not None and not each.response_complete for each in begun)
        return is_begun or bool(self.waiting) or self.has_rest

    def _drop_unfinished(self) -> None:
        """Drop an incomplete request when no more bytes can come; answer it if it is a push."""
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
        """If *data* is one whole push and no request waits, call the endpoint and return True."""
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
        """Begin a push, or hand the request to the application by ASGI."""
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
        """Count a head with too many lines, and return the refusal for its sender."""
        self._places.cut[Cut.HEAD_TOO_LARGE] += 1
        return Refused(431, "Too many headers.")

    def _go_by_asgi(self) -> None:
        """Let the application answer the request by ASGI, after all earlier requests."""
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
        """Start a task in which the application answers the request of *cycle*."""
        self._answering = cycle
        is_old = cycle.scope["http_version"] == "1.0"
        app = in_one_piece(self.app) if is_old else self.app
        task = self.loop.create_task(cycle.run_asgi(app))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    def take_body(self, body: bytes) -> None:
        """Keep a piece of a push's body, or hand the piece of another body to the application."""
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
        """Hand a complete push to the push endpoint, or tell the application of the body's end."""
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
        """Answer *refused* after the answers to earlier requests, and close the connection."""
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
        """Send *answer*, and close the connection."""
        self.transport.write(text_of(answer, self.server_state.default_headers))
        self.transport.close()

    def cut_head(self) -> None:
        """End the connection, and count it as one with too large a head."""
        self._cut(Cut.HEAD_TOO_LARGE)

    # Time limits of a request that is not complete yet.

    def _wait(self) -> None:
        """Start the time limit of a request of which only a part has come."""
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
        """Start the time limit of a push whose head has come; refuse it if it will be too large."""
        if self._door.is_too_large(self._push.headers):
            self._refuse(Reason.BODY_TOO_LARGE)
            return
        # Checked only here: a client that has sent its whole push does not wait for "100 Continue".
        if any(
            name == b"expect" and text.lower() == b"100-continue"
            for name, text in self._push.headers
        ):
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        late = partial(self._refuse, Reason.BODY_INCOMPLETE)
        self._expect_within(self._limits.body_seconds, late)

    def _expect_within(self, seconds: float, late: Callable[[], None]) -> None:
        """Call *late* in *seconds* unless a timer already runs; if *seconds* is 0, call nothing."""
        if self._late_timer is None:
            self._late_timer = Timer(self.loop, seconds or inf, late)

    def _in_time(self) -> None:
        """Stop the timer: the expected bytes have come."""
        if self._late_timer is not None:
            self._late_timer.cancel()
            self._late_timer = None

    def _end_head(self) -> None:
        """Close a connection whose head is late; wait longer if the service had paused reading."""
        self._in_time()
        if self.flow.read_paused:
            self._expect_within(self._limits.head_seconds, self._end_head)
        else:
            self._cut(Cut.HEAD_TOO_SLOW)

    def _end_request(self, *, is_last_call: bool = False) -> None:
        """Close a connection whose body is late; if it has no answer yet, wait once more first."""
        self._in_time()
        if self.cycle.response_complete or is_last_call:
            self._cut(Cut.BODY_TOO_SLOW)
        else:
            self.cycle.keep_alive = False
            again = partial(self._end_request, is_last_call=True)
            self._expect_within(self._limits.body_seconds, again)

    def _cut(self, reason: Cut) -> None:
        """End the connection at once, and count it under *reason*."""
        self._places.cut[reason] += 1
        self.transport.abort()

    def _end_body(self) -> None:
        """Stop waiting for the rest of the push, and drop the pieces of its body."""
        push = self._push
        push.parts, push.size, push.more_body = [], 0, False
        if self._late_timer is not None:
            self._in_time()

    def _refuse(self, reason: Reason) -> None:
        """Refuse a push for *reason* before its body is complete."""
        self._end_body()
        self._reply(self._door.refuse(self._push.headers, PushRefused([Fault("", reason)])))

    # Answers.

    def _reply(self, answer: Answer) -> None:
        """Send *answer* to the push, unless it is answered or the client has disconnected."""
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
        """If no request waits for an answer, send `_last_word` if it is set, and close."""
        if self._has_ended:
            self._drop_unfinished()
        if not self._is_owed():
            if self._last_word:
                self._end_with(self._last_word)
            else:
                self.transport.close()

    # Time limit of an answer that the client does not read.

    def pause_writing(self) -> None:
        """Start the time limit of an unread answer; the loop calls this if too much is unread."""
        self.flow.pause_writing()
        if self._unread is None or self._unread.response_complete:
            # A push's cycle is complete before its answer is written: it can't show what is unread.
            self._unread = None if self.cycle is self._push else self.cycle
            self._unread_since = self.loop.time()
        if self._answer_timer is None and (seconds := self._limits.answer_seconds):
            self._answer_timer = self.loop.call_later(seconds, self._look_at_answer)

    def resume_writing(self) -> None:
        """Go on writing answers; the loop calls this."""
        self.flow.resume_writing()

    def _look_at_answer(self) -> None:
        """End the connection if the client has not read its answer in time, or check later."""
        self._answer_timer = None
        is_unread = self._unread is not None and not self._unread.response_complete
        if not (is_unread or self.flow.write_paused):
            return
        left = self._unread_since + self._limits.answer_seconds - self.loop.time()
        if left > 0:
            self._answer_timer = self.loop.call_later(left, self._look_at_answer)
        else:
            self._cut(Cut.ANSWER_TOO_SLOW)

    # Idleness. Each connection has one timer for this, which starts again when it ends. uvicorn
    # starts its timer again after each answer, which takes more time than parsing the request.

    def quiet_since(self) -> tuple[bool, float] | None:
        """
        Return whether the client has sent a request, and since when the connection is idle.

        The time is the loop's, in s. Before the client's first request, and while a head is
        incomplete, the first value is false. The result is None while the connection is busy.
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
            # The client may not read its answers. Check twice: closing may have begun just now.
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
    """Return the bytes of *answer* with its head; *defaults* are uvicorn's default headers."""
    length = (b"content-length", str(len(answer.body)).encode())
    lines = [b"%b: %b\r\n" % each for each in (*defaults, length, *answer.headers)]
    return b"".join([STATUS_LINE[answer.status], *lines, b"\r\n", answer.body])
