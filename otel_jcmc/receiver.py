"""
The push endpoint: the one road that a push takes.

An ASGI callable that is asked before FastAPI, because the framework's own way costs more than the
whole budget of a push. The only module, with routes.py, that knows status codes. Wired by app.py.

Source: the answers are those of docs/push.md.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from otel_jcmc.access import Cors, Header
from otel_jcmc.enrich import browser_and_system
from otel_jcmc.faults import Fault, PushRefused, Reason, StoreUnavailable
from otel_jcmc.participants import to_write
from otel_jcmc.push import parse_push
from otel_jcmc.store import Store, Stored
from otel_jcmc.telemetry import ACCEPTED, FAILED, REFUSED, Telemetry

PUSH_PATH: Final = "/metrics/push"
BODY_SECONDS: Final = 10.0
RETRY_AFTER_SECONDS: Final = 5
# At most 2.3 kB, since checks.echo cuts what a sender named: an answer stays below 4 kB.
MAX_LISTED: Final = 20

_JSON: Final = (b"content-type", b"application/json")
_TEXT: Final = (b"content-type", b"text/plain; charset=utf-8")
_RETRY: Final = (b"retry-after", str(RETRY_AFTER_SECONDS).encode())
# The rest of the body is not waited for: no other request may follow it on this connection.
_CLOSE: Final = (b"connection", b"close")
_STATUS: Final = {Reason.BODY_TOO_LARGE: 413, Reason.BODY_INCOMPLETE: 400}
_NOT_STORED: Final = {
    Stored.SUPERSEDED: Fault("session.seq", Reason.SUPERSEDED),
    Stored.SESSION_ENDED: Fault("session.id", Reason.SESSION_ENDED),
}


class PushDoor:
    """
    The push endpoint as an ASGI callable: one push in, one answer out.

    Concurrency: any number of pushes of one event loop; those in flight together share a batch.
    """

    def __init__(
        self,
        store: Store,
        telemetry: Telemetry,
        cors: Cors,
        collect: frozenset[str],
        expiration_ms: int,
        max_body_bytes: int,
    ) -> None:
        """Take pushes for *store*; *collect* names the personal attributes that are kept."""
        self._store = store
        self._telemetry = telemetry
        self._cors = cors
        self._collect = collect
        self._expiration_ms = expiration_ms
        self._max_body_bytes = max_body_bytes or 2**63

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request to the push path."""
        if scope["method"] == "POST":
            await self._push(scope, receive, send)
        elif scope["method"] == "OPTIONS":
            await _answer(send, 204, b"", self._cors.preflight(scope["headers"], b"POST"))
        else:
            await _answer(send, 405, b"", [(b"allow", b"POST, OPTIONS")])

    async def _push(self, scope: Any, receive: Any, send: Any) -> None:
        """Read, check, enrich, store, answer."""
        headers = scope["headers"]
        cors = self._cors.headers or self._cors.answer(headers)
        try:
            body = await self._body(headers, receive)
            report = parse_push(body, self._collect)
            report.fields.update(browser_and_system(_user_agent(headers)))
            stored = await self._store.put(to_write(report, self._expiration_ms))
        except _Gone:
            return
        except PushRefused as refused:
            await self._refuse(send, refused, cors)
        except StoreUnavailable as unavailable:
            self._telemetry.count_push(FAILED, unavailable.reason)
            await self._retry(send, unavailable.reason, cors)
        else:
            await self._accept(send, stored, report.dropped, cors)

    async def _accept(
        self, send: Any, stored: Stored, dropped: list[Fault], cors: list[Header]
    ) -> None:
        """Answer a push that Redis has handled."""
        if stored is Stored.PARTICIPANT_LIMIT:
            self._telemetry.count_push(REFUSED, Reason.PARTICIPANT_LIMIT)
            self._telemetry.suppressed[Reason.PARTICIPANT_LIMIT] += 1
            await self._retry(send, Reason.PARTICIPANT_LIMIT, cors)
            return
        if dropped:
            self._telemetry.count_dropped(fault.reason for fault in dropped)
        if stored is Stored.STORED:
            self._telemetry.count_push(ACCEPTED)
        else:
            # The network turned two pushes round: no fault of the sender's, and told all the same.
            dropped = [_NOT_STORED[stored], *dropped]
            self._telemetry.count_push(ACCEPTED, dropped[0].reason)
        if dropped:
            await _answer(send, 200, _listing("dropped", dropped), [_JSON, *cors])
        else:
            await _answer(send, 200, b"OK", [_TEXT, *cors])

    async def _refuse(self, send: Any, refused: PushRefused, cors: list[Header]) -> None:
        """Answer a push that is the sender's to mend."""
        self._telemetry.count_push(REFUSED, refused.reason)
        status = _STATUS.get(refused.reason)
        headers = [_JSON, *cors] if status is None else [_JSON, _CLOSE, *cors]
        await _answer(send, status or 400, _listing("errors", refused.faults), headers)

    async def _retry(self, send: Any, reason: Reason, cors: list[Header]) -> None:
        """Answer a push that is not stored and may be sent again."""
        body = _listing("errors", [Fault("", reason)])
        await _answer(send, 503, body, [_JSON, _RETRY, *cors])

    async def _body(self, headers: Sequence[Header], receive: Any) -> bytes:
        """
        Return the body.

        Raises:
            PushRefused: too large, which its head tells before it is read, or too slow.
        """
        for name, value in headers:
            if name != b"content-length":
                continue
            # No digits: not every server refuses that before us.
            if not value.isdigit() or int(value) > self._max_body_bytes:
                raise PushRefused([Fault("", Reason.BODY_TOO_LARGE)])
        try:
            async with asyncio.timeout(BODY_SECONDS):
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
            if size > self._max_body_bytes:
                raise PushRefused([Fault("", Reason.BODY_TOO_LARGE)])
            parts.append(part)
            if not message.get("more_body"):
                return b"".join(parts)


class _Gone(Exception):
    """The sender hung up: there is nobody to answer."""


def _user_agent(headers: Sequence[Header]) -> str:
    """Return the User-Agent header, empty when there is none."""
    for name, value in headers:
        if name == b"user-agent":
            return value.decode("latin-1")
    return ""


def _listing(key: str, faults: Sequence[Fault]) -> bytes:
    """Return the JSON that lists *faults* under *key*, and how many more there are."""
    listed = [{"field": fault.field, "reason": fault.reason} for fault in faults[:MAX_LISTED]]
    return msgspec.json.encode({key: listed, "more": len(faults) - len(listed)})


async def _answer(send: Any, status: int, body: bytes, headers: list[Header]) -> None:
    """Send one whole answer."""
    length = (b"content-length", str(len(body)).encode())
    start = {"type": "http.response.start", "status": status, "headers": [length, *headers]}
    await send(start)
    await send({"type": "http.response.body", "body": body})


_FAULTS: Final = {
    "type": "array",
    "maxItems": MAX_LISTED,
    "items": {
        "type": "object",
        "properties": {
            "field": {"type": "string"},
            "reason": {"type": "string", "enum": [str(reason) for reason in Reason]},
        },
    },
}


def _described(text: str, key: str) -> dict[str, Any]:
    """Return the OpenAPI description of an answer that lists faults under *key*."""
    schema = {"type": "object", "properties": {key: _FAULTS, "more": {"type": "integer"}}}
    return {"description": text, "content": {"application/json": {"schema": schema}}}


# What FastAPI would have written, had it been asked.
OPENAPI: Final[dict[str, Any]] = {
    "post": {
        "summary": "Push one participant's state",
        "description": "Any Content-Type; the body is JSON.",
        "requestBody": {"required": True, "content": {"application/json": {"schema": {}}}},
        "responses": {
            "200": _described("stored; `OK` as text when nothing was dropped", "dropped"),
            "400": _described("identity or body wrong, or nothing was kept", "errors"),
            "413": _described("body too large", "errors"),
            "503": _described("not stored, to be sent again after Retry-After", "errors"),
        },
    }
}
