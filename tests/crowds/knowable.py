"""
What can be known of a story at all: what pages tell, and what the contract of the verdict decides.

What the rules say of everything else does not count, neither for them nor against them.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from crowds.seats import Seat

from otel_jcmc.simulate.fleet import Fleet, Person, Room
from otel_jcmc.simulate.stories import Happening, StandsOut, Told

# What a page of the original can never tell.
_HIDDEN_BY_ORIGINALS: Final = {"outage", "uplink", "device", "pair"}
# Fewer rooms than these are known by most being bad in each.
FEW_ROOMS: Final = 4
# A fleet of several bridges has so many that are known.
FLEET_ROOMS: Final = 10


def can_tell(seat: Seat, happening: Happening) -> bool:
    """Say whether this push of this page can show what happens."""
    person, source = seat.person, happening.source
    if seat.tells_nothing and happening.cause != "outage":
        return False
    if person.is_original and happening.cause in _HIDDEN_BY_ORIGINALS:
        return False
    if source is not None and source.is_original:
        # Nobody can see that it sends badly, but for who compares it with another sender.
        return happening.kind == "received of two" and not person.is_original
    if happening.kind == "downlink" and (person.is_original or len(person.sources) == 1):
        # One stream, or a page that does not tell them apart: a sender has to say that it is well.
        return not all(each.is_original for each in person.sources)
    is_up = happening.kind == "uplink"
    return not is_up or seat.said.loss_up is not None


class Knowable:
    """
    Of what stands out in a story, and of whose scope, something can be known.

    Attributes:
        hidden: scope and name of what stands out, and cannot be known.
        uncounted: also of what may be said instead.
    """

    def __init__(self, fleet: Fleet, told: Told) -> None:
        """Ask of what is *told* to a *fleet*."""
        self.hidden = {
            (each.scope, each.name) for each in told.standing if not _is_knowable(each, fleet, told)
        }
        self._unheard = _unheard(told.happenings)
        # What is in something that cannot be known may be said of its rooms, one by one.
        within = {room.name for room in fleet.rooms if self._is_hidden(room)}
        self.uncounted = self.hidden | {("conference", name) for name in within}

    def has_scope(self, person: Person) -> bool:
        """Say whether it can be known how far that reaches what happens to *person*."""
        return person.participant_id not in self._unheard and not self._is_hidden(person.room)

    def _is_hidden(self, room: Room) -> bool:
        return any(name in ("", _name_of(room, scope)) for scope, name in self.hidden)


def _unheard(happenings: Iterable[Happening]) -> set[str]:
    """Return who sends badly, and is heard by nobody whose page can tell one of several."""
    heard: dict[str, bool] = defaultdict(bool)
    for each in happenings:
        if each.source is not None:
            tells = not each.person.is_original or each.kind == "received"
            heard[each.source.participant_id] |= tells
    return {name for name, is_heard in heard.items() if not is_heard}


def _is_knowable(thing: StandsOut, fleet: Fleet, told: Told) -> bool:
    """
    Say whether it is decided by what pages can tell.

    Of a conference three are bad, and most of those known. Else five in two conferences are; and
    where these are few, most of those known in each. A fleet of several bridges needs more.
    """
    rooms = [
        room
        for room in fleet.rooms
        if not room.is_direct and thing.name in ("", _name_of(room, thing.scope))
    ]
    of_whom = {each.person.participant_id: each for each in told.happenings}
    counted = [_counted(room, thing.scope, of_whom) for room in rooms]
    shares = [(bad, known) for bad, known in counted if known]
    people, are_most = sum(bad for bad, _ in shares), all(2 * bad > known for bad, known in shares)
    if thing.scope == "conference":
        return people >= 3 and are_most
    if people < 5 or sum(bad > 0 for bad, _ in shares) < 2:
        return False
    has_several = thing.scope == "fleet" and len(fleet.bridges) > 1
    return len(shares) >= (FLEET_ROOMS if has_several else FEW_ROOMS) or (
        are_most and not has_several
    )


def _counted(room: Room, scope: str, of_whom: dict[str, Happening]) -> tuple[int, int]:
    """Return how many of *room* are known to be bad, and of how many something is known."""
    bad = known = 0
    is_named = scope != "bridge" or not all(each.is_original for each in room.people)
    for person in room.people:
        happening = of_whom.get(person.participant_id)
        if happening is None:
            known += is_named
        elif is_named and not (person.is_original and happening.cause in _HIDDEN_BY_ORIGINALS):
            known += 1
            bad += happening.scope == scope
    return bad, known


def _name_of(room: Room, scope: str) -> str:
    return {"conference": room.name, "bridge": room.bridge, "region": room.region}.get(scope, "")
