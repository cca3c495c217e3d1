"""
Answers pushes of pages of the Jitsi Meet Metrics Collector.

The endpoint is an ASGI callable and gets each request before FastAPI does. A push opens a session,
or changes values of a session. The endpoint adds the session's other values to the push, and then
hands it on like a push of any other page. Therefore participants, series and history are the same.

Source: docs/jmmc.md describes the answers.
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

# JMMC pages push every 30 s. A participant stays live for three times this interval.
INTERVAL_MS: Final = 30_000
# How many bytes the body of an answer may have. The headers may contain a cookie of 0.8 kB. With
# this limit, headers and body together stay below 4 kB.
MAX_BODY_BYTES: Final = 2800
_ID_BYTES: Final = 12
_OF_PATH: Final = {row.id for row in ATTRIBUTES if row.scope is Scope.PATH}
# The answer has this text if the User-Agent does not name the browser or the system.
_UNKNOWN: Final = "unknown"


class JmmcEndpoint:
    """
    The push endpoint of JMMC pages; an ASGI callable.

    Attributes:
        parser: checks the pushes.

    Concurrency: many pushes at a time, all in one event loop.
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
        """Hand pushes to *intake*; if a proxy is *trusted*, its header gives a caller's address."""
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
        """While the service can't start, answer that the page may push again after *seconds*."""
        away = self._answers.retry(scope["headers"], Reason.STORE_UNAVAILABLE, seconds)
        await send_answer(send, away)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request to the push path."""
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
        Check the push in *body*, add its session's other values, store it, and return the answer.

        Raises:
            PushRefused: the push is wrong or not allowed.
            TooFast: the sender pushes too often.
            StoreUnavailable: it is not known whether Redis has the push.
        """
        sender = self._intake.admit(Lines(headers), peer)
        push = self.parser.parse(body)
        await self._start()
        named, more = self._name(headers, push), []
        if push.is_opening:
            # The endpoint makes the cookie before it stores anything. If the secret is not known,
            # making the cookie fails, and without a cookie the page could not continue its session.
            more = [self._cookies.issue(named, push.client_id, push.conference, headers)]
        address = caller_address(peer, headers, self._trusted) if self._keeps_address else ""
        if address:
            # The caller's address, as the service sees it, replaces the address in the push.
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
            # The same participant has opened another session in the meantime. The values that only
            # this page sends are not in that session. Therefore this page must open a new session.
            raise PushRefused([Fault("cookie", Reason.SESSION_UNKNOWN)])
        if push.is_opening:
            # The endpoint opens the session only after all limits were checked. Otherwise clients
            # that a limit refuses could fill Redis with sessions.
            await self._states.open(report.session.id, changes)
            self._fill_in(push.accepted, sender, address)
        elif stored is Stored.SUPERSEDED:
            # A later push of this session was stored first. Its state contains the values of this
            # push, so this push counts as stored.
            stored = Stored.STORED
        dropped = self._answers.count(push.dropped, stored)
        return self._answers.make(headers, 200, JSON, _accepted(push, dropped), *more)

    async def _start(self) -> None:
        """Fetch the secret for cookies at the first JMMC push; only JMMC pages need this secret."""
        if self._starting is None:
            self._starting = asyncio.create_task(self._secret.start())
        await asyncio.shield(self._starting)

    def _name(self, headers: Sequence[Header], push: JmmcPush) -> Named:
        """
        Return the session of *push*: a new session, or the one that the cookie names.

        Raises:
            PushRefused: *push* opens no session, and no cookie of its participant came with it.
            StoreUnavailable: the cookies' secret is not known yet.
        """
        if push.is_opening:
            return Named(secrets.token_hex(_ID_BYTES), push.participant_id)
        return self._cookies.read(headers, push.client_id, push.conference, push.participant_id)

    async def _merge(self, report: Report, changes: Changes) -> None:
        """
        Store *changes* in the session, and put all values of the session into *report*.

        Raises:
            PushRefused: Redis has no such session.
            StoreUnavailable: it is not known whether Redis has the changes.
        """
        state = await self._states.merge(report.session.id, changes)
        if state is None:
            raise PushRefused([Fault("cookie", Reason.SESSION_UNKNOWN)])
        report.session.seq = state.seq
        report.numbers = [None] * LAST_METRIC_ID
        _add(state.known, report)
        # A value is fresh if this push or the push before has it. Older values may be out of date.
        report.fresh = [
            value if id_ in changes or state.is_fresh(id_) else None
            for id_, value in enumerate(report.numbers, 1)
        ]

    async def _store(self, sender: Sender, report: Report, owner: str) -> Stored | Exception:
        """Store *report*; return what Redis did with it, or the error if that is not known."""
        told: asyncio.Future[Stored | Exception] = asyncio.get_running_loop().create_future()
        self._intake.store(sender, report, owner, _settle, told)
        return await told

    def _fill_in(self, accepted: dict[str, Any], sender: Sender, address: str) -> None:
        """Put browser, system and address, as the server knows them, into *accepted*."""
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
    """Give the task that waits on *told* what Redis did with its push, or the error."""
    if not told.done():
        told.set_result(stored)


def _report(push: JmmcPush, named: Named) -> Report:
    """Return a report with only the values in *push*, for the session and participant *named*."""
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
    # History gets only the numbers of this push, and not the session's numbers of earlier pushes.
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
        # This wire format has one transport, and no round trip of it.
        report.attributes[LIST_ID] = [path]
        report.numbers[LIST_ID - 1] = [None]


def _changes(push: JmmcPush, report: Report) -> Changes:
    """Return the values of *push* without texts that `Intake.screen` removed from *report*."""
    (path,) = report.attributes.get(LIST_ID, [{}])
    texts = {**report.attributes, **path}
    return {**push.numbers, **{id_: texts[id_] for id_ in push.texts if id_ in texts}}


def _accepted(push: JmmcPush, dropped: list[Fault]) -> bytes:
    """Return the answer's body: the accepted and the dropped fields, up to MAX_BODY_BYTES."""
    body: dict[str, Any] = {"uid": push.client_id, "conf": push.conference, "m": push.accepted}
    told = body | listing("dropped", dropped) if dropped else body
    answer = encode(told)
    if len(answer) > MAX_BODY_BYTES:
        # Some texts are long. The answer then leaves out the accepted fields, because the sender
        # knows them.
        least = {"uid": push.client_id, "m": {"ts": push.accepted["ts"]}}
        answer = encode(least | listing("dropped", dropped) if dropped else least)
    return answer
