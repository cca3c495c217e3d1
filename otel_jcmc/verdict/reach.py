"""
Finds the scope of a participant's trouble, from its cause and from what stands out.

With the journal's entries of an earlier time, the result is the scope at that time.
"""

from collections import defaultdict
from collections.abc import Iterable

from otel_jcmc.verdict import rules
from otel_jcmc.verdict.census import OF_OTHERS, Scope
from otel_jcmc.verdict.everybody import Place
from otel_jcmc.verdict.journal import Entry
from otel_jcmc.verdict.standing import sender_name


class Reach:
    """Knows what stands out at one time, and returns the scope of any participant's trouble."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        """Take the journal's *entries* of that time."""
        # A newer version may have written scopes that this version does not know.
        self._names: dict[str, set[str]] = defaultdict(set)
        for each in entries:
            self._names[each.scope].add(each.name)

    def of(self, place: Place, participant: str, cause: int, source: str = "") -> Scope:
        """
        Return the scope of a *participant* at *place* whose call is not good because of *cause*.

        *source* is the sender of the worst stream that the participant receives; empty: not known.
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
        """Say whether the participant spoils others' calls, or a sender that stands out its own."""
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
