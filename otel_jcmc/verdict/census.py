"""
Counts participants by conference and by bridge, region, browser and relay, for standing.py.

Nearly all conferences have no bad participant. For such a conference only numbers are kept. For a
conference with a bad participant, a `Room` object is made when standing.py first asks for it.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from enum import StrEnum
from functools import cached_property, partial
from typing import Final, NamedTuple

from otel_jcmc.verdict import rules
from otel_jcmc.verdict.everybody import Counts, Everybody, Place, Seen
from otel_jcmc.verdict.rules import State

# Causes that may come from a network that several participants share. RECEIVED is left out,
# because there the sender of one stream is at fault.
OF_OTHERS: Final = (rules.OF_NETWORK | {rules.OUTAGE.id}) - {rules.RECEIVED.id}


class Scope(StrEnum):
    """Who has the same trouble, the widest scope first; `participant`: only that participant."""

    FLEET = "fleet"
    REGION = "region"
    BRIDGE = "bridge"
    RELAY = "relay"
    BROWSER = "browser"
    CONFERENCE = "conference"
    SENDER = "sender"
    PARTICIPANT = "participant"


# The scopes of the groups in which participants are counted, except the fleet.
_COMMON: Final = (Scope.REGION, Scope.BRIDGE, Scope.BROWSER, Scope.RELAY)


class Room(NamedTuple):
    """
    Counts the participants of one conference, or only those on one bridge, in one region and so on.

    Only conferences with a bad participant have a room.

    Attributes:
        people: number of participants.
        known: number of participants with a known state.
        bad: number of bad participants.
    """

    people: int = 0
    known: int = 0
    bad: int = 0

    @property
    def share(self) -> float:
        """The share of bad participants among those with a known state; 0 if no state is known."""
        return self.bad / self.known if self.known else 0.0


class Group:
    """
    Counts, by conference, all participants, or only those on one bridge, in one region and so on.

    First all participants are counted in three tables by conference. Other results are computed
    from the tables when a caller first asks for them, and are then kept.

    Attributes:
        known_in: conference -> number of participants with a known state.
        unknown_in: conference -> number of participants with an unknown state.
        bad_in: conference -> the network of each bad participant.
    """

    def __init__(self, with_bad: Collection[str] | None = None) -> None:
        """
        Begin without participants.

        *with_bad* are the conferences that `rooms` contains; None: the conferences that have a bad
        participant in this group.
        """
        self.known_in: dict[str, int] = defaultdict(int)
        self.unknown_in: dict[str, int] = defaultdict(int)
        self.bad_in: dict[str, list[str]] = defaultdict(list)
        self._with_bad = self.bad_in if with_bad is None else with_bad

    @cached_property
    def rooms(self) -> dict[str, Room]:
        """Conference -> its room in this group; only conferences with a bad participant."""
        names = {**self.known_in, **self.unknown_in}
        return {name: self._room(name) for name in names if name in self._with_bad}

    def _room(self, name: str) -> Room:
        known = self.known_in.get(name, 0)
        return Room(known + self.unknown_in.get(name, 0), known, len(self.bad_in.get(name, ())))

    @property
    def networks(self) -> set[str]:
        """The networks of bad participants; an empty text stands for an unknown network."""
        return set().union(*self.bad_in.values())

    @cached_property
    def sound(self) -> dict[str, int]:
        """Conference -> participants with a known state; conferences in `rooms` are left out."""
        known = self.known_in.items()
        return {name: people for name, people in known if name not in self._with_bad}

    @property
    def known_rooms(self) -> int:
        """Number of conferences with a participant whose state is known."""
        return len(self.known_in)

    @property
    def known(self) -> int:
        """Number of participants with a known state."""
        return sum(self.known_in.values())

    @cached_property
    def bad_rooms(self) -> float:
        """The sum, over all conferences, of the share of bad participants in the conference."""
        return sum(len(bad) / self.known_in[name] for name, bad in self.bad_in.items())

    @property
    def share(self) -> float:
        """The share of bad participants, as the mean over all conferences; 0: no known state."""
        known = self.known_rooms
        return self.bad_rooms / known if known else 0.0

    def people(self) -> Mapping[str, int]:
        """Return the number of participants in each conference."""
        found = Counter(self.known_in)
        found.update(self.unknown_in)
        return found

    def without(self, conference: str) -> "Group":
        """Return a copy of the group without *conference*, which must be a key of `rooms`."""
        rest = Group(self._with_bad)
        rest.known_in = {**self.known_in}
        rest.unknown_in = {**self.unknown_in}
        rest.bad_in = {**self.bad_in}
        for of in (rest.known_in, rest.unknown_in, rest.bad_in):
            of.pop(conference, None)
        return rest


class _Common:
    """
    The tables that count the participants with one combination of bridge, region, browser, relay.

    Attributes:
        people: number of these participants.
        known_in, unknown_in, bad_in: the tables with this name, one table from each group to which
            these participants belong.
    """

    __slots__ = ("bad_in", "known_in", "people", "unknown_in")

    def __init__(self, groups: list[Group]) -> None:
        """Begin without participants; *groups* are the groups to which they will belong."""
        self.people = 0
        self.known_in = [group.known_in for group in groups]
        self.unknown_in = [group.unknown_in for group in groups]
        self.bad_in = [group.bad_in for group in groups]


Groups = dict[str, Group]
_NOBODY: Final = Room()


class Census:
    """
    Counts all participants by conference, bridge, region, browser and relay.

    Attributes:
        fleet: the group of all participants.
        groups: scope -> name -> group; the fleet has one group with an empty name.
    """

    def __init__(self, everybody: Everybody) -> None:
        """Count the participants of *everybody* that use a bridge."""
        self.fleet = Group()
        group = partial(Group, self.fleet.bad_in)
        self.groups: dict[Scope, Groups] = {scope: defaultdict(group) for scope in _COMMON}
        self.groups[Scope.FLEET] = {"": self.fleet}
        self._commons: dict[tuple[str, ...], _Common] = {}
        self._regions_of: dict[str, Counter[str]] = defaultdict(Counter)
        self.present = everybody.present
        self._count(everybody.counts)
        self._count_bad(everybody.ill)

    def _count(self, counts: Counts) -> None:
        """Count participants by their state; the slowest step of a search for what stands out."""
        for (place, state), people in counts.items():
            if place.is_direct:
                continue
            conference = place.conference
            common = self._common_of(place)
            common.people += people
            for tally in common.unknown_in if state is None else common.known_in:
                tally[conference] += people
        for (bridge, region, *_), common in self._commons.items():
            self._regions_of[bridge][region] += common.people

    def _count_bad(self, ill: list[Seen]) -> None:
        """Count each participant of *ill* that `is_bad`, with its network."""
        for seen in ill:
            if is_bad(seen):
                for tally in self._common_of(seen.place).bad_in:
                    tally[seen.place.conference].append(seen.network)

    def _common_of(self, place: Place) -> "_Common":
        """Return the tables that count the participants at *place*."""
        key = place[1:5]
        found = self._commons.get(key)
        if found is None:
            found = self._commons[key] = _Common(self._groups_of(*key))
        return found

    def _groups_of(self, bridge: str, region: str, browser: str, relay: str) -> list[Group]:
        """Return the groups of participants with this bridge, region, browser and relay."""
        groups = self.groups
        found = [self.fleet, groups[Scope.REGION][region]]
        if bridge:
            found.append(groups[Scope.BRIDGE][bridge])
        if browser:
            found.append(groups[Scope.BROWSER][browser])
        if relay:
            found.append(groups[Scope.RELAY][relay])
        return found

    def share_without(self, of: Group) -> float:
        """Return the fleet's `share`, computed without the participants of the group *of*."""
        fleet = self.fleet
        share, known = fleet.bad_rooms, fleet.known_rooms
        for name, part in of.rooms.items():
            room = fleet.rooms[name]
            share -= room.share
            known -= room.known > 0
            if left := room.known - part.known:
                share += (room.bad - part.bad) / left
                known += 1
        known -= sum(fleet.known_in[name] == part for name, part in of.sound.items())
        return max(0.0, share) / known if known else 0.0

    @staticmethod
    def region_share_without(of: Group, bridge: Group) -> float:
        """Return the `share` of the region *of*, computed without the participants on *bridge*."""
        share = known = 0.0
        for name, room in of.rooms.items():
            part = bridge.rooms.get(name, _NOBODY)
            if room.known > part.known:
                share += (room.bad - part.bad) / (room.known - part.known)
                known += 1
        known += sum(people > bridge.sound.get(name, 0) for name, people in of.sound.items())
        return share / known if known else 0.0

    def bridges_of(self, region: str) -> Groups:
        """Return bridge -> group, for each bridge on which a participant reports *region*."""
        bridges = self.groups[Scope.BRIDGE]
        return {name: of for name, of in bridges.items() if region in self._regions_of[name]}

    def region_of(self, bridge: str) -> str:
        """Return the region that most participants on *bridge* report."""
        return self._regions_of[bridge].most_common(1)[0][0]


def is_bad(seen: Seen) -> bool:
    """Say whether *seen* uses a bridge and is bad, with a cause that others may share."""
    return seen.state == State.BAD and seen.cause in OF_OTHERS and not seen.place.is_direct
