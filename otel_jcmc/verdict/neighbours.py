"""
Compares a participant with the others of its conference, to find the cause of its bad call.

The input is all participants of a conference, and their recent reports. The output, for a
participant that loses packets of a stream, is the sender of that stream and the cause of the loss.
settling.py asks for the causes of many participants of a large conference. Lists that are the same
for all of them are therefore made only once, when participants are added.
"""

from typing import Final

from otel_jcmc.verdict import rules
from otel_jcmc.verdict.everybody import Seen

_RECEIVED: Final = rules.RECEIVED.id
_DOWNLINK: Final = rules.DOWNLINK.id


class Told:
    """
    The recent reports of the participants in one conference.

    A participant spoils its streams if they are already bad when they leave its own network.

    Attributes:
        spoils: participant -> the time (ms) of its last report on this, and whether the participant
            spoilt its streams.
        silent: participant -> the time (ms) of its report that it sends nothing. A page whose
            connection is interrupted sends no such report.
    """

    __slots__ = ("silent", "spoils")

    def __init__(self) -> None:
        """Begin without reports."""
        self.spoils: dict[str, tuple[int, bool]] = {}
        self.silent: dict[str, int] = {}

    def forget_before(self, oldest_ms: int) -> None:
        """Forget reports from before *oldest_ms*."""
        if self.spoils:
            self.spoils = {who: told for who, told in self.spoils.items() if told[0] >= oldest_ms}
        if self.silent:
            self.silent = {who: at_ms for who, at_ms in self.silent.items() if at_ms >= oldest_ms}


class Neighbours:
    """
    All participants of one conference, for questions about those whose call is not good.

    Attributes:
        people: Jitsi's id of a participant -> the participant.
        known: number of participants with a known state.
    """

    __slots__ = (
        *("_direct", "_downlink", "_received", "_sending", "_told", "_unwell"),
        *("known", "people"),
    )

    def __init__(self, told: Told) -> None:
        """Begin without participants; *told* has their recent reports."""
        self.people: dict[str, Seen] = {}
        self.known = 0
        self._told = told
        # `_sending`: the participants that may send. The other lists contain only participants with
        # a known state. `_unwell`: the call is not good, or the participant spoils its streams.
        # `_direct`: connected to a peer. `_received`, `_downlink`: the call has that cause.
        self._sending: list[str] | None = None
        self._unwell: list[str] = []
        self._direct: list[str] = []
        self._received: list[str] = []
        self._downlink: list[str] = []

    def add(self, seen: Seen) -> None:
        """Add the participant *seen*; add all participants before calling the other methods."""
        participant, state, cause = seen.participant, seen.state, seen.cause
        before = self.people.get(participant)
        # Two clients may push with one participant id: only the first with a known state counts.
        if before is not None and (state is None or before.state is not None):
            return
        self.people[participant] = seen
        if state is None:
            return
        self.known += 1
        if state or self.spoils(seen):
            self._unwell.append(participant)
        if cause == _RECEIVED:
            self._received.append(participant)
        elif cause == _DOWNLINK:
            self._downlink.append(participant)
        if seen.place.is_direct:
            self._direct.append(participant)

    @property
    def present(self) -> int:
        """The number of participants: those added here, or the most that one page sees, if more."""
        return max(len(self.people), *(each.present for each in self.people.values()))

    def spoils(self, seen: Seen) -> bool | None:
        """Say whether *seen* spoils its streams (see `Told`); None: no recent report."""
        told = self._told.spoils.get(seen.participant)
        return told[1] if told else None

    def owner_for(self, seen: Seen) -> Seen | None:
        """
        Return the sender of the stream that *seen* loses packets of; None: not known.

        This is the sender that the page names, or the only other participant that sends.
        """
        if seen.source:
            return self.people.get(seen.source)
        if seen.present > len(self.people):
            return None
        if self._sending is None:
            self._sending = [each for each in self.people if each not in self._told.silent]
        # If three participants send, *seen* has at least two other senders.
        if len(self._sending) > 2:
            return None
        owners = [each for each in self._sending if each != seen.participant]
        return self.people[owners[0]] if len(owners) == 1 else None

    def cause_of(self, seen: Seen, *, spoils: bool | None) -> rules.Cause | None:
        """
        Return the cause of the bad call of *seen*; None: not known.

        *spoils* says whether the sender of the lost stream spoils it. If *spoils* is None (not
        known), the cause is found from the calls of the other participants.
        """
        # If packets are lost in both directions, the participant's own network path is bad. If the
        # others lose packets in both directions too, the bridge's path is bad.
        if self.spoils(seen):
            return rules.DOWNLINK
        if spoils is None:
            return self._cause_by_others(seen.participant)
        return rules.RECEIVED if spoils else rules.DOWNLINK

    def _cause_by_others(self, participant: str) -> rules.Cause | None:
        """
        Return the cause for *participant*, from the others with the same streams; None: not known.

        The cause is the downlink if at least two others have good calls. One other is not enough:
        it may be the sender that *participant* hears badly, and itself hear well. If another
        participant has a direct connection, *participant* is at its other end: its page does not
        report that.
        """
        if _has_another(self._direct, participant):
            return rules.PAIR
        if _has_another(self._received, participant):
            return rules.RECEIVED
        if _has_another(self._downlink, participant):
            return rules.DOWNLINK
        own = self.people.get(participant)
        others = self.known - (own is not None and own.state is not None)
        are_well = others > 1 and not _has_another(self._unwell, participant)
        return rules.DOWNLINK if are_well else None


def _has_another(participants: list[str], participant: str) -> bool:
    """Say whether *participants* contains a participant other than *participant*."""
    return bool(participants) and participants != [participant]
