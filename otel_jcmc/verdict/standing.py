"""
What stands out: of everybody's state and cause, which fleet, region, bridge or conference is bad.

A pure function of one look at everybody. The unit is the conference with its share of bad, since a
room is one event: forty people in one bad room are no bad bridge. Only who is by a bridge and of
whom a state is known counts, and only causes of the network: a slow computer is nobody else's.

Thresholds are THRESHOLDS, which docs/verdict.md shows.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from enum import StrEnum
from math import sqrt
from typing import Final, NamedTuple

from otel_jcmc.verdict import rules
from otel_jcmc.verdict.rules import State

# What somebody else's network or sending may be to blame for.
_OF_OTHERS: Final = rules.OF_NETWORK | {rules.OUTAGE.id}


class Scope(StrEnum):
    """How much stands out."""

    FLEET = "fleet"
    REGION = "region"
    BRIDGE = "bridge"
    CONFERENCE = "conference"


class Thresholds(NamedTuple):
    """
    From where on something stands out.

    Attributes:
        share: of all conferences' shares, of a fleet; and the least of a region or a bridge.
        fleet_conferences: a fleet has so many at least.
        times: a region or a bridge is so many times as bad as the rest.
        z: of Wilson's interval, whose lower end counts.
        conferences, networks: a region or a bridge has so many at least that are bad. Networks
            are those of the callers, so that made-up rooms of one network frame nobody.
        small_conferences, small_people: of a small fleet, when most of everybody is bad.
        conference_bad: a conference has so many at least who are bad.
        most: over so much of those known is most.
        reporting: so much of a room reports.
    """

    share: float = 0.2
    fleet_conferences: int = 10
    times: float = 3
    z: float = 4
    conferences: int = 3
    networks: int = 3
    small_conferences: int = 2
    small_people: int = 5
    conference_bad: int = 3
    most: float = 0.5
    reporting: float = 0.5


THRESHOLDS: Final = Thresholds()


class Seen(NamedTuple):
    """
    One live participant, as far as it matters here.

    Attributes:
        state: None: not known.
        cause: id of rules.CAUSES; 0: none.
        bridge, region: empty: not known.
        network: a short keyed hash of the caller's network; empty: not known.
        present: how many the participant sees in its room; 0: not known.
        is_direct: it is connected to a peer.
    """

    conference: str
    state: int | None
    cause: int = 0
    bridge: str = ""
    region: str = ""
    network: str = ""
    present: int = 0
    is_direct: bool = False


class Coverage(NamedTuple):
    """Of whom something is said: bad, of known, of reporting, of present."""

    bad: int
    known: int
    reporting: int
    present: int


class Standing(NamedTuple):
    """
    One thing that stands out.

    Attributes:
        name: of the region, the bridge or the conference; empty: the fleet, or a region that
            nobody has named.
        region: where a bridge is, as far as it is known.
        share: of bad, the mean of its conferences' shares.
    """

    scope: Scope
    name: str
    region: str
    share: float
    coverage: Coverage


class _Room:
    """One conference, or the part of it that is on one bridge or in one region."""

    __slots__ = ("bad", "bad_networks", "known", "people", "present")

    def __init__(self) -> None:
        self.people = self.known = self.bad = self.present = 0
        self.bad_networks: set[str] = set()

    def add(self, seen: Seen) -> None:
        """Count one participant."""
        self.people += 1
        self.present = max(self.present, seen.present)
        if seen.state is None:
            return
        self.known += 1
        if is_bad(seen):
            self.bad += 1
            self.bad_networks.add(seen.network)

    @property
    def share(self) -> float:
        return self.bad / self.known if self.known else 0.0


_Rooms = dict[str, _Room]


def is_bad(seen: Seen) -> bool:
    """Say whether *seen* is bad by a cause that others may share."""
    return seen.state == State.BAD and seen.cause in _OF_OTHERS


def lower_bound(share: float, count: int, z: float = THRESHOLDS.z) -> float:
    """Return the lower end of Wilson's interval for a *share* of *count*; 0 of none."""
    if not count:
        return 0.0
    square = z * z / count
    middle = share + square / 2
    spread = z * sqrt(share * (1 - share) / count + square / (4 * count))
    return max(0.0, (middle - spread) / (1 + square))


def standing_out(everybody: Iterable[Seen], thresholds: Thresholds = THRESHOLDS) -> list[Standing]:
    """Return what stands out among *everybody*: the widest alone, or a region and its bridge."""
    rooms: _Rooms = defaultdict(_Room)
    bridges: dict[str, _Rooms] = defaultdict(lambda: defaultdict(_Room))
    regions: dict[str, _Rooms] = defaultdict(lambda: defaultdict(_Room))
    region_of: dict[str, Counter[str]] = defaultdict(Counter)
    of_region: dict[str, set[str]] = defaultdict(set)
    for seen in everybody:
        if seen.is_direct:
            continue
        rooms[seen.conference].add(seen)
        regions[seen.region][seen.conference].add(seen)
        if seen.bridge:
            bridges[seen.bridge][seen.conference].add(seen)
            region_of[seen.bridge][seen.region] += 1
            of_region[seen.region].add(seen.bridge)
    if _is_fleet(rooms, thresholds) or (len(bridges) < 2 and _is_small(rooms, thresholds)):
        return [_standing(Scope.FLEET, "", "", rooms)]
    found = [
        _standing(Scope.BRIDGE, name, region_of[name].most_common(1)[0][0], of)
        for name, of in bridges.items()
        if _is_apart(of, _without(rooms, of), thresholds) or _is_small(of, thresholds)
    ]
    found += [
        _standing(Scope.REGION, name, name, of)
        for name, of in regions.items()
        if len(regions) > 1
        and len(of_region[name]) != 1
        and _is_apart(of, _without(rooms, of), thresholds)
        and _is_region(of, [bridges[each] for each in of_region[name]], rooms, thresholds)
    ]
    # What is wider says it for what is in it.
    wide = {each.name for each in found if each.scope is Scope.REGION}
    found = [each for each in found if each.scope is Scope.REGION or each.region not in wide]
    return found or [
        _standing(Scope.CONFERENCE, name, "", {name: room})
        for name, room in rooms.items()
        if _is_conference(room, thresholds)
    ]


def _standing(scope: Scope, name: str, region: str, rooms: Mapping[str, _Room]) -> Standing:
    all_ = rooms.values()
    coverage = Coverage(
        sum(room.bad for room in all_),
        sum(room.known for room in all_),
        sum(room.people for room in all_),
        sum(max(room.present, room.people) for room in all_),
    )
    return Standing(scope, name, region, _share(rooms), coverage)


def _known(rooms: Mapping[str, _Room]) -> list[_Room]:
    return [room for room in rooms.values() if room.known]


def _share(rooms: Mapping[str, _Room]) -> float:
    """Return the mean of the shares of those *rooms* of which something is known."""
    known = _known(rooms)
    return sum(room.share for room in known) / len(known) if known else 0.0


def _without(rooms: _Rooms, of: Mapping[str, _Room]) -> _Rooms:
    """Return *rooms* less what is counted in *of*."""
    rest: _Rooms = {}
    for name, room in rooms.items():
        part = of.get(name)
        if part is None:
            rest[name] = room
        elif room.people > part.people:
            left = rest[name] = _Room()
            left.people, left.known = room.people - part.people, room.known - part.known
            left.bad, left.present = room.bad - part.bad, room.present
    return rest


def _is_fleet(rooms: _Rooms, thresholds: Thresholds) -> bool:
    known = _known(rooms)
    return len(known) >= thresholds.fleet_conferences and _share(rooms) > thresholds.share


def _is_small(rooms: Mapping[str, _Room], thresholds: Thresholds) -> bool:
    """
    Say whether of each of a few rooms most are bad.

    Not where all of those are in one network: then it is that, or somebody who makes rooms up.
    """
    known = _known(rooms)
    networks = set().union(*(room.bad_networks for room in known)) if known else set()
    return (len(networks) != 1 or networks == {""}) and (
        len(known) >= thresholds.small_conferences
        and sum(room.known for room in known) >= thresholds.small_people
        and all(room.share > thresholds.most for room in known)
    )


def _is_apart(of: _Rooms, rest: _Rooms, thresholds: Thresholds) -> bool:
    """Say whether *of* is worse than *rest*, also without its worst room."""
    bad = [name for name, room in of.items() if room.bad]
    networks = set().union(*(of[name].bad_networks for name in bad)) - {""} if bad else set()
    if len(bad) < thresholds.conferences or len(networks) < thresholds.networks:
        return False
    worst = max(bad, key=lambda name: (of[name].share, of[name].bad))
    return _is_worse(of, rest, thresholds) and _is_worse(
        {name: room for name, room in of.items() if name != worst}, rest, thresholds
    )


def _is_worse(of: _Rooms, rest: _Rooms, thresholds: Thresholds) -> bool:
    least = lower_bound(_share(of), len(_known(of)), thresholds.z)
    return least > thresholds.share and least > thresholds.times * _share(rest)


def _is_region(of: _Rooms, bridges: list[_Rooms], rooms: _Rooms, thresholds: Thresholds) -> bool:
    """Say whether a region stands out also without its worst bridge, where bridges are known."""
    if not bridges:
        return True
    worst = max(bridges, key=_share)
    return _is_apart(_without(of, worst), _without(rooms, of), thresholds)


def _is_conference(room: _Room, thresholds: Thresholds) -> bool:
    return (
        room.bad >= thresholds.conference_bad
        and room.share > thresholds.most
        and room.people >= thresholds.reporting * room.present
    )
