"""
What becomes of a checked push, whichever door it came in by: one road.

Who may push, the limits, the browser's names, privacy, and then Redis. The doors (web/push.py,
jmmc/push.py) read requests and write answers; what is between is here. The recorder of sessions
hears of each push that Redis has taken, and says which session may begin.
"""

from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Any

import msgspec

from otel_jcmc.catalogue.attributes import (
    JMMC,
    NETWORK,
    ORIGINAL,
    OURS,
    PEER_TO_PEER,
    SENDER,
    TEST,
)
from otel_jcmc.catalogue.metrics import JUDGED_IDS, LIST_ID
from otel_jcmc.catalogue.reasons import Reason
from otel_jcmc.intake.bridges import Bridges
from otel_jcmc.intake.browsers import browser_and_system
from otel_jcmc.intake.crowds import Crowd
from otel_jcmc.intake.heads import Head
from otel_jcmc.intake.joins import Joins
from otel_jcmc.intake.limits import Limits, TooFast
from otel_jcmc.intake.networks import Networks
from otel_jcmc.intake.noticing import Noticing
from otel_jcmc.intake.privacy import Privacy
from otel_jcmc.intake.relays import Relays
from otel_jcmc.sessions.recorder import Recorder
from otel_jcmc.store.live import Store
from otel_jcmc.store.participant import Write, to_write
from otel_jcmc.store.writes import Stored
from otel_jcmc.verdict.judge import Judge
from otel_jcmc.wire.push import TEST_CLIENT, Report

# By their class they take longer to find than all else that is done with an answer.
_STORED, _SUPERSEDED, _JOINED = Stored.STORED, Stored.SUPERSEDED, Stored.JOINED

# Who a push comes from, by what its head and its body say: empty when nobody has to say so.
# Raises PushRefused when it may not be pushed.
Authorise = Callable[[Head, Report], str]
# How a door hears what Redis did, STORED for JOINED, or why it is not known. What it has itself
# given with the push is handed back: one call for each push is what this saves.
Settle = Callable[["Sender", Report, Any, Stored | Exception], None]


class Sender(msgspec.Struct, gc=False):
    """
    Who sends a request.

    Attributes:
        head: of the request.
        crowd: what is known of its address.
        may_join: whether this address may bring somebody new.
        at: when it came, by the monotonic clock.
    """

    head: Head
    crowd: Crowd
    may_join: bool
    at: float


class Intake:
    """
    The road of a checked push to Redis.

    Concurrency: to be used from one event loop.
    """

    def __init__(
        self,
        store: Store,
        limits: Limits,
        expiration_ms: int,
        privacy: Privacy | None = None,
        authorise: Authorise | None = None,
        recorder: Recorder | None = None,
        joins: Joins | None = None,
        bridges: Bridges | None = None,
        networks: Networks | None = None,
        relays: Relays | None = None,
        judge: Judge | None = None,
        count: Callable[[Report], None] | None = None,
        noticing: Noticing | None = None,
    ) -> None:
        """
        Take pushes for *store*, and count in *joins* who has joined and who could not.

        Without *privacy* what was parsed is stored as it is, without *bridges* the bridge too, and
        without *networks* or *relays* nothing of the network or of a relay;
        without *recorder* nothing is kept of sessions, without *judge* nothing is said of the call.
        *count* hears of each push that Redis has taken, and so does *noticing* of what happens.
        """
        self.limits = limits
        self._joins = joins or Joins()
        self._bridges = bridges
        self._networks = networks
        self._relays = relays
        self._judge = judge
        self._count = count
        self._noticing = noticing
        self._store = store
        self._expiration_ms = expiration_ms
        self._privacy = privacy
        self._authorise = authorise
        self._recorder = recorder

    def admit(self, head: Head, peer: str) -> Sender:
        """
        Return who sends a request with *head* from *peer*, the other end of the connection.

        Raises:
            TooFast: this address has sent too much of late.
        """
        now, limits = monotonic(), self.limits
        crowd = limits.find(peer, head.forwarded(), now)
        return Sender(head, crowd, limits.admit(crowd, now), now)

    def submit(self, sender: Sender, report: Report, settle: Settle, reply: Any) -> None:
        """
        Store *report*; *settle* hears what came of it, *reply* is given back to it.

        Raises:
            PushRefused: *sender* may not push this.
            TooFast: the participant has pushed too much of late, or begun a session.
            StoreUnavailable: it can't be known now whether he may.
        """
        owner = self.screen(sender, report)
        self._note_verdict(report)
        write = self._to_write(sender, report, owner)
        self.limits.take_participant(write.member, sender.at)
        write = self._bounded(sender, write)
        self._store.submit(write, partial(self._settle, sender, write, report, settle, reply))

    # The three steps of it, for who has something to do in between.

    def screen(self, sender: Sender, report: Report) -> str:
        """
        Make of *report* what may be stored, and return whose it is.

        Raises:
            PushRefused: *sender* may not push this.
            StoreUnavailable: it can't be known now whether he may.
        """
        owner = self._authorise(sender.head, report) if self._authorise else ""
        # Before privacy makes another id of it.
        report.is_test = report.client_id == TEST_CLIENT
        report.attributes.update(browser_and_system(sender.head.user_agent()))
        if self._bridges is not None:
            self._bridges.apply(report)
        if self._relays is not None:
            self._relays.apply(report)
        report.attributes[SENDER.id] = _sender_of(report)
        if self._networks is not None:
            crowd = sender.crowd
            crowd.network = crowd.network or self._networks.name(crowd.address)
            if crowd.network:
                report.attributes[NETWORK.id] = crowd.network
        if self._privacy is not None:
            self._privacy.apply(report)
            owner = self._privacy.stand_in(owner)
        if report.is_test:
            # What privacy says of senders is meant of people.
            report.attributes[SENDER.id] = TEST
        return owner

    def pace(self, sender: Sender, report: Report) -> None:
        """
        Count a push for the participant of *report*, which has been screened.

        Raises:
            TooFast: the participant has pushed too much of late.
        """
        write = to_write(report, self._expiration_ms)
        self.limits.take_participant(write.member, sender.at)
        self._bounded(sender, write)

    def store(self, sender: Sender, report: Report, owner: str, settle: Settle, reply: Any) -> None:
        """
        Store *report* of *owner*, which has been screened; *settle*, *reply* as in `submit`.

        Raises:
            TooFast: the participant has begun another session since.
        """
        self._note_verdict(report)
        write = self._bounded(sender, self._to_write(sender, report, owner))
        self._store.submit(write, partial(self._settle, sender, write, report, settle, reply))

    def _to_write(self, sender: Sender, report: Report, owner: str) -> Write:
        """Return what Redis is to hold for *report* of *owner*."""
        write = to_write(report, self._expiration_ms, owner, may_join=sender.may_join)
        return msgspec.structs.replace(write, is_kept=False) if report.is_test else write

    def _note_verdict(self, report: Report) -> None:
        """Put among the numbers of *report*, as they are stored, what is said of the call."""
        if self._judge is None or report.session.end:
            return
        is_direct = _is_direct(report.attributes.get(LIST_ID))
        numbers = report.numbers if report.fresh is None else report.fresh
        session = report.session
        self._judge.note(
            numbers, session.interval_ms, is_direct=is_direct, age_ms=session.stats_age_ms
        )
        if numbers is not report.numbers:
            for id_ in JUDGED_IDS:
                report.numbers[id_ - 1] = numbers[id_ - 1]

    def _bounded(self, sender: Sender, write: Write) -> Write:
        """
        Return *write* as its sender may have it.

        It is for nobody new where the address has no seat left in the conference, and a session
        that it begins is not kept where the address has filled its share of history.

        Raises:
            TooFast: it begins another session, and the participant did so a moment ago.
        """
        limits, recorder = self.limits, self._recorder
        if write.join_ms >= 0:
            limits.take_failure(write.member, sender.at)
        if not limits.has_seat(sender.crowd, write.member, sender.at):
            write = msgspec.structs.replace(write, ttl_ms=-abs(write.ttl_ms))
        if recorder is None or recorder.goes_on(write) or (write.end and write.join_ms < 0):
            return write
        if limits.paces_participants and (seconds := recorder.seconds_to_begin(write.member)):
            raise TooFast(Reason.PARTICIPANT_RATE, seconds)
        if not recorder.has_room(sender.crowd.address):
            write = msgspec.structs.replace(write, is_kept=False)
        return write

    def _settle(
        self,
        sender: Sender,
        write: Write,
        report: Report,
        settle: Settle,
        reply: Any,
        stored: Stored | Exception,
    ) -> None:
        """Take note of what Redis did with a push, and pass it on."""
        is_new = stored is _JOINED
        if is_new:
            stored = _STORED
            self.limits.count_newcomer(sender.crowd, write.member)
            if not report.is_test:
                self._count_join(sender, write, report)
        if stored is _STORED:
            until = 0.0 if write.end else sender.at + abs(write.ttl_ms) / 1000
            self.limits.count_live(sender.crowd, write.member, until)
            if self._count is not None and not report.is_test:
                self._count(report)
        # What was merged is no less true for being overtaken by what it was merged into.
        is_taken = stored is _STORED or (stored is _SUPERSEDED and report.sent is not None)
        is_told = is_taken and not report.is_test
        if self._recorder is not None and is_told:
            self._recorder.take(write, report, sender.crowd.address, is_new=is_new)
        if self._noticing is not None and is_told:
            self._noticing.take(write, report, is_new and write.join_ms >= 0)
        settle(sender, report, reply, stored)

    def _count_join(self, sender: Sender, write: Write, report: Report) -> None:
        """Count somebody new: one who has joined, or who tried and could not."""
        if not write.end:
            # Only of pages that would tell of a failure too: their share can be told.
            if write.session and report.sent is None:
                self._joins.count_joined(report)
            return
        self._joins.count_failed(report)
        if self._recorder is not None and write.is_kept:
            self._recorder.take_failure(write, report, sender.crowd.address)


def _is_direct(paths: list[dict[int, str]] | None) -> bool:
    """Say whether all *paths* go to a peer, and there are some."""
    if not paths:
        return False
    for path in paths:  # noqa: SIM110  # a generator costs more than the loop
        if path.get(PEER_TO_PEER.id) != "true":
            return False
    return True


def _sender_of(report: Report) -> str:
    """Return which kind of page has made *report*."""
    if report.sent is not None:
        return JMMC
    return OURS if report.session.id else ORIGINAL
