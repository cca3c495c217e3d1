"""
Finds what stands out: the fleet, region, bridge, relay, browser or conference that is bad.

A pure function of one look at all participants. The unit is the conference with its share of bad
participants, because a conference is one event: forty participants in one bad conference do not
make a bad bridge. Only participants on a bridge with a known state count, and only causes of the
network: a slow computer affects no other participant.

docs/verdict.md shows the THRESHOLDS.
"""

from collections.abc import Iterator
from heapq import nlargest
from math import sqrt
from typing import Final, NamedTuple

from otel_jcmc.verdict.census import Census, Group, Scope
from otel_jcmc.verdict.completing import complete
from otel_jcmc.verdict.everybody import Everybody


class Thresholds(NamedTuple):
    """
    The limits beyond which something stands out.

    Attributes:
        share: mean share of bad above which a fleet stands out; also the least for a region or
            bridge.
        fleet_conferences: a fleet has at least this many.
        times: a region or a bridge is this many times as bad as the rest.
        z: of Wilson's interval, whose lower end counts.
        conferences, networks: a region or a bridge has at least this many bad ones. Networks are
            those of the callers: invented conferences from one network cannot blame a bridge.
            small_conferences, small_people, nearly_all: for a small fleet, or a bridge or region
            with few conferences. On average most participants are bad, and at least half in that
            share of the conferences. If none of the conferences may be left out, most are bad in
            each.
        conference_bad, conference_share: a conference has at least this many bad participants, and
            they are over that share of the known ones.
        most: "most" is over this share of the known participants.
        reporting: least share of a conference that reports.
        told: most conferences, and most senders, that stand out; the worst ones.
    """

    share: float = 0.2
    fleet_conferences: int = 10
    times: float = 3
    z: float = 3
    conferences: int = 3
    networks: int = 3
    small_conferences: int = 2
    small_people: int = 5
    nearly_all: float = 0.75
    conference_bad: int = 3
    conference_share: float = 0.6
    most: float = 0.5
    reporting: float = 0.5
    told: int = 200


THRESHOLDS: Final = Thresholds()


class Coverage(NamedTuple):
    """Numbers of participants behind a statement: bad, known, reporting, present."""

    bad: int
    known: int
    reporting: int
    present: int


class Standing(NamedTuple):
    """
    One thing that stands out.

    Attributes:
        name: of the region, bridge, relay, browser or conference; for a sender see `sender_name`;
            empty: the fleet, or a region without a name.
        region: the region of a bridge, if known.
        share: mean of its conferences' shares of bad participants.
        client: client id of a sender; empty: not known.
    """

    scope: Scope
    name: str
    region: str
    share: float
    coverage: Coverage
    client: str = ""


def sender_name(conference: str, participant: str) -> str:
    """Return the name of a sender that stands out: `conference/participant`."""
    return f"{conference}/{participant}"


def lower_bound(share: float, count: int, z: float = THRESHOLDS.z) -> float:
    """Return the lower end of Wilson's interval for a *share* of *count*; 0 if *count* is 0."""
    if not count:
        return 0.0
    square = z * z / count
    middle = share + square / 2
    spread = z * sqrt(share * (1 - share) / count + square / (4 * count))
    return max(0.0, (middle - spread) / (1 + square))


def standing_out(everybody: Everybody, thresholds: Thresholds = THRESHOLDS) -> list[Standing]:
    """
    Return what stands out among *everybody*, whose causes are settled (settling.py).

    Only the widest of fleet, region, bridge and conference stands out, for everything in it.
    Relays and browsers stand out in addition. settling.py finds senders.
    """
    census = Census(complete(everybody))
    wide = list(_wide(census, thresholds))
    found = wide + [
        _standing(census, scope, name)
        for scope in (Scope.RELAY, Scope.BROWSER)
        for name, of in census.groups[scope].items()
        if len(census.groups[scope]) > 1 and _is_apart(census, of, thresholds)
    ]
    told = set[str]().union(*(census.groups[each.scope][each.name].rooms for each in wide))
    return found + _conferences(census, told, thresholds)


def _wide(census: Census, thresholds: Thresholds) -> Iterator[Standing]:
    """Return the fleet, or the regions and bridges that stand out."""
    bridges, regions = census.groups[Scope.BRIDGE], census.groups[Scope.REGION]
    if _is_fleet(census, thresholds) or (len(bridges) < 2 and _is_small(census.fleet, thresholds)):
        yield _standing(census, Scope.FLEET, "")
        return
    bad = {
        name
        for name, of in bridges.items()
        if len(bridges) > 1 and (_is_apart(census, of, thresholds) or _is_small(of, thresholds))
    }
    # A region stands out in place of its bridges.
    wide = {
        name
        for name, of in regions.items()
        if len(regions) > 1 and _is_region(census, name, of, bad, thresholds)
    }
    yield from (_standing(census, Scope.REGION, name) for name in wide)
    yield from (
        _standing(census, Scope.BRIDGE, name) for name in bad if census.region_of(name) not in wide
    )


def _standing(census: Census, scope: Scope, name: str) -> Standing:
    """Return a group as a thing that stands out."""
    region = census.region_of(name) if scope is Scope.BRIDGE else ""
    if scope is Scope.REGION:
        region = name
    of = census.groups[scope][name]
    people = of.people()
    present = census.present(people.keys())
    coverage = Coverage(
        sum(room.bad for room in of.rooms.values()),
        of.known,
        sum(people.values()),
        sum(max(count, present.get(conference, 0)) for conference, count in people.items()),
    )
    return Standing(scope, name, region, of.share, coverage)


def _is_fleet(census: Census, thresholds: Thresholds) -> bool:
    """
    Say whether the fleet is bad, also without its worst region and without its worst bridge.

    The rest must be at least half as bad as that one. Otherwise that one is bad, and a few
    participants for reasons of their own.
    """
    fleet = census.fleet
    if fleet.known_rooms < thresholds.fleet_conferences or fleet.share <= thresholds.share:
        return False
    for groups in (census.groups[Scope.REGION], census.groups[Scope.BRIDGE]):
        if len(groups) > 1:
            worst = max(groups.values(), key=lambda of: of.bad_rooms)
            rest = census.share_without(worst)
            if rest <= thresholds.share or rest < worst.share / 2:
                return False
    return True


def _is_small(of: Group, thresholds: Thresholds) -> bool:
    """
    Say whether most are bad in a few conferences: on average, and at least half in nearly each.

    With two or three conferences, most must be bad in each: one of two participants may be bad
    alone. If all bad ones are in one network, the answer is no: the network is bad, or one sender
    invents conferences.
    """
    if of.share <= thresholds.most:
        return False
    known = of.known_rooms
    least = thresholds.nearly_all * known
    is_each = least > known - 1
    half = sum(
        room.share > thresholds.most or (room.share == thresholds.most and not is_each)
        for room in of.rooms.values()
    )
    if half < least:
        return False
    networks = of.networks
    return (
        (len(networks) != 1 or networks == {""})
        and known >= thresholds.small_conferences
        and of.known >= thresholds.small_people
    )


def _is_apart(census: Census, of: Group, thresholds: Thresholds) -> bool:
    """Say whether *of* is worse than the rest, also without its worst conference."""
    if len(of.bad_in) < thresholds.conferences or of.share <= thresholds.share:
        return False
    if len(of.networks - {""}) < thresholds.networks:
        return False
    bad = {name: room for name, room in of.rooms.items() if room.bad}
    rest = census.share_without(of)
    worst = max(bad, key=lambda name: (bad[name].share, bad[name].bad))
    return all(_is_worse(each, rest, thresholds) for each in (of, of.without(worst)))


def _is_worse(of: Group, rest: float, thresholds: Thresholds) -> bool:
    least = lower_bound(of.share, of.known_rooms, thresholds.z)
    return least > thresholds.share and least > thresholds.times * rest


def _is_region(census: Census, name: str, of: Group, bad: set[str], thresholds: Thresholds) -> bool:
    """Say whether a region stands out, and not only because of its worst bridge."""
    bridges = census.bridges_of(name)
    if len(bridges) == 1:
        return False
    if bridges and bridges.keys() <= bad:
        return True
    if not (_is_apart(census, of, thresholds) or _is_small_region(of, thresholds)):
        return False
    if not bridges:
        return True
    worst = max(bridges.values(), key=lambda bridge: bridge.share)
    return census.region_share_without(of, worst) >= worst.share / 2


def _is_small_region(of: Group, thresholds: Thresholds) -> bool:
    """Say whether a region has few conferences in which most are bad, from several networks."""
    return (
        len(of.bad_in) >= thresholds.conferences
        and len(of.networks - {""}) >= thresholds.networks
        and _is_small(of, thresholds)
    )


def _conferences(census: Census, told: set[str], thresholds: Thresholds) -> list[Standing]:
    """Return the worst conferences in which most are bad, without those already *told*."""
    bad = {
        name: room
        for name, room in census.fleet.rooms.items()
        if room.bad >= thresholds.conference_bad
        and room.share > thresholds.conference_share
        and name not in told
    }
    present = census.present(bad.keys()) if bad else {}
    found = []
    for name, room in bad.items():
        there = max(room.people, present.get(name, 0))
        coverage = Coverage(room.bad, room.known, room.people, there)
        if room.people >= thresholds.reporting * there:
            found.append(Standing(Scope.CONFERENCE, name, "", room.share, coverage))
    return nlargest(thresholds.told, found, key=lambda each: (each.coverage.bad, each.share))
