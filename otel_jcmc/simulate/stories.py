"""
Decides which participants have which trouble in a story, and which verdicts would then be right.

A story is a plan of trouble for a simulation. There is a story for each cause and for each scope of
a verdict. In the story `mixed`, trouble of several kinds happens at the same time. In the story
`quiet`, single participants have trouble at random times. A happening is the trouble of one
participant. If a participant sends badly, the other participants of its conference receive it
badly. Then the sender has a happening, and each of the others has one too.
"""

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from otel_jcmc.simulate.fleet import Fleet, Person, Room
from otel_jcmc.simulate.recorded import KINDS

# In many stories, only a few conferences have trouble: this ratio of the fleet's conferences.
FEW: Final = 0.1
# The ratio of a conference's participants that get the trouble, on average, if it reaches a whole
# conference, bridge, region or fleet.
MOST: Final = 0.85
# In the story `quiet`: the ratio of participants that have trouble at a given moment, and the
# average length of a trouble in seconds.
ALONE: Final = 0.02
ALONE_SECONDS: Final = 60.0
# The kinds of trouble that many participants may have at the same time. In none of these kinds does
# a participant send badly, because the others would then receive it badly too.
_WIDE: Final = ("outage", "downlink", "far")
_OWN: Final = ("outage", "downlink", "far", "delay", "slow receiver", "slow sender")


class Happening(NamedTuple):
    """
    One trouble of one participant, *person*.

    Attributes:
        begins, ends: in seconds since the story began.
        kind: the kind of trouble, a key of recorded.KINDS.
        scope: how far the trouble reaches: a scope that a verdict can name.
        source: the participant who causes the trouble by sending badly; None: no participant does.
    """

    person: Person
    begins: float
    ends: float
    kind: str
    scope: str
    source: Person | None = None

    @property
    def cause(self) -> str:
        """The cause that a verdict on this participant should name."""
        kind = KINDS[self.kind]
        return "pair" if self.person.room.is_direct and kind.is_of_network else kind.cause

    @property
    def state(self) -> str:
        """The state that a verdict on this participant should have: bad or fair."""
        return "bad" if KINDS[self.kind].is_bad else "fair"


class StandsOut(NamedTuple):
    """
    A conference, bridge, region or fleet that a verdict should report as bad.

    Attributes:
        name: the name of the conference, bridge or region; empty for the fleet.
        begins, ends: in seconds since the story began.
    """

    scope: str
    name: str
    region: str
    begins: float
    ends: float


@dataclass
class Told:
    """The content of a story: all trouble of participants, and everything that should stand out."""

    happenings: list[Happening] = field(default_factory=list)
    standing: list[StandsOut] = field(default_factory=list)

    def of(self, person: Person) -> list[Happening]:
        """Return all happenings of *person*."""
        return [each for each in self.happenings if each.person is person]


class _Teller:
    """Adds trouble of a *fleet* to the story *told*, from *begins* to *ends*, in seconds."""

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
        Return the first conferences of *rooms*, and note that they now have trouble.

        Their number is *share* times the number of the fleet's conferences, at least 1. If *rooms*
        has fewer conferences, all of *rooms* are returned.
        """
        taken = rooms[: max(1, round(share * len(self.fleet.rooms)))]
        self._taken |= {room.name for room in taken}
        return taken

    def happens(self, person: Person, kind: str, scope: str, source: Person | None = None) -> None:
        """Give *person* trouble of *kind*, which begins at a random moment within the first 2 s."""
        begins = self.begins + self.chance.uniform(0, 2)
        self.told.happenings.append(Happening(person, begins, self.ends, kind, scope, source))

    def alone(self, kinds: Iterable[str], share: float = FEW) -> None:
        """In a few conferences, give one participant trouble; *kinds* are used in turn."""
        kinds = list(kinds)
        for number, room in enumerate(self.few(self.free(_is_by_bridge), share)):
            kind = kinds[number % len(kinds)]
            self.happens(self.chance.choice(able(room, kind)), kind, "participant")

    def sends_badly(self, share: float = FEW) -> None:
        """In a few conferences, let one participant send badly, and the others receive it badly."""
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
        """In a few conferences of two without a bridge, let one participant send badly."""
        for room in self.few(self.free(lambda each: each.is_direct), share):
            one, other = self.chance.sample(room.people, 2)
            self.happens(one, "uplink", "participant")
            self.happens(other, "downlink", "participant")

    def rooms(self, rooms: Iterable[Room], scope: str, name: str = "", region: str = "") -> None:
        """Give most participants in *rooms* trouble, so that *name*, a *scope*, stands out."""
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
        """In a few conferences of three or more, give trouble to most participants."""
        for room in self.few(self.free(lambda each: len(each.people) >= 3), share):
            self.rooms([room], "conference", room.name, room.region)

    def bridge(self) -> None:
        """Give trouble to most participants on one bridge; if it is the only one, to the fleet."""
        bridges = self.fleet.bridges
        if len(bridges) < 2:
            self.rooms(self.fleet.rooms, "fleet")
            return
        name, region = self.chance.choice(bridges)
        of_it = [room for room in self.fleet.rooms if room.bridge == name]
        self.rooms(of_it, "bridge", name, region)

    def region(self) -> None:
        """Give trouble to most participants in one region; if it is the only one, to the fleet."""
        regions = sorted({region for _, region in self.fleet.bridges})
        if len(regions) < 2:
            self.rooms(self.fleet.rooms, "fleet")
            return
        name = self.chance.choice(regions)
        of_it = [room for room in self.fleet.rooms if room.region == name]
        self.rooms(of_it, "region", name, name)

    def mixed(self) -> None:
        """Give trouble of several kinds and scopes at the same time, to different conferences."""
        if len(self.fleet.bridges) > 3:
            self.bridge()
        for tell in (self.conferences, self.sends_badly, self.pairs):
            tell(0.02)
        self.alone(_OWN, 0.06)


def able(room: Room, kind: str) -> list[Person]:
    """
    Return the participants in *room* that can have trouble of *kind*.

    For some kinds a participant must send video, for others it must receive another participant.
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
    """Return the content of the story *name*; its trouble lasts from *begins* to *ends* (s)."""
    told = Told()
    if name == QUIET:
        told.happenings += _quiet(fleet, chance, ends)
    else:
        _STORIES[name](_Teller(fleet, chance, begins, ends, told))
    return told


def _quiet(fleet: Fleet, chance: random.Random, ends: float) -> Iterator[Happening]:
    """Yield happenings at random times from 0 to *ends* (s), each of a single participant."""
    well = ALONE_SECONDS * (1 - ALONE) / ALONE
    for person in fleet.people:
        now = 0.0 if chance.random() < ALONE else chance.expovariate(1 / well)
        while now < ends:
            until = now + chance.expovariate(1 / ALONE_SECONDS)
            kind = chance.choice([each for each in _OWN if person in able(person.room, each)])
            yield Happening(person, now, min(until, ends), kind, "participant")
            now = until + chance.expovariate(1 / well)
