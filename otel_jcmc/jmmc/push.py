"""
The endpoint that pages of the Jitsi Meet Metrics Collector push to.

The endpoint is an ASGI callable and gets its requests without FastAPI. A push opens a session, or
changes the stored state of a session. The service then handles the session's complete state like a
push of any other page. So participants, series and history are the same as for other pages.

Source: the answers are those of docs/jmmc.md.
"""

import asyncio
import secrets
from collections.abc import Sequence
from ipaddress import IPv4Address, ip_address
from typing import Any, Final

from otel_jcmc.catalogue.attributes import (
    ATTRIBUTES,
    BROWSER_NAME,
    BROWSER_VERSION,
    CLIENT,
    CLIENT_ADDRESS,
    CONFERENCE,
    OS_NAME,
    OS_VERSION,
    PARTICIPANT,
)
from otel_jcmc.catalogue.metrics import LAST_METRIC_ID, LIST_ID
from otel_jcmc.catalogue.reasons import Fault, PushRefused, Reason, StoreUnavailable
from otel_jcmc.catalogue.rows import Scope
from otel_jcmc.intake.browsers import browser_and_system
from otel_jcmc.intake.callers import Header, Network, caller_address
from otel_jcmc.intake.heads import Lines
from otel_jcmc.intake.intake import Intake, Sender
from otel_jcmc.intake.limits import TooFast
from otel_jcmc.jmmc.cookie import Cookies, Named
from otel_jcmc.jmmc.states import Changes, States
from otel_jcmc.jmmc.wire import JmmcParser, JmmcPush
from otel_jcmc.metrics.own import Telemetry
from otel_jcmc.store.shared_secret import SharedSecret
from otel_jcmc.store.writes import Stored
from otel_jcmc.web.answers import JSON, Answer, Answers, encode, listing, send_answer
from otel_jcmc.web.bodies import Bodies, SenderGone
from otel_jcmc.web.cors import Cors
from otel_jcmc.wire.push import Report
from otel_jcmc.wire.rules import Rules
from otel_jcmc.wire.session import Session

# JMMC pages push every 30 s. A participant stays live for three times this interval after a push.
INTERVAL_MS: Final = 30_000
# The most bytes of an answer's body. Together with its headers, of which the cookie may have
# 0.8 kB, an answer stays below 4 kB.
MAX_BODY_BYTES: Final = 2800
_ID_BYTES: Final = 12
_OF_PATH: Final = {row.id for row in ATTRIBUTES if row.scope is Scope.PATH}
# The name in the answer if the User-Agent does not contain the browser's or the system's name.
_UNKNOWN: Final = "unknown"


class JmmcEndpoint:
    """
    The push endpoint of JMMC pages; an ASGI callable.

    Attributes:
        parser: checks the bodies of the pushes.

    Concurrency: it handles any number of pushes at a time, in one event loop.
    """

    def __init__(
        self,
        intake: Intake,
        telemetry: Telemetry,
        cors: Cors,
        parser: JmmcParser,
        rules: Rules,
        bodies: Bodies,
        secret: SharedSecret,
        states: States,
        trusted: Sequence[Network] = (),
    ) -> None:
        """Prepare. Pushes go to *intake*. Only *trusted* proxies may tell a browser's address."""
        self._intake = intake
        self._answers = Answers(telemetry, intake.limits, cors)
        self._cors = cors
        self.parser = parser
        self._keeps_address = CLIENT_ADDRESS.id not in rules.dropped
        self._bodies = bodies
        self._secret = secret
        self._starting: asyncio.Task[None] | None = None
        self._cookies = Cookies(secret)
        self._states = states
        self._trusted = trusted

    async def close(self) -> None:
        """Close the connections to Redis."""
        await self._secret.close()
        await self._states.close()

    async def be_away(self, scope: Any, send: Any, seconds: float) -> None:
        """Answer a push while the service can't start: ask for the push again in *seconds*."""
        away = self._answers.retry(scope["headers"], Reason.STORE_UNAVAILABLE, seconds)
        await send_answer(send, away)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one HTTP request to the push path: OPTIONS, POST, or 405 for other methods."""
        headers = scope["headers"]
        if scope["method"] == "OPTIONS":
            answer = Answer(204, self._cors.preflight(headers, b"POST"), b"")
        elif scope["method"] != "POST":
            answer = Answer(405, [(b"allow", b"POST, OPTIONS")], b"")
        else:
            peer = scope.get("client")
            try:
                body = await self._bodies.read(headers, receive)
                answer = await self._push(headers, peer[0] if peer else "", body)
            except SenderGone:
                return
            except PushRefused as refused:
                answer = self._answers.refuse(headers, refused)
            except TooFast as refused:
                answer = self._answers.retry(headers, refused.reason, refused.seconds)
            except StoreUnavailable as away:
                answer = self._answers.retry(headers, away.reason)
        await send_answer(send, answer)

    async def _push(self, headers: Sequence[Header], peer: str, body: bytes) -> Answer:
        """
        Check, merge and store the push in *body*; return the answer.

        Raises:
            PushRefused: the push is not allowed or has a fault.
            TooFast: too many pushes come from this participant, client or address.
            StoreUnavailable: it is not known whether Redis has the push.
        """
        sender = self._intake.admit(Lines(headers), peer)
        push = self.parser.parse(body)
        await self._start()
        named, more = self._name(headers, push), []
        if push.is_opening:
            # The cookie is made before the push is stored. Without the secret no cookie can be
            # made, and without a cookie the page could not continue its session.
            more = [self._cookies.issue(named, push.client_id, push.conference, headers)]
        address = caller_address(peer, headers, self._trusted) if self._keeps_address else ""
        if address:
            # The address that the page itself has pushed is used only if the service knows none.
            push.texts[CLIENT_ADDRESS.id] = address
        report = _report(push, named)
        owner = self._intake.screen(sender, report)
        self._intake.pace(sender, report)
        changes = _changes(push, report)
        if not push.is_opening:
            await self._merge(report, changes)
        stored = await self._store(sender, report, owner)
        if answer := self._answers.not_taken(headers, sender.crowd, stored):
            return answer
        assert isinstance(stored, Stored)
        if stored is Stored.SESSION_ENDED:
            # The same participant has opened another session meanwhile. That session lacks the
            # values that only this page has pushed, so this page must open a new session.
            raise PushRefused([Fault("cookie", Reason.SESSION_UNKNOWN)])
        if push.is_opening:
            # The session is opened only now, after the checks of the limits. So a client that a
            # limit refuses can't fill Redis with sessions.
            await self._states.open(report.session.id, changes)
            self._fill_in(push.accepted, sender, address)
        elif stored is Stored.SUPERSEDED:
            # A later push was stored before this push. Its state contains this push's changes.
            stored = Stored.STORED
        dropped = self._answers.count(push.dropped, stored)
        return self._answers.make(headers, 200, JSON, _accepted(push, dropped), *more)

    async def _start(self) -> None:
        """Fetch the cookies' secret at the first JMMC push: without such pages it is not needed."""
        if self._starting is None:
            self._starting = asyncio.create_task(self._secret.start())
        await asyncio.shield(self._starting)

    def _name(self, headers: Sequence[Header], push: JmmcPush) -> Named:
        """
        Return the session and the participant that *push* belongs to.

        Raises:
            PushRefused: the push opens no session, and has no cookie of its participant.
            StoreUnavailable: the cookies' secret is not known yet.
        """
        if push.is_opening:
            return Named(secrets.token_hex(_ID_BYTES), push.participant_id)
        return self._cookies.read(headers, push.client_id, push.conference, push.participant_id)

    async def _merge(self, report: Report, changes: Changes) -> None:
        """
        Store *changes* in the session's state, and fill *report* with the complete state.

        Raises:
            PushRefused: Redis has no state of this session.
            StoreUnavailable: it is not known whether Redis has the changes.
        """
        state = await self._states.merge(report.session.id, changes)
        if state is None:
            raise PushRefused([Fault("cookie", Reason.SESSION_UNKNOWN)])
        report.session.seq = state.seq
        report.numbers = [None] * LAST_METRIC_ID
        _add(state.known, report)
        # A value is fresh if this push or the push before it had the value. Older values may be out
        # of date.
        report.fresh = [
            value if id_ in changes or state.is_fresh(id_) else None
            for id_, value in enumerate(report.numbers, 1)
        ]

    async def _store(self, sender: Sender, report: Report, owner: str) -> Stored | Exception:
        """Store *report*; return the outcome in Redis, or the error if the outcome is not known."""
        told: asyncio.Future[Stored | Exception] = asyncio.get_running_loop().create_future()
        self._intake.store(sender, report, owner, _settle, told)
        return await told

    def _fill_in(self, accepted: dict[str, Any], sender: Sender, address: str) -> None:
        """Put browser, system and address, as the server knows them, into the *accepted* fields."""
        told = browser_and_system(sender.head.user_agent())
        version = told.get(BROWSER_VERSION.id, "").partition(".")[0]
        names = (
            ("br", (told.get(BROWSER_NAME.id, ""), version)),
            ("os", (told.get(OS_NAME.id, ""), told.get(OS_VERSION.id, ""))),
        )
        for key, parts in names:
            accepted[key] = " ".join(filter(None, parts)) or _UNKNOWN
        if address and isinstance(parsed := ip_address(address), IPv4Address):
            accepted["t"] = accepted.get("t", {}) | {"rip": int(parsed)}


def _settle(
    _sender: Sender,
    _report: Report,
    told: asyncio.Future[Stored | Exception],
    stored: Stored | Exception,
) -> None:
    """Give the outcome of a push (*stored*) to the task that waits on *told*."""
    if not told.done():
        told.set_result(stored)


def _report(push: JmmcPush, named: Named) -> Report:
    """Return a report of the session *named* with only the values in *push*."""
    report = Report(
        push.conference,
        push.client_id,
        named.participant_id,
        Session(named.session_id, 1, INTERVAL_MS),
        {
            CONFERENCE.id: push.conference,
            CLIENT.id: push.client_id,
            PARTICIPANT.id: named.participant_id,
        },
        [None] * LAST_METRIC_ID,
        token=push.token,
    )
    _add(push.numbers | push.texts, report)
    # History gets only the numbers of this push, not the numbers of earlier pushes.
    report.sent = report.fresh = report.numbers
    return report


def _add(known: Changes, report: Report) -> None:
    """Put the values of *known* (catalogue id -> value) into *report*."""
    path = {}
    for id_, value in known.items():
        if id_ <= LAST_METRIC_ID:
            report.numbers[id_ - 1] = value
        elif id_ in _OF_PATH:
            path[id_] = value
        else:
            report.attributes[id_] = value
    if path:
        # A JMMC push has one transport, and no round trip of this transport.
        report.attributes[LIST_ID] = [path]
        report.numbers[LIST_ID - 1] = [None]


def _changes(push: JmmcPush, report: Report) -> Changes:
    """Return the changes in *push*, without the texts that the screening of *report* removed."""
    (path,) = report.attributes.get(LIST_ID, [{}])
    texts = {**report.attributes, **path}
    return {**push.numbers, **{id_: texts[id_] for id_ in push.texts if id_ in texts}}


def _accepted(push: JmmcPush, dropped: list[Fault]) -> bytes:
    """Return the answer's body: the accepted and the dropped fields, up to MAX_BODY_BYTES."""
    body: dict[str, Any] = {"uid": push.client_id, "conf": push.conference, "m": push.accepted}
    told = body | listing("dropped", dropped) if dropped else body
    answer = encode(told)
    if len(answer) > MAX_BODY_BYTES:
        # Some texts are long. The sender knows its own values, so they are left out first.
        least = {"uid": push.client_id, "m": {"ts": push.accepted["ts"]}}
        answer = encode(least | listing("dropped", dropped) if dropped else least)
    return answer
