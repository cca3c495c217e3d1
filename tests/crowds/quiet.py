"""
A quiet hour: many participants, of whom two in a hundred are bad at any time, each alone.

There is a look every 10 s, as in the service. Each spell of trouble has one recorded kind and lasts
a minute on average. Whatever stands out does so by chance, and is wrong.
"""

import random
from collections import Counter
from typing import Final, NamedTuple

from crowds.bed import LOOK_SECONDS
from crowds.seats import Bench

from otel_jcmc.simulate.fleet import Fleet, Person, Room, make_fleet
from otel_jcmc.simulate.recorded import Recorded
from otel_jcmc.simulate.stories import ALONE, ALONE_SECONDS, Happening, able
from otel_jcmc.simulate.tape import Moment, Voice
from otel_jcmc.verdict.census import Scope
from otel_jcmc.verdict.everybody import Everybody, Place, Seen
from otel_jcmc.verdict.rules import State
from otel_jcmc.verdict.settling import Settling
from otel_jcmc.verdict.standing import standing_out

# Bad, and of the kinds that others may share: so nothing is excused by its cause.
KINDS: Final = ("outage", "downlink", "far")
HOUR: Final = 360
WIDE: Final = (Scope.FLEET, Scope.REGION, Scope.BRIDGE, Scope.BROWSER, Scope.RELAY)


class Quiet(NamedTuple):
    """
    What came of it.

    Attributes:
        conference_looks: looks times rooms.
        conferences: of them, in how many a conference stood out.
        longest: for how many looks in a row the same one did.
        wide: looks in which anything wider stood out.
        senders: looks at senders who stood out.
    """

    people: int
    rooms: int
    looks: int
    conference_looks: int
    conferences: int
    longest: int
    wide: int
    senders: int


def fleet_of_fives(chance: random.Random, people: int) -> Fleet:
    """Return a fleet of so many *people*, four of five of them in rooms of five."""
    fives = make_fleet(chance, people * 4 // 5 // 5, 5, originals=0)
    others = make_fleet(chance, people // 5 // 5, None, originals=0)
    for room in others.rooms:
        room.name = f"other-{room.name}"
    return Fleet([*fives.rooms, *others.rooms])


def hold_quiet(people: int, looks: int = HOUR, seed: int = 1) -> Quiet:
    """Look so many times at a fleet of so many *people*."""
    chance = random.Random(seed)
    fleet = fleet_of_fives(chance, people)
    crowd = _Crowd(fleet, chance)
    settling = Settling()
    lasting: Counter[str] = Counter()
    conferences = longest = wide = senders = 0
    for look in range(looks):
        everybody = crowd.look()
        settled = settling.settle(look * LOOK_SECONDS * 1000, everybody)
        found = standing_out(everybody._replace(ill=settled.ill))
        names = [each.name for each in found if each.scope is Scope.CONFERENCE]
        lasting = Counter({name: lasting[name] + 1 for name in names})
        conferences += len(names)
        longest = max(longest, *lasting.values(), 0)
        wide += any(each.scope in WIDE for each in found)
        senders += len(settled.senders)
    rooms = len(fleet.rooms)
    count = len(fleet.people)
    return Quiet(count, rooms, looks, rooms * looks, conferences, longest, wide, senders)


class _Crowd:
    """Everybody, look by look; only who falls ill or gets well is touched."""

    def __init__(self, fleet: Fleet, chance: random.Random) -> None:
        self._chance = chance
        self._people = fleet.people
        self._rooms = {room.name: room for room in fleet.rooms}
        self._places = {person: _place(person) for person in self._people}
        self._counts: Counter[tuple[Place, int | None]] = Counter()
        self._bench, self._recorded = Bench(), Recorded()
        self._ill: dict[Person, Seen] = {}
        # So that two in a hundred are ill from the first look on.
        self._goes = LOOK_SECONDS / ALONE_SECONDS
        self._comes = self._goes * ALONE / (1 - ALONE)
        for person in self._people:
            self._counts[self._places[person], State.GOOD] += 1
            if chance.random() < ALONE:
                self._fall_ill(person)

    def look(self) -> Everybody:
        """Return everybody 10 s later."""
        for person in [each for each in self._ill if self._chance.random() < self._goes]:
            self._count(self._ill.pop(person), -1)
            self._counts[self._places[person], State.GOOD] += 1
        for person in self._people:
            if self._chance.random() < self._comes and person not in self._ill:
                self._fall_ill(person)
        bad = [each for each in self._ill.values() if each.state == State.BAD]
        return Everybody(self._counts, bad, self._members, self._present)

    def _fall_ill(self, person: Person) -> None:
        kinds = [kind for kind in KINDS if person in able(person.room, kind)]
        kind = self._chance.choice(kinds)
        spells = self._recorded.during(kind, LOOK_SECONDS * 1000, person.browser)
        interval = self._chance.choice(self._chance.choice(spells).during)
        moment = Moment(0, interval, Happening(person, 0, 60, kind, "participant"))
        said = self._bench.said(Voice(person, "a-session"), person, moment, None)
        sources = person.sources
        seen = Seen(
            self._places[person],
            person.participant_id,
            said.state,
            said.cause,
            person.address.rpartition(".")[0],
            len(person.room.people),
            sources[0].participant_id if said.names_source else "",
            said.loss_up,
            said.is_slow,
            said.sends,
        )
        self._ill[person] = seen
        self._counts[self._places[person], State.GOOD] -= 1
        self._count(seen, 1)

    def _count(self, seen: Seen, by: int) -> None:
        self._counts[seen.place, seen.state] += by

    def _members(self, conferences: object) -> list[Seen]:
        assert hasattr(conferences, "__iter__")
        return [
            self._ill.get(person) or self._well(person)
            for name in conferences
            for person in self._rooms[name].people
        ]

    def _well(self, person: Person) -> Seen:
        present = len(person.room.people)
        sends = person.is_sender
        loss_up = 0.0 if sends else None
        place = self._places[person]
        return Seen(
            place, person.participant_id, State.GOOD, 0, "", present, "", loss_up, False, sends
        )

    def _present(self, conferences: object) -> dict[str, int]:
        assert hasattr(conferences, "__iter__")
        return {name: len(self._rooms[name].people) for name in conferences}


def _place(person: Person) -> Place:
    room: Room = person.room
    bridge = "" if room.is_direct else room.bridge
    return Place(room.name, bridge, room.region, person.browser, "", room.is_direct)
