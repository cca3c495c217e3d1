"""
Brings a checked push to Redis, in the same way for all push endpoints.

The steps are: check permission and limits, add the names of browser and system, apply the privacy
policy, send to Redis. The endpoints (web/push.py, jmmc/push.py) read requests and write answers;
this module does everything in between. The recorder of sessions (sessions/recorder.py) decides
whether a push may begin a session, and later gets each push that Redis has stored.
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

# Looking up a member of the class Stored takes longer than all other work for an answer, so these
# names keep the members that each push needs.
_STORED, _SUPERSEDED, _JOINED = Stored.STORED, Stored.SUPERSEDED, Stored.JOINED

# Returns the user of a push from its head and body; empty if no user is required. Raises
# PushRefused if the push is not allowed.
Authorise = Callable[[Head, Report], str]
# Tells an endpoint what Redis did with its push, or the exception if that is not known. For JOINED
# the endpoint gets STORED. It also gets back the object `reply` that it gave to `submit`, which
# saves one function call for each push.
Settle = Callable[["Sender", Report, Any, Stored | Exception], None]


class Sender(msgspec.Struct, gc=False):
    """
    The sender of a request.

    Attributes:
        head: the header lines of the request.
        crowd: what `Limits` knows about the sender's address (crowds.py).
        may_join: whether a new participant from this address may join now.
        at: time of the request, in s of the monotonic clock.
    """

    head: Head
    crowd: Crowd
    may_join: bool
    at: float


class Intake:
    """
    Brings checked pushes to Redis.

    Concurrency: use it from one event loop.
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
        Send pushes to *store*, and count joins and failed joins in *joins*.

        Without *privacy*, attributes are stored as the page sent them. Without *bridges*, the
        bridge is stored as the page sent it. Without *networks* or *relays*, no network or TURN
        server is stored. Without *recorder*, no session is kept. Without *judge*, a push gets no
        verdict. *count* and *noticing* get each push that Redis has stored; *noticing* finds events
        in it.
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
        Return the sender of a request with *head*; *peer* is the connection's remote address.

        Raises:
            TooFast: this address has sent too many pushes recently.
        """
        now, limits = monotonic(), self.limits
        crowd = limits.find(peer, head.forwarded(), now)
        return Sender(head, crowd, limits.admit(crowd, now), now)

    def submit(self, sender: Sender, report: Report, settle: Settle, reply: Any) -> None:
        """
        Store *report*; after Redis has answered or failed, give *settle* the outcome and *reply*.

        Raises:
            PushRefused: *sender* has no permission for this push.
            TooFast: the participant has recently pushed too often, or begun another session.
            StoreUnavailable: the secret that checks permission is not known yet.
        """
        owner = self.screen(sender, report)
        self._note_verdict(report)
        write = self._to_write(sender, report, owner)
        self.limits.take_participant(write.member, sender.at)
        write = self._bounded(sender, write)
        self._store.submit(write, partial(self._settle, sender, write, report, settle, reply))

    # The three steps of `submit`, for callers that do other work between the steps.

    def screen(self, sender: Sender, report: Report) -> str:
        """
        Check permission, change *report* to the form to store, and return its owner.

        The owner is the user in the token of the push, hashed if the policy hashes any attribute;
        it is empty if no user is required.

        Raises:
            PushRefused: *sender* has no permission for this push.
            StoreUnavailable: the secret that checks permission is not known yet.
        """
        owner = self._authorise(sender.head, report) if self._authorise else ""
        # Compare the client id now, because the privacy policy may change it below.
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
            # The attribute "sender" of a test push names no person: privacy does not apply to it.
            report.attributes[SENDER.id] = TEST
        return owner

    def pace(self, sender: Sender, report: Report) -> None:
        """
        Count a push against its participant's limits; first call `screen` with *report*.

        Raises:
            TooFast: the participant has recently pushed too often, or begun another session.
        """
        write = to_write(report, self._expiration_ms)
        self.limits.take_participant(write.member, sender.at)
        self._bounded(sender, write)

    def store(self, sender: Sender, report: Report, owner: str, settle: Settle, reply: Any) -> None:
        """
        Store *report* after `screen`, which returned *owner*; other arguments are as in `submit`.

        Raises:
            TooFast: the participant has just begun another session.
        """
        self._note_verdict(report)
        write = self._bounded(sender, self._to_write(sender, report, owner))
        self._store.submit(write, partial(self._settle, sender, write, report, settle, reply))

    def _to_write(self, sender: Sender, report: Report, owner: str) -> Write:
        """Return *report* of *owner* as a write; a test push does not go into history."""
        write = to_write(report, self._expiration_ms, owner, may_join=sender.may_join)
        return msgspec.structs.replace(write, is_kept=False) if report.is_test else write

    def _note_verdict(self, report: Report) -> None:
        """Write the verdict (MOS, state, cause) into the stored numbers of *report*."""
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
        Return *write*, restricted by the limits of its sender.

        If the address has no free seat in the conference (crowds.py), Redis will refuse the write
        of a new participant. If history may keep no more sessions from this address, a new session
        of this write does not go into history.

        Raises:
            TooFast: the participant began another session, or failed to join, a moment ago.
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
        """Count the outcome of a push, give a stored push to the recorder, and call *settle*."""
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
        # A push that has only some of the numbers counts as stored, although Redis already has a
        # later push of its participant: the recorder still needs its numbers.
        is_taken = stored is _STORED or (stored is _SUPERSEDED and report.sent is not None)
        is_told = is_taken and not report.is_test
        if self._recorder is not None and is_told:
            self._recorder.take(write, report, sender.crowd.address, is_new=is_new)
        if self._noticing is not None and is_told:
            self._noticing.take(write, report, is_new and write.join_ms >= 0)
        settle(sender, report, reply, stored)

    def _count_join(self, sender: Sender, write: Write, report: Report) -> None:
        """Count the new participant of *report* as a join, or as a failed join."""
        if not write.end:
            # Only our client reports failed joins. Joins of other clients are not counted, because
            # they would make the ratio of failed joins to all joins too low.
            if write.session and report.sent is None:
                self._joins.count_joined(report)
            return
        self._joins.count_failed(report)
        if self._recorder is not None and write.is_kept:
            self._recorder.take_failure(write, report, sender.crowd.address)


def _is_direct(paths: list[dict[int, str]] | None) -> bool:
    """Say whether *paths* lists transports and all of them go to another participant directly."""
    if not paths:
        return False
    for path in paths:  # noqa: SIM110  # a generator costs more than the loop
        if path.get(PEER_TO_PEER.id) != "true":
            return False
    return True


def _sender_of(report: Report) -> str:
    """Return the kind of client that sent *report*: JMMC, OURS or ORIGINAL."""
    if report.sent is not None:
        return JMMC
    return OURS if report.session.id else ORIGINAL
