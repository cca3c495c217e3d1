"""
Decides which participants have which trouble in a crowd's story, and which verdicts are right.

Each cause and each scope has a story of its own. In the story `mixed`, several kinds of trouble
happen at the same time. In `quiet`, some participants have trouble alone, at any time. A happening
is one trouble of one participant. If a participant sends badly, the others of its conference hear
it badly. Then the sender and each of the others have a happening.
"""

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from otel_jcmc.simulate.fleet import Fleet, Person, Room
from otel_jcmc.simulate.recorded import KINDS

# The share of a story's conferences in which a trouble happens to one participant.
FEW: Final = 0.1
# If a conference, a bridge or a region is bad: the average share of its participants with trouble.
MOST: Final = 0.85
# In the story `quiet`: the share of participants who have trouble at a given moment, and the
# average length of a trouble in seconds.
ALONE: Final = 0.02
ALONE_SECONDS: Final = 60.0
# The kinds of trouble that happen to many participants at the same time. They do not spoil the
# sound and the video that a participant sends, because then the others would hear it badly too.
_WIDE: Final = ("outage", "downlink", "far")
_OWN: Final = ("outage", "downlink", "far", "delay", "slow receiver", "slow sender")


class Happening(NamedTuple):
    """
    One trouble of the participant *person*, from *begins* to *ends*, in seconds of the story.

    Attributes:
        kind: the kind of trouble, a key of recorded.KINDS.
        scope: how far the trouble reaches, such as "participant" or "bridge", as in a verdict.
        source: the participant whom *person* hears badly; None: no other participant is the cause.
    """

    person: Person
    begins: float
    ends: float
    kind: str
    scope: str
    source: Person | None = None

    @property
    def cause(self) -> str:
        """The cause that the verdict on this trouble should have."""
        kind = KINDS[self.kind]
        return "pair" if self.person.room.is_direct and kind.is_of_network else kind.cause

    @property
    def state(self) -> str:
        """The state that the verdict on this trouble should have: "bad" or "fair"."""
        return "bad" if KINDS[self.kind].is_bad else "fair"


class StandsOut(NamedTuple):
    """A bridge, region, conference or the fleet that should stand out; the fleet has no name."""

    scope: str
    name: str
    region: str
    begins: float
    ends: float


@dataclass
class Told:
    """The truth of a story: all troubles of participants, and all things that should stand out."""

    happenings: list[Happening] = field(default_factory=list)
    standing: list[StandsOut] = field(default_factory=list)

    def of(self, person: Person) -> list[Happening]:
        """Return the troubles of *person*."""
        return [each for each in self.happenings if each.person is person]


class _Teller:
    """Adds troubles to *told* for one story of a *fleet*; they last from *begins* to *ends* (s)."""

    def __init__(
        self, fleet: Fleet, chance: random.Random, begins: float, ends: float, told: Told
    ) -> None:
        self.fleet, self.chance, self.begins, self.ends = fleet, chance, begins, ends
        self.told = told
        self._taken: set[str] = set()

    def free(self, wanted: Callable[[Room], bool] = lambda _: True) -> list[Room]:
        """Return the *wanted* conferences that have no trouble yet, in random order."""
        rooms = [room for room in self.fleet.rooms if room.name not in self._taken and wanted(room)]
        self.chance.shuffle(rooms)
        return rooms

    def few(self, rooms: list[Room], share: float = FEW) -> list[Room]:
        """
        Return the first of *rooms*, as many as *share* of the fleet's conferences, at least one.

        `free` does not return these conferences any more. If *rooms* is empty, none are returned.
        """
        taken = rooms[: max(1, round(share * len(self.fleet.rooms)))]
        self._taken |= {room.name for room in taken}
        return taken

    def happens(self, person: Person, kind: str, scope: str, source: Person | None = None) -> None:
        """Add a trouble of *person*; it begins at a random time in the 2 s after *begins*."""
        begins = self.begins + self.chance.uniform(0, 2)
        self.told.happenings.append(Happening(person, begins, self.ends, kind, scope, source))

    def alone(self, kinds: Iterable[str], share: float = FEW) -> None:
        """In a *share* of the conferences, give one participant a trouble of one of *kinds*."""
        kinds = list(kinds)
        for number, room in enumerate(self.few(self.free(_is_by_bridge), share)):
            kind = kinds[number % len(kinds)]
            self.happens(self.chance.choice(able(room, kind)), kind, "participant")

    def sends_badly(self, share: float = FEW) -> None:
        """In a *share* of the conferences, let one participant send badly; the others hear it."""
        for room in self.few(self.free(_is_by_bridge), share):
            senders = room.senders
            source = self.chance.choice(senders)
            self.happens(source, "uplink", "sender")
            for person in room.people:
                if person is source:
                    continue
                others = len(senders) - person.is_sender
                kind = "received" if others == 1 else "received of two"
                self.happens(person, kind, "sender", source)

    def pairs(self, share: float = FEW) -> None:
        """In some conferences of two without a bridge, let one participant send badly."""
        for room in self.few(self.free(lambda each: each.is_direct), share):
            one, other = self.chance.sample(room.people, 2)
            self.happens(one, "uplink", "participant")
            self.happens(other, "downlink", "participant")

    def rooms(self, rooms: Iterable[Room], scope: str, name: str = "", region: str = "") -> None:
        """Give trouble to most participants in *rooms*; *scope* and *name* tell what stands out."""
        kind = self.chance.choice(_WIDE)
        rooms = list(rooms)
        self._taken |= {room.name for room in rooms}
        for room in rooms:
            if room.is_direct:
                continue
            least = 3 if scope == "conference" else 0
            reached = max(least, round(self.chance.uniform(MOST - 0.15, 1) * len(room.people)))
            people = able(room, kind)
            for person in self.chance.sample(people, min(reached, len(people))):
                self.happens(person, kind, scope)
        self.told.standing.append(StandsOut(scope, name, region, self.begins, self.ends))

    def conferences(self, share: float = FEW) -> None:
        """Make some conferences bad as a whole; pairs are left out, as they never stand out."""
        for room in self.few(self.free(lambda each: len(each.people) >= 3), share):
            self.rooms([room], "conference", room.name, room.region)

    def bridge(self) -> None:
        """Make the conferences of a bridge bad; if it is the only bridge, the fleet stands out."""
        bridges = self.fleet.bridges
        if len(bridges) < 2:
            self.rooms(self.fleet.rooms, "fleet")
            return
        name, region = self.chance.choice(bridges)
        of_it = [room for room in self.fleet.rooms if room.bridge == name]
        self.rooms(of_it, "bridge", name, region)

    def region(self) -> None:
        """Make the conferences of a region bad; if it is the only region, the fleet stands out."""
        regions = sorted({region for _, region in self.fleet.bridges})
        if len(regions) < 2:
            self.rooms(self.fleet.rooms, "fleet")
            return
        name = self.chance.choice(regions)
        of_it = [room for room in self.fleet.rooms if room.region == name]
        self.rooms(of_it, "region", name, name)

    def mixed(self) -> None:
        """Let many kinds of trouble happen at the same time, each kind to some participants."""
        if len(self.fleet.bridges) > 3:
            self.bridge()
        for tell in (self.conferences, self.sends_badly, self.pairs):
            tell(0.02)
        self.alone(_OWN, 0.06)


def able(room: Room, kind: str) -> list[Person]:
    """
    Return the participants in *room* who can have a *kind* of trouble.

    Some kinds need a participant who sends, other kinds a participant who hears another one.
    """
    if kind == "slow sender":
        return room.senders
    is_heard = KINDS[kind].cause in ("downlink", "received", "device")
    return [each for each in room.people if not is_heard or each.sources]


def _is_by_bridge(room: Room) -> bool:
    return not room.is_direct


_STORIES: Final[dict[str, Callable[[_Teller], None]]] = {
    "outage": lambda teller: teller.alone(["outage"]),
    "downlink": lambda teller: teller.alone(["downlink"]),
    "device": lambda teller: teller.alone(["slow receiver", "slow sender", "slow page"]),
    "path": lambda teller: teller.alone(["delay", "far"]),
    "received": _Teller.sends_badly,
    "uplink": _Teller.sends_badly,
    "pair": _Teller.pairs,
    "participant": lambda teller: teller.alone(_OWN),
    "sender": _Teller.sends_badly,
    "conference": _Teller.conferences,
    "bridge": _Teller.bridge,
    "region": _Teller.region,
    "fleet": lambda teller: teller.rooms(teller.fleet.rooms, "fleet"),
    "mixed": _Teller.mixed,
}
QUIET: Final = "quiet"
NAMES: Final = (*_STORIES, QUIET)


def tell(name: str, fleet: Fleet, chance: random.Random, begins: float, ends: float) -> Told:
    """
    Return the troubles of the story called *name*, and the things that should stand out.

    The troubles last from *begins* to *ends*, in seconds of the story; in `quiet` from 0 to *ends*.
    """
    told = Told()
    if name == QUIET:
        told.happenings += _quiet(fleet, chance, ends)
    else:
        _STORIES[name](_Teller(fleet, chance, begins, ends, told))
    return told


def _quiet(fleet: Fleet, chance: random.Random, ends: float) -> Iterator[Happening]:
    """Yield the troubles of the story `quiet`: participants have trouble alone, at any time."""
    well = ALONE_SECONDS * (1 - ALONE) / ALONE
    for person in fleet.people:
        now = 0.0 if chance.random() < ALONE else chance.expovariate(1 / well)
        while now < ends:
            until = now + chance.expovariate(1 / ALONE_SECONDS)
            kind = chance.choice([each for each in _OWN if person in able(person.room, each)])
            yield Happening(person, now, min(until, ends), kind, "participant")
            now = until + chance.expovariate(1 / well)
