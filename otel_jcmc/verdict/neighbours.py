"""
What the others of a conference tell about somebody who is not well.

In go all who are there and what they have told of late, out come the owner of the stream that
somebody loses, and what that comes to. settling.py asks; what is the same for whoever asks is found
once, since in a large conference many do.
"""

from typing import Final

from otel_jcmc.verdict import rules
from otel_jcmc.verdict.everybody import Seen

_RECEIVED: Final = rules.RECEIVED.id
_DOWNLINK: Final = rules.DOWNLINK.id


class Told:
    """
    What the people of one conference have told of late, by participant.

    Attributes:
        spoils: when it was known last, and whether it spoilt what it sends.
        silent: when those who send nothing have said so. A page whose connection is interrupted
            does not tell whether it sends.
    """

    __slots__ = ("silent", "spoils")

    def __init__(self) -> None:
        """Begin with nothing."""
        self.spoils: dict[str, tuple[int, bool]] = {}
        self.silent: dict[str, int] = {}

    def forget_before(self, oldest_ms: int) -> None:
        """Forget what was told before *oldest_ms*."""
        if self.spoils:
            self.spoils = {who: told for who, told in self.spoils.items() if told[0] >= oldest_ms}
        if self.silent:
            self.silent = {who: at_ms for who, at_ms in self.silent.items() if at_ms >= oldest_ms}


class Neighbours:
    """
    All who are in one conference.

    Attributes:
        people: by participant.
        known: of how many of them the state is known.
    """

    __slots__ = (
        *("_direct", "_downlink", "_received", "_sending", "_told", "_unwell"),
        *("known", "people"),
    )

    def __init__(self, told: Told) -> None:
        """Begin with nobody; those who are to be added have *told* something of late."""
        self.people: dict[str, Seen] = {}
        self.known = 0
        self._told = told
        # Participants: who may send; and of those whose state is known who is not well or spoils
        # what it sends, who is connected to a peer, and who has one of two causes.
        self._sending: list[str] | None = None
        self._unwell: list[str] = []
        self._direct: list[str] = []
        self._received: list[str] = []
        self._downlink: list[str] = []

    def add(self, seen: Seen) -> None:
        """Add *seen*, and what it tells now; all are added before anything is asked."""
        participant, state, cause = seen.participant, seen.state, seen.cause
        before = self.people.get(participant)
        # Two clients may push as one participant: the first counts who tells something.
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
        """How many are there, or are seen there."""
        return max(len(self.people), *(each.present for each in self.people.values()))

    def spoils(self, seen: Seen) -> bool | None:
        """Say whether *seen* spoils what it sends; None: it has not been known of late."""
        told = self._told.spoils.get(seen.participant)
        return told[1] if told else None

    def owner_for(self, seen: Seen) -> Seen | None:
        """Return whose stream *seen* loses: who is named, else the only one who sends."""
        if seen.source:
            return self.people.get(seen.source)
        if seen.present > len(self.people):
            return None
        if self._sending is None:
            self._sending = [each for each in self.people if each not in self._told.silent]
        # Of more than two who send two are others.
        if len(self._sending) > 2:
            return None
        owners = [each for each in self._sending if each != seen.participant]
        return self.people[owners[0]] if len(owners) == 1 else None

    def cause_of(self, seen: Seen, *, spoils: bool | None) -> rules.Cause | None:
        """
        Return what *seen* comes to where the owner of its stream *spoils*, or does not.

        Returns None where that is not known and the others tell nothing either.
        """
        # Who loses both ways has a bad way; that the others do too is the bridge's.
        if self.spoils(seen):
            return rules.DOWNLINK
        if spoils is None:
            return self._cause_by_others(seen.participant)
        return rules.RECEIVED if spoils else rules.DOWNLINK

    def _cause_by_others(self, participant: str) -> rules.Cause | None:
        """
        Return what the others of *participant* tell, who get the same streams; None: nothing.

        Two at least must be well: one alone may be whom *participant* hears badly, and hear well.
        Where another is connected to a peer, *participant* is that peer, on a page that does not
        tell.
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
    """Say whether somebody else than *participant* is among *participants*."""
    return bool(participants) and participants != [participant]
