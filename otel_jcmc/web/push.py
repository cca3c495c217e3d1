"""
Takes every push: checks it, has it stored, and answers it.

The endpoint is an ASGI callable in front of FastAPI: a call through FastAPI costs more than a push
may cost altogether. answers.py makes the answers.

Source: the answers are those of docs/push.md.
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
# A constant, because `Stored.STORED` takes longer to look up than the rest of an answer takes.
_STORED: Final = Stored.STORED
_TEXT: Final = (b"content-type", b"text/plain; charset=utf-8")

Reply = Callable[[Answer], None]


class PushEndpoint:
    """
    The push endpoint: call `take` with a whole request, or use it as an ASGI callable.

    Attributes:
        max_body_bytes: the server must not read a larger body to its end.
        is_too_large: says whether a head tells that its body is too large.
        refuse, stop: make the answer to a push that is refused before it is taken; see Answers.

    Concurrency: any number of pushes of one event loop; those in flight together share a batch.
    """

    def __init__(
        self, intake: Intake, telemetry: Telemetry, cors: Cors, parser: PushParser, bodies: Bodies
    ) -> None:
        """Take pushes for *intake*."""
        self._bodies = bodies
        self._answers = answers = Answers(telemetry, intake.limits, cors)
        self.max_body_bytes, self.is_too_large = bodies.max_bytes, bodies.is_too_large
        self.refuse, self.stop = answers.refuse, answers.stop
        self._intake = intake
        self._telemetry = telemetry
        self._cors = cors
        self._parse = parser.parse
        # The same object each time: the server keeps the bytes of the last answer that it sent.
        self._ok = answers.make((), 200, _TEXT, b"OK")
        self._ok_of = {
            origin: answers.make([(b"origin", origin)], 200, _TEXT, b"OK") for origin in cors.listed
        }

    def take(self, head: Head, body: bytes, reply: Reply, peer: str = "") -> None:
        """
        Check, enrich and store the push in *body*; *reply* gets the answer.

        *peer* is the address at the other end of the connection; empty: the other end has none.
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
        """Answer a push that Redis has handled, or could not handle."""
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
        """Answer a push that comes while the service can't start; *seconds*: when to try again."""
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
