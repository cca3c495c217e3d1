"""
Takes every push: checks it, passes it on to be stored, and answers it.

The endpoint is an ASGI callable in front of FastAPI, because a call through FastAPI takes more time
than a whole push may take. answers.py makes the answers.

Source: docs/push.md describes the answers.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from otel_jcmc.catalogue.reasons import PushRefused, Reason, StoreUnavailable
from otel_jcmc.intake.heads import Head, Lines
from otel_jcmc.intake.intake import Intake, Sender
from otel_jcmc.intake.limits import TooFast
from otel_jcmc.metrics.own import ACCEPTED, Telemetry
from otel_jcmc.store.writes import Stored
from otel_jcmc.web.answers import JSON, Answer, Answers, encode, listing, send_answer
from otel_jcmc.web.bodies import Bodies, SenderGone
from otel_jcmc.web.cors import Cors
from otel_jcmc.wire.push import PushParser, Report

PUSH_PATH: Final = "/metrics/push"
# A constant, because looking up `Stored.STORED` takes longer than all else in making an answer.
_STORED: Final = Stored.STORED
_TEXT: Final = (b"content-type", b"text/plain; charset=utf-8")

Reply = Callable[[Answer], None]


class PushEndpoint:
    """
    The push endpoint: call `take` with a whole request, or use the endpoint as an ASGI callable.

    Attributes:
        max_body_bytes: the server stops reading a body that is larger than this.
        is_too_large: returns whether the head of a request announces a body that is too large.
        refuse, stop: methods of `Answers`; the server calls them for a push that it does not give
            to `take`.

    Concurrency: any number of pushes on one event loop; pushes that wait at the same time are sent
    to Redis in one batch.
    """

    def __init__(
        self, intake: Intake, telemetry: Telemetry, cors: Cors, parser: PushParser, bodies: Bodies
    ) -> None:
        """Take pushes that *parser* checks, and submit them to *intake*."""
        self._bodies = bodies
        self._answers = answers = Answers(telemetry, intake.limits, cors)
        self.max_body_bytes, self.is_too_large = bodies.max_bytes, bodies.is_too_large
        self.refuse, self.stop = answers.refuse, answers.stop
        self._intake = intake
        self._telemetry = telemetry
        self._cors = cors
        self._parse = parser.parse
        # All stored pushes get the same object: the server keeps the bytes of the last answer that
        # it sent, and sends them again if the answer is the same object.
        self._ok = answers.make((), 200, _TEXT, b"OK")
        self._ok_of = {
            origin: answers.make([(b"origin", origin)], 200, _TEXT, b"OK") for origin in cors.listed
        }

    def take(self, head: Head, body: bytes, reply: Reply, peer: str = "") -> None:
        """
        Check the push in *body* and submit it to be stored; call *reply* with the answer.

        *peer* is the IP address of the sender's end of the connection; empty if it has no address.
        """
        try:
            sender = self._intake.admit(head, peer)
            report = self._parse(body)
            self._intake.submit(sender, report, self._settle, reply)
        except PushRefused as refused:
            reply(self._answers.refuse(head, refused))
        except TooFast as refused:
            reply(self._answers.retry(head, refused.reason, refused.seconds))
        except StoreUnavailable as away:
            reply(self._answers.retry(head, away.reason))

    def _settle(
        self, sender: Sender, report: Report, reply: Reply, stored: Stored | Exception
    ) -> None:
        """Call *reply* with the answer to the push *report*; *stored* is the result of Redis."""
        head, dropped = sender.head, report.dropped
        answers = self._answers
        if report.is_test and stored is _STORED:
            # A test push of `otel-jcmc doctor` is not counted: it is no sign that browsers push.
            reply(answers.make(head, 200, _TEXT, b"OK"))
        elif stored is _STORED and not dropped:
            self._telemetry.count_push(ACCEPTED, "", head)
            reply(self._ok_of.get(head.origin(), self._ok) if self._ok_of else self._ok)
        elif answer := answers.not_taken(head, sender.crowd, stored):
            reply(answer)
        elif isinstance(stored, Stored):
            told = answers.count(dropped, stored, head)
            reply(answers.make(head, 200, JSON, encode(listing("dropped", told))))

    async def be_away(self, scope: Any, send: Any, seconds: float) -> None:
        """Answer 503 to a push while the service can't start; *seconds* is the time to wait."""
        away = self._answers.retry(scope["headers"], Reason.STORE_UNAVAILABLE, seconds)
        await send_answer(send, away)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request to the push path."""
        if scope["method"] == "POST":
            await self._push(scope, receive, send)
        elif scope["method"] == "OPTIONS":
            preflight = self._cors.preflight(scope["headers"], b"POST")
            await send_answer(send, Answer(204, preflight, b""))
        else:
            await send_answer(send, Answer(405, [(b"allow", b"POST, OPTIONS")], b""))

    async def _push(self, scope: Any, receive: Any, send: Any) -> None:
        """Read the body of a push, take the push, and send the answer."""
        headers = scope["headers"]
        try:
            body = await self._bodies.read(headers, receive)
        except SenderGone:
            return
        except PushRefused as refused:
            answer = self._answers.refuse(headers, refused)
        else:
            told: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

            def reply(answer: Answer) -> None:
                if not told.done():
                    told.set_result(answer)

            peer = scope.get("client")
            self.take(Lines(headers), body, reply, peer[0] if peer else "")
            answer = await told
        await send_answer(send, answer)
