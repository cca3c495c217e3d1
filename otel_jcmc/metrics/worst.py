"""
Chooses the worst participants of a snapshot, for services that export only some participants.

Once chosen, a participant remains chosen for at least a minute, so that a panel shows its series as
a line, not as single points.
"""

from collections.abc import Callable
from heapq import nlargest
from math import inf
from time import monotonic
from typing import Any, Final

from otel_jcmc.catalogue.metrics import MOS_ID, STATE_ID
from otel_jcmc.metrics.snapshot import Part, Snapshot
from otel_jcmc.store.participant import Participant, Stay

STAY_SECONDS: Final = 60.0


class Worst:
    """Chooses *most* participants of each snapshot."""

    def __init__(self, most: int, clock: Callable[[], float] = monotonic) -> None:
        """Choose *most* participants; *clock* measures for how long a participant stays chosen."""
        self._most = most
        self._clock = clock
        # Key of a participant's stay -> the time until which the participant remains chosen.
        self._until: dict[tuple[str, str, float], float] = {}

    def of(self, snapshot: Snapshot) -> Snapshot:
        """
        Return a snapshot of the *most* worst participants of *snapshot*.

        Participants that were first chosen less than a minute ago come before all others.
        """
        people = [each for part in snapshot.parts for each in part.participants]
        if len(people) <= self._most:
            return snapshot
        now = self._clock()
        keys = {_key(each.stay) for each in people}
        kept = {key: until for key, until in self._until.items() if until > now and key in keys}

        def rank(each: Participant) -> tuple[bool, Any, Any]:
            state, mos = each.numbers[STATE_ID - 1], each.numbers[MOS_ID - 1]
            return (_key(each.stay) in kept, -1 if state is None else state, -(mos or inf))

        chosen = nlargest(self._most, people, key=rank)
        until = now + STAY_SECONDS
        self._until = {key: kept.get(key, until) for key in map(_key, (c.stay for c in chosen))}
        made = Snapshot(snapshot.look)
        made.parts.append(Part.of(chosen))
        return made


def _key(stay: Stay) -> tuple[str, str, float]:
    return stay.conference, stay.session, stay.started_ms
