"""
Everybody by conference, and by what else they have in common: what standing.py compares.

In nearly all conferences nobody is bad. Of those a number each is enough: objects are made of the
others alone.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from otel_jcmc.verdict import rules
from otel_jcmc.verdict.everybody import Counts, Everybody, Place, Seen
from otel_jcmc.verdict.rules import State

# What somebody else's network may be to blame for. What others send is the senders' own.
OF_OTHERS: Final = (rules.OF_NETWORK | {rules.OUTAGE.id}) - {rules.RECEIVED.id}


class Scope(StrEnum):
    """How far something reaches, the widest first; `participant`: it is that one's alone."""

    FLEET = "fleet"
    REGION = "region"
    BRIDGE = "bridge"
    RELAY = "relay"
    BROWSER = "browser"
    CONFERENCE = "conference"
    SENDER = "sender"
    PARTICIPANT = "participant"


# What people may have in common besides the conference.
_COMMON: Final = (Scope.REGION, Scope.BRIDGE, Scope.BROWSER, Scope.RELAY)


class Room:
    """One conference with somebody bad, or the part of it that is on one bridge and so on."""

    __slots__ = ("bad", "known", "networks", "people")

    def __init__(self) -> None:
        """Begin with nobody."""
        self.people = self.known = self.bad = 0
        # Of those who are bad.
        self.networks: frozenset[str] = frozenset()

    def count(self, people: int, *, is_known: bool) -> None:
        """Count so many *people*."""
        self.people += people
        if is_known:
            self.known += people

    @property
    def share(self) -> float:
        """Of those known, how many are bad; 0 of nobody."""
        return self.bad / self.known if self.known else 0.0


class Group:
    """
    Conferences, or the part of each that is in one region, on one bridge and so on.

    Attributes:
        rooms: those with somebody bad, be it in another part.
        sound: the others of which something is known -> of how many people.
        unknown: the others -> of how many people nothing is known.
    """

    __slots__ = ("rooms", "sound", "unknown")

    def __init__(self) -> None:
        """Begin with none."""
        self.rooms: dict[str, Room] = defaultdict(Room)
        self.sound: dict[str, int] = defaultdict(int)
        self.unknown: dict[str, int] = defaultdict(int)

    @property
    def known_rooms(self) -> int:
        """Of how many conferences something is known."""
        return len(self.sound) + sum(room.known > 0 for room in self.rooms.values())

    @property
    def known(self) -> int:
        """Of how many people something is known."""
        return sum(self.sound.values()) + sum(room.known for room in self.rooms.values())

    @property
    def bad_rooms(self) -> float:
        """How many whole rooms would be as bad as these together: the sum of their shares."""
        return sum(room.share for room in self.rooms.values())

    @property
    def share(self) -> float:
        """The mean of the shares of those conferences of which something is known; 0 of none."""
        known = self.known_rooms
        return self.bad_rooms / known if known else 0.0

    def people(self) -> Mapping[str, int]:
        """Return how many are in each conference."""
        found = Counter(self.sound)
        found.update(self.unknown)
        found.update({name: room.people for name, room in self.rooms.items()})
        return found

    def without(self, conference: str) -> "Group":
        """Return all but *conference*, one of the rooms."""
        rest = Group()
        rest.rooms = {name: room for name, room in self.rooms.items() if name != conference}
        rest.sound, rest.unknown = self.sound, self.unknown
        return rest


Groups = dict[str, Group]
_NOBODY: Final = Room()


class Census:
    """
    Everybody by conference, and by what else they have in common.

    Attributes:
        fleet: all conferences.
        groups: of each scope, by name; of the fleet there is one, whose name is empty.
    """

    def __init__(self, everybody: Everybody) -> None:
        """Count *everybody* who is by a bridge."""
        self.fleet = Group()
        self.groups: dict[Scope, Groups] = {scope: defaultdict(Group) for scope in _COMMON}
        self.groups[Scope.FLEET] = {"": self.fleet}
        self._groups_at: dict[tuple[str, str, str, str], list[Group]] = {}
        self._regions_of: dict[str, Counter[str]] = defaultdict(Counter)
        self.present = everybody.present
        bad = [seen for seen in everybody.ill if is_bad(seen)]
        self._count(everybody.counts, {seen.place.conference for seen in bad})
        for seen in bad:
            for group in self._groups_of(seen.place):
                room = group.rooms[seen.place.conference]
                room.bad += 1
                room.networks |= {seen.network}

    def _count(self, counts: Counts, with_bad: set[str]) -> None:
        """Count everybody, with objects for the conferences *with_bad* people alone."""
        for (place, state), people in counts.items():
            if place.is_direct:
                continue
            conference = place.conference
            if place.bridge:
                self._regions_of[place.bridge][place.region] += people
            groups = self._groups_of(place)
            if conference in with_bad:
                for group in groups:
                    group.rooms[conference].count(people, is_known=state is not None)
            elif state is None:
                for group in groups:
                    group.unknown[conference] += people
            else:
                for group in groups:
                    group.sound[conference] += people

    def _groups_of(self, place: Place) -> list[Group]:
        """Return where somebody at *place* is counted."""
        common = place[1:5]  # bridge, region, browser, relay
        if common not in self._groups_at:
            self._groups_at[common] = self._find_groups(*common)
        return self._groups_at[common]

    def _find_groups(self, bridge: str, region: str, browser: str, relay: str) -> list[Group]:
        """Return the groups of all who have these in common."""
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
        """Return the mean of the conferences' shares, less what is counted in *of*."""
        fleet = self.fleet
        share, known = fleet.bad_rooms, fleet.known_rooms
        for name, part in of.rooms.items():
            room = fleet.rooms[name]
            share -= room.share
            known -= room.known > 0
            if left := room.known - part.known:
                share += (room.bad - part.bad) / left
                known += 1
        known -= sum(fleet.sound[name] == part for name, part in of.sound.items())
        return max(0.0, share) / known if known else 0.0

    @staticmethod
    def region_share_without(of: Group, bridge: Group) -> float:
        """Return the mean of the shares of a region's rooms, less who is on one *bridge* of it."""
        share = known = 0.0
        for name, room in of.rooms.items():
            part = bridge.rooms.get(name, _NOBODY)
            if room.known > part.known:
                share += (room.bad - part.bad) / (room.known - part.known)
                known += 1
        known += sum(people > bridge.sound.get(name, 0) for name, people in of.sound.items())
        return share / known if known else 0.0

    def bridges_of(self, region: str) -> Groups:
        """Return each bridge of *region*."""
        bridges = self.groups[Scope.BRIDGE]
        return {name: of for name, of in bridges.items() if region in self._regions_of[name]}

    def region_of(self, bridge: str) -> str:
        """Return where most of those on *bridge* are told to be."""
        return self._regions_of[bridge].most_common(1)[0][0]


def is_bad(seen: Seen) -> bool:
    """Say whether *seen* is bad by a cause that others may share."""
    return seen.state == State.BAD and seen.cause in OF_OTHERS and not seen.place.is_direct
