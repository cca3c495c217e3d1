"""
Makes the answers to pushes and counts the pushes, for every endpoint that takes pushes.

The result of a push comes in. An answer with a status, reasons and headers goes out.

Source: docs/push.md describes the answers.
"""

from collections.abc import Iterable, Sequence
from math import ceil
from time import monotonic
from typing import Any, Final, NamedTuple

import msgspec

from otel_jcmc.catalogue.reasons import Fault, PushRefused, Reason, StoreUnavailable
from otel_jcmc.intake.callers import Header
from otel_jcmc.intake.crowds import Crowd
from otel_jcmc.intake.heads import Head
from otel_jcmc.intake.limits import LIMITS, Limits
from otel_jcmc.metrics.own import ACCEPTED, FAILED, REFUSED, Telemetry
from otel_jcmc.store.writes import Stored
from otel_jcmc.web.cors import Cors

RETRY_AFTER_SECONDS: Final = 5
# An answer lists at most this many faults. They take at most 2.3 kB, because checks.echo shortens
# the names that a sender has used. The whole answer stays below 4 kB.
MAX_LISTED: Final = 20

JSON: Final = (b"content-type", b"application/json")
# The service does not read the rest of the body, so no other request may follow on the connection.
CLOSE: Final = (b"connection", b"close")
_BEARER: Final = (b"www-authenticate", b"Bearer")
_IDENTITY: Final = (b"accept-encoding", b"identity")
# Reason -> status of the answer. A reason that is not listed gets 400 if the sender must correct
# the push, and 503 if the sender may send the same push again.
STATUS: Final = {
    Reason.BODY_TOO_LARGE: 413,
    Reason.CONTENT_ENCODING: 415,
    Reason.TOKEN_MISSING: 401,
    Reason.TOKEN_INVALID: 401,
    Reason.TOKEN_AMBIGUOUS: 401,
    Reason.TOKEN_EXPIRED: 401,
    Reason.ORIGIN_NOT_ALLOWED: 403,
    Reason.CONFERENCE_NOT_ALLOWED: 403,
    Reason.PARTICIPANT_TAKEN: 403,
    Reason.ADDRESS_RATE: 429,
    Reason.PARTICIPANT_RATE: 429,
    Reason.NEWCOMER_RATE: 429,
    Reason.ADDRESS_LIMIT: 429,
    Reason.PARTICIPANT_LIMIT: 503,
    Reason.CONFERENCE_LIMIT: 503,
    Reason.STORE_UNAVAILABLE: 503,
    Reason.STORE_FULL: 503,
    Reason.STORE_BUSY: 503,
    Reason.STOPPING: 503,
}
# If a push is refused for one of these reasons, the service does not read the rest of its body.
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


class Answer(NamedTuple):
    """The answer to a push; *headers* do not include the length of *body*."""

    status: int
    headers: list[Header]
    body: bytes


class Answers:
    """Makes the answers of one endpoint for pushes, and counts its pushes by their results."""

    def __init__(self, telemetry: Telemetry, limits: Limits, cors: Cors) -> None:
        """
        Count pushes in *telemetry*.

        *limits* tell how long a sender must wait. *cors* makes the CORS headers of answers.
        """
        self._telemetry = telemetry
        self._limits = limits
        self._cors = cors

    def make(
        self, headers: Iterable[Header], status: int, kind: Header, body: bytes, *more: Header
    ) -> Answer:
        """
        Return an answer to a request with *headers*, with the CORS headers for this request.

        *kind* is the header with the type of *body*; *more* are further headers of the answer.
        """
        return Answer(status, [kind, *more, *self._cors.answer(headers)], body)

    def refuse(self, headers: Iterable[Header], refused: PushRefused) -> Answer:
        """Count a push that its sender must correct, and return the answer with its faults."""
        if refused.reason is Reason.NOT_JSON and _is_compressed(headers):
            refused = PushRefused([Fault("", Reason.CONTENT_ENCODING)])
        self._telemetry.count_push(REFUSED, refused.reason)
        status = STATUS.get(refused.reason, 400)
        more = [CLOSE] if refused.reason in _CUT else []
        if status == 401:
            more.append(_BEARER)
        elif status == 415:
            more.append(_IDENTITY)
        return self.make(headers, status, JSON, encode(listing("errors", refused.faults)), *more)

    def retry(self, headers: Iterable[Header], reason: Reason, seconds: float = 0.0) -> Answer:
        """
        Count a push that was not stored but may be sent again, and return the answer.

        *seconds* is the time that the sender should wait; 0: RETRY_AFTER_SECONDS.
        """
        is_limit = reason in LIMITS
        self._telemetry.count_push(REFUSED if is_limit else FAILED, reason)
        if is_limit:
            self._limits.refusals.add(reason)
        again = (b"retry-after", str(ceil(seconds) or RETRY_AFTER_SECONDS).encode())
        told = encode(listing("errors", [Fault("", reason)]))
        return self.make(headers, STATUS.get(reason, 503), JSON, told, again)

    def stop(self, headers: Iterable[Header]) -> Answer:
        """Count a push whose body is incomplete when the service stops, and return the answer."""
        answer = self.retry(headers, Reason.STOPPING)
        return answer._replace(headers=[*answer.headers, CLOSE])

    def not_taken(
        self, headers: Iterable[Header], crowd: Crowd, stored: Stored | Exception
    ) -> Answer | None:
        """
        Return the answer if a push of *crowd* failed or was refused; None otherwise.

        *stored* is the result of Redis, or the error that came instead. A *crowd* has the
        participants whose pushes come from one IP address.
        """
        if isinstance(stored, Exception):
            told = stored.reason if isinstance(stored, StoreUnavailable) else None
            return self.retry(headers, told or Reason.STORE_UNAVAILABLE)
        if reason := _NEWCOMERS_REFUSED.get(stored):
            now = monotonic()
            seconds = self._limits.seconds_to_join(crowd, now)
            if stored is Stored.NEWCOMER and not seconds:
                # The push is not too fast: too many participants of this address are live.
                reason = Reason.ADDRESS_LIMIT
            self._telemetry.suppressed[reason] += 1
            return self.retry(headers, reason, seconds)
        if stored is Stored.TAKEN:
            return self.refuse(headers, PushRefused([Fault("token", Reason.PARTICIPANT_TAKEN)]))
        return None

    def count(self, dropped: list[Fault], stored: Stored, head: Head | None = None) -> list[Fault]:
        """
        Count a push that Redis stored or ignored, and its dropped fields; return all its faults.

        The result has the faults *dropped*, and one more if Redis has ignored the push. *stored* is
        the result of Redis. *head* is the head of the push's request, which has the page's origin.
        """
        if dropped:
            self._telemetry.count_dropped(fault.reason for fault in dropped)
        if stored is Stored.STORED:
            self._telemetry.count_push(ACCEPTED, "", head)
            return dropped
        # Redis has ignored the push, for example because a later push came first. The sender made
        # no mistake, but the answer tells it why the push is not stored.
        told = _NOT_STORED[stored]
        self._telemetry.count_push(ACCEPTED, told.reason, head)
        return [told, *dropped]


def _is_compressed(headers: Iterable[Header]) -> bool:
    """Return whether *headers* announce a compressed body."""
    return any(
        name == b"content-encoding" and value.strip().lower() not in (b"", b"identity")
        for name, value in headers
    )


encode: Final = msgspec.json.Encoder().encode


def listing(key: str, faults: Sequence[Fault], most: int = MAX_LISTED) -> dict[str, Any]:
    """Return at most *most* of *faults* under *key*, and the number of the others as `more`."""
    listed = [{"field": fault.field, "reason": fault.reason} for fault in faults[:most]]
    return {key: listed, "more": len(faults) - len(listed)}


async def send_answer(send: Any, answer: Answer) -> None:
    """Send *answer* with its length in one piece, by the ASGI function *send*."""
    length = (b"content-length", str(len(answer.body)).encode())
    headers = [length, *answer.headers]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
