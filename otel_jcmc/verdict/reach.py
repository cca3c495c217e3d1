"""
Finds the scope of a bad call: whether the fleet, a region, a bridge and so on has the same trouble.

The scope depends on the cause of the bad call, and on what stands out in the journal. For a call of
the past, use the journal's entries of that time.
"""

from collections import defaultdict
from collections.abc import Iterable

from otel_jcmc.verdict import rules
from otel_jcmc.verdict.census import OF_OTHERS, Scope
from otel_jcmc.verdict.everybody import Place
from otel_jcmc.verdict.journal import Entry
from otel_jcmc.verdict.standing import sender_name


class Reach:
    """Knows what stands out at one time, and returns the scope of any bad call of that time."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        """Take the journal's *entries* of that time."""
        # The keys are texts, not `Scope`: a newer version may have written other scopes.
        self._names: dict[str, set[str]] = defaultdict(set)
        for each in entries:
            self._names[each.scope].add(each.name)

    def of(self, place: Place, participant: str, cause: int, source: str = "") -> Scope:
        """
        Return the scope of the bad call of *participant* at *place*.

        *cause* is the id of the call's cause. *source* is the sender of the worst stream that the
        participant receives; empty: not known.
        """
        if place.is_direct:
            return Scope.PARTICIPANT
        if cause in OF_OTHERS:
            names = (
                (Scope.FLEET, ""),
                (Scope.REGION, place.region),
                (Scope.BRIDGE, place.bridge),
                (Scope.RELAY, place.relay),
                (Scope.BROWSER, place.browser),
                (Scope.CONFERENCE, place.conference),
            )
            for scope, name in names:
                if name in self._names[scope]:
                    return scope
        if self._spoils(place, participant, cause, source):
            return Scope.SENDER
        return Scope.PARTICIPANT

    def _spoils(self, place: Place, participant: str, cause: int, source: str) -> bool:
        """Say whether the participant, or the sender that it gets badly, stands out as a sender."""
        senders = self._names[Scope.SENDER]
        if not senders:
            return False
        if sender_name(place.conference, participant) in senders:
            return True
        if cause != rules.RECEIVED.id:
            return False
        if source:
            return sender_name(place.conference, source) in senders
        start = sender_name(place.conference, "")
        return any(each.startswith(start) for each in senders)
