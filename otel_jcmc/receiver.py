"""
The push endpoint: the one road that a push takes.

An ASGI callable that is asked before FastAPI, because the framework's own way costs more than the
whole budget of a push. The only module, with routes.py, that knows status codes. Wired by app.py.

Source: the answers are those of docs/push.md.
"""

import asyncio
from collections.abc import Callable, Sequence
from math import ceil
from time import monotonic
from typing import Any, Final, NamedTuple

import msgspec

from otel_jcmc.access import Header
from otel_jcmc.cors import Cors
from otel_jcmc.faults import Fault, PushRefused, Reason, StoreUnavailable
from otel_jcmc.intake import Intake, Sender
from otel_jcmc.limits import LIMITS, TooFast
from otel_jcmc.push import PushParser, Report
from otel_jcmc.store import Stored
from otel_jcmc.telemetry import ACCEPTED, FAILED, REFUSED, Telemetry

PUSH_PATH: Final = "/metrics/push"
RETRY_AFTER_SECONDS: Final = 5
# At most 2.3 kB, since checks.echo cuts what a sender named: an answer stays below 4 kB.
MAX_LISTED: Final = 20

_JSON: Final = (b"content-type", b"application/json")
_TEXT: Final = (b"content-type", b"text/plain; charset=utf-8")
# The rest of the body is not waited for: no other request may follow it on this connection.
CLOSE: Final = (b"connection", b"close")
_BEARER: Final = (b"www-authenticate", b"Bearer")
# Of what is the sender's to mend; any other reason is 400.
_STATUS: Final = {
    Reason.BODY_TOO_LARGE: 413,
    Reason.TOKEN_MISSING: 401,
    Reason.TOKEN_INVALID: 401,
    Reason.TOKEN_EXPIRED: 401,
    Reason.ORIGIN_NOT_ALLOWED: 403,
    Reason.CONFERENCE_NOT_ALLOWED: 403,
    Reason.PARTICIPANT_TAKEN: 403,
}
# Of these the rest of the body is not read.
_CUT: Final = {Reason.BODY_TOO_LARGE, Reason.BODY_INCOMPLETE}
_NOT_STORED: Final = {
    Stored.SUPERSEDED: Fault("session.seq", Reason.SUPERSEDED),
    Stored.SESSION_ENDED: Fault("session.id", Reason.SESSION_ENDED),
}
_NEWCOMERS_REFUSED: Final = {
    Stored.PARTICIPANT_LIMIT: Reason.PARTICIPANT_LIMIT,
    Stored.CONFERENCE_LIMIT: Reason.CONFERENCE_LIMIT,
    Stored.NEWCOMER: Reason.NEWCOMER_RATE,
}
# Of a sender who goes too fast: any other reason to try again is 503, which is ours.
_TOO_FAST: Final = {Reason.ADDRESS_RATE, Reason.PARTICIPANT_RATE, Reason.NEWCOMER_RATE}


class Answer(NamedTuple):
    """What a sender is told; *headers* without the length of *body*."""

    status: int
    headers: list[Header]
    body: bytes


Reply = Callable[[Answer], None]


class PushDoor:
    """
    The push endpoint: `take` for who has read a whole request, else an ASGI callable.

    Attributes:
        max_body_bytes: a body that is larger is not to be read whole.
        body_seconds: how long a body may take where the server does not see to it; 0 for ever.

    Concurrency: any number of pushes of one event loop; those in flight together share a batch.
    """

    body_seconds: float = 10.0

    def __init__(
        self,
        intake: Intake,
        telemetry: Telemetry,
        cors: Cors,
        parser: PushParser,
        max_body_bytes: int,
    ) -> None:
        """Take pushes for *intake*."""
        self._intake = intake
        self._limits = intake.limits
        self._telemetry = telemetry
        self._cors = cors
        self._parse = parser.parse
        self.max_body_bytes = max_body_bytes or 2**63
        self._ok = Answer(200, [_TEXT, *cors.headers], b"OK")

    def take(self, headers: Sequence[Header], body: bytes, reply: Reply, peer: str = "") -> None:
        """
        Check, enrich and store the push in *body*; *reply* hears what came of it.

        *peer* is the address at the other end of the connection; empty: it has none.
        """
        try:
            sender = self._intake.admit(headers, peer)
            report = self._parse(body)
            self._intake.submit(sender, report, self._settle, reply)
        except PushRefused as refused:
            reply(self.refuse(headers, refused))
        except TooFast as refused:
            reply(self._retry(headers, refused.reason, refused.seconds))
        except StoreUnavailable as away:
            reply(self._retry(headers, away.reason))

    def _settle(
        self, sender: Sender, report: Report, reply: Reply, stored: Stored | Exception
    ) -> None:
        """Answer a push that Redis has handled, or has not."""
        headers, dropped = sender.headers, report.dropped
        if stored is Stored.STORED and not dropped:
            self._telemetry.count_push(ACCEPTED)
            # The same object each time, so that who sends it may keep its bytes.
            reply(self._ok if self._cors.headers else self._answer(headers, 200, _TEXT, b"OK"))
        elif isinstance(stored, Stored):
            reply(self._accept(headers, sender.address, dropped, stored))
        else:
            told = stored.reason if isinstance(stored, StoreUnavailable) else None
            reply(self._retry(headers, told or Reason.STORE_UNAVAILABLE))

    def _accept(
        self, headers: Sequence[Header], address: str, dropped: list[Fault], stored: Stored
    ) -> Answer:
        """Return the answer to a push that Redis has handled, with something to say."""
        if reason := _NEWCOMERS_REFUSED.get(stored):
            self._telemetry.suppressed[reason] += 1
            seconds = self._limits.seconds_to_join(address, monotonic())
            return self._retry(headers, reason, seconds)
        if stored is Stored.TAKEN:
            return self.refuse(headers, PushRefused([Fault("token", Reason.PARTICIPANT_TAKEN)]))
        if dropped:
            self._telemetry.count_dropped(fault.reason for fault in dropped)
        if stored is Stored.STORED:
            self._telemetry.count_push(ACCEPTED)
        else:
            # The network turned two pushes round: no fault of the sender's, and told all the same.
            dropped = [_NOT_STORED[stored], *dropped]
            self._telemetry.count_push(ACCEPTED, dropped[0].reason)
        return self._answer(headers, 200, _JSON, _listing("dropped", dropped))

    def refuse(self, headers: Sequence[Header], refused: PushRefused) -> Answer:
        """Count a push that is the sender's to mend, and return the answer to it."""
        self._telemetry.count_push(REFUSED, refused.reason)
        status = _STATUS.get(refused.reason, 400)
        more = [CLOSE] if refused.reason in _CUT else []
        if status == 401:
            more.append(_BEARER)
        return self._answer(headers, status, _JSON, _listing("errors", refused.faults), *more)

    def stop(self, headers: Sequence[Header]) -> Answer:
        """Return the answer to a push that has not come whole when the service stops."""
        answer = self._retry(headers, Reason.STOPPING)
        return answer._replace(headers=[*answer.headers, CLOSE])

    async def be_away(self, scope: Any, send: Any, seconds: float) -> None:
        """Answer a push that comes while the service does not start."""
        await _send(send, self._retry(scope["headers"], Reason.STORE_UNAVAILABLE, seconds))

    def _retry(self, headers: Sequence[Header], reason: Reason, seconds: float = 0.0) -> Answer:
        """Count a push that is not stored and may be sent again, and return the answer to it."""
        is_limit = reason in LIMITS
        self._telemetry.count_push(REFUSED if is_limit else FAILED, reason)
        if is_limit:
            self._limits.refusals.note(reason)
        again = (b"retry-after", str(ceil(seconds) or RETRY_AFTER_SECONDS).encode())
        status = 429 if reason in _TOO_FAST else 503
        return self._answer(headers, status, _JSON, _listing("errors", [Fault("", reason)]), again)

    def _answer(
        self, headers: Sequence[Header], status: int, kind: Header, body: bytes, *more: Header
    ) -> Answer:
        """Return an answer with what CORS adds for a request with *headers*."""
        return Answer(status, [kind, *more, *self._cors.answer(headers)], body)

    def is_too_large(self, headers: Sequence[Header]) -> bool:
        """Say whether a request's head tells that its body is too large."""
        for name, value in headers:
            # No digits: not every server refuses that before us.
            if name == b"content-length" and (
                not value.isdigit() or int(value) > self.max_body_bytes
            ):
                return True
        return False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request to the push path."""
        if scope["method"] == "POST":
            await self._push(scope, receive, send)
        elif scope["method"] == "OPTIONS":
            preflight = self._cors.preflight(scope["headers"], b"POST")
            await _send(send, Answer(204, preflight, b""))
        else:
            await _send(send, Answer(405, [(b"allow", b"POST, OPTIONS")], b""))

    async def _push(self, scope: Any, receive: Any, send: Any) -> None:
        """Read, take, answer."""
        headers = scope["headers"]
        try:
            body = await self._body(headers, receive)
        except _Gone:
            return
        except PushRefused as refused:
            answer = self.refuse(headers, refused)
        else:
            told: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

            def reply(answer: Answer) -> None:
                if not told.done():
                    told.set_result(answer)

            peer = scope.get("client")
            self.take(headers, body, reply, peer[0] if peer else "")
            answer = await told
        await _send(send, answer)

    async def _body(self, headers: Sequence[Header], receive: Any) -> bytes:
        """
        Return the body.

        Raises:
            PushRefused: too large, which its head tells before it is read, or too slow.
        """
        if self.is_too_large(headers):
            raise PushRefused([Fault("", Reason.BODY_TOO_LARGE)])
        try:
            async with asyncio.timeout(self.body_seconds or None):
                return await self._read(receive)
        except TimeoutError:
            raise PushRefused([Fault("", Reason.BODY_INCOMPLETE)]) from None

    async def _read(self, receive: Any) -> bytes:
        """Return the body, refusing it as soon as it is too large."""
        parts: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] != "http.request":
                raise _Gone
            part = message.get("body", b"")
            size += len(part)
            if size > self.max_body_bytes:
                raise PushRefused([Fault("", Reason.BODY_TOO_LARGE)])
            parts.append(part)
            if not message.get("more_body"):
                return b"".join(parts)


class _Gone(Exception):
    """The sender hung up: there is nobody to answer."""


def _listing(key: str, faults: Sequence[Fault]) -> bytes:
    """Return the JSON that lists *faults* under *key*, and how many more there are."""
    listed = [{"field": fault.field, "reason": fault.reason} for fault in faults[:MAX_LISTED]]
    return msgspec.json.encode({key: listed, "more": len(faults) - len(listed)})


async def _send(send: Any, answer: Answer) -> None:
    """Send one whole answer."""
    length = (b"content-length", str(len(answer.body)).encode())
    headers = [length, *answer.headers]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
