"""
Finds out from the other participants of a conference why a participant is not well.

All participants of a conference and their recent reports go in. For a participant that loses a
stream, the owner of that stream and the cause of the loss come out. settling.py asks. Results that
are the same for all participants are found once: in a large conference settling.py asks for many.
"""

from typing import Final

from otel_jcmc.verdict import rules
from otel_jcmc.verdict.everybody import Seen

_RECEIVED: Final = rules.RECEIVED.id
_DOWNLINK: Final = rules.DOWNLINK.id


class Told:
    """
    The recent reports of one conference's participants; each dict's key is the participant.

    Attributes:
        spoils: participant -> time of its last report, and whether it spoilt what it sends.
        silent: participant -> time at which it reported that it sends nothing. A page with an
            interrupted connection does not report that.
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
    All participants of one conference, asked about those that are not well.

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
        # Lists of participants. `_sending`: those that may send. The other lists contain only
        # participants with a known state. `_unwell`: not well, or spoiling what they send.
        # `_direct`: connected to a peer. `_received`, `_downlink`: those with that cause.
        self._sending: list[str] | None = None
        self._unwell: list[str] = []
        self._direct: list[str] = []
        self._received: list[str] = []
        self._downlink: list[str] = []

    def add(self, seen: Seen) -> None:
        """Add the participant *seen*; add all participants before calling the other methods."""
        participant, state, cause = seen.participant, seen.state, seen.cause
        before = self.people.get(participant)
        # Two clients may push as one participant: the first with a known state counts.
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
        """The number of added participants, or the largest number that one sees, if greater."""
        return max(len(self.people), *(each.present for each in self.people.values()))

    def spoils(self, seen: Seen) -> bool | None:
        """Say whether *seen* spoils what it sends; None: no recent report."""
        told = self._told.spoils.get(seen.participant)
        return told[1] if told else None

    def owner_for(self, seen: Seen) -> Seen | None:
        """Return the owner of the stream *seen* loses: the named or only sender; None: unknown."""
        if seen.source:
            return self.people.get(seen.source)
        if seen.present > len(self.people):
            return None
        if self._sending is None:
            self._sending = [each for each in self.people if each not in self._told.silent]
        # If more than two participants send, at least two of them are not *seen*.
        if len(self._sending) > 2:
            return None
        owners = [each for each in self._sending if each != seen.participant]
        return self.people[owners[0]] if len(owners) == 1 else None

    def cause_of(self, seen: Seen, *, spoils: bool | None) -> rules.Cause | None:
        """
        Return the cause of *seen*; None: not known.

        *spoils* says whether the owner of its lost stream spoils that stream. If that is None, not
        known, the cause follows from the other participants.
        """
        # A participant that loses in both directions has a bad network path. If the others lose in
        # both directions too, the bridge has one.
        if self.spoils(seen):
            return rules.DOWNLINK
        if spoils is None:
            return self._cause_by_others(seen.participant)
        return rules.RECEIVED if spoils else rules.DOWNLINK

    def _cause_by_others(self, participant: str) -> rules.Cause | None:
        """
        Return the cause by the others that get the same streams as *participant*; None: not known.

        At least two others must be well: a single other participant may be the sender that
        *participant* hears badly, and hear well itself. If another participant is connected to a
        peer, *participant* is that peer, with a page that does not report it.
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
