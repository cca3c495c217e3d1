"""Everybody by conference, and by what else they have in common: what standing.py compares."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Final

from otel_jcmc.verdict import rules
from otel_jcmc.verdict.everybody import Everybody, Place, Seen
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
_PLACES: Final = (Scope.REGION, Scope.BRIDGE, Scope.BROWSER, Scope.RELAY)


class Room:
    """One conference, or the part of it that is on one bridge, in one region and so on."""

    __slots__ = ("bad", "known", "networks", "people")

    def __init__(self) -> None:
        """Begin with nobody."""
        self.people = self.known = self.bad = 0
        # Of those who are bad; nearly always there are none.
        self.networks: frozenset[str] = frozenset()

    @property
    def share(self) -> float:
        """Of those known, how many are bad; 0 of nobody."""
        return self.bad / self.known if self.known else 0.0


Rooms = dict[str, Room]
Groups = dict[str, Rooms]


def _no_rooms() -> Rooms:
    return defaultdict(Room)


class Census:
    """Everybody by conference, and by what else they have in common."""

    def __init__(self, everybody: Everybody) -> None:
        """Count *everybody* who is by a bridge."""
        self.rooms: Rooms = _no_rooms()
        self.groups: dict[Scope, Groups] = {scope: defaultdict(_no_rooms) for scope in _PLACES}
        self.regions_of: dict[str, Counter[str]] = defaultdict(Counter)
        self.present = everybody.present
        self.total_share, self.known_rooms = 0.0, 0
        for (place, state), people in everybody.counts.items():
            if place.is_direct:
                continue
            if place.bridge:
                self.regions_of[place.bridge][place.region] += people
            for room in self._rooms_of(place):
                room.people += people
                if state is not None:
                    room.known += people
        for seen in everybody.ill:
            if is_bad(seen):
                for room in self._rooms_of(seen.place):
                    room.bad += 1
                    room.networks |= {seen.network}
        for room in self.rooms.values():
            self.total_share += room.share
            self.known_rooms += room.known > 0

    def _rooms_of(self, place: Place) -> Iterator[Room]:
        """Return where somebody at *place* is counted."""
        conference, bridge, region, browser, relay, _ = place
        yield self.rooms[conference]
        groups = self.groups
        yield groups[Scope.REGION][region][conference]
        if bridge:
            yield groups[Scope.BRIDGE][bridge][conference]
        if browser:
            yield groups[Scope.BROWSER][browser][conference]
        if relay:
            yield groups[Scope.RELAY][relay][conference]

    @property
    def share(self) -> float:
        """The mean of all conferences' shares."""
        return self.total_share / self.known_rooms if self.known_rooms else 0.0

    def share_without(self, of: Mapping[str, Room]) -> float:
        """Return the mean of the conferences' shares, less what is counted in *of*."""
        share, known = self.total_share, self.known_rooms
        for name, part in of.items():
            room = self.rooms[name]
            share -= room.share
            known -= room.known > 0
            if left := room.known - part.known:
                share += (room.bad - part.bad) / left
                known += 1
        return max(0.0, share) / known if known else 0.0

    @staticmethod
    def region_share_without(of: Rooms, bridge: Rooms) -> float:
        """Return the mean of the shares of a region's rooms, less who is on one *bridge* of it."""
        shares = []
        for name, room in of.items():
            part = bridge.get(name)
            known, bad = (part.known, part.bad) if part else (0, 0)
            if room.known > known:
                shares.append((room.bad - bad) / (room.known - known))
        return sum(shares) / len(shares) if shares else 0.0

    def bridges_of(self, region: str) -> Groups:
        """Return the rooms of each bridge of *region*."""
        bridges = self.groups[Scope.BRIDGE]
        return {name: of for name, of in bridges.items() if region in self.regions_of[name]}

    def region_of(self, bridge: str) -> str:
        """Return where most of those on *bridge* are told to be."""
        return self.regions_of[bridge].most_common(1)[0][0]


def is_bad(seen: Seen) -> bool:
    """Say whether *seen* is bad by a cause that others may share."""
    return seen.state == State.BAD and seen.cause in OF_OTHERS and not seen.place.is_direct
