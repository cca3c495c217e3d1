"""
Finds what stands out: the fleet, regions, bridges, relays, browsers or conferences that are bad.

The input is all live participants at one time; earlier results do not matter. Each conference
counts once, with its share of bad participants: forty participants in one bad conference do not
make a bad bridge. Only participants that use a bridge and have a known state count. A participant
counts as bad only if its cause is in the network: a slow computer affects no other participant.

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
        share: a fleet, region or bridge stands out only if its mean share of bad participants is
            above this.
        fleet_conferences: a fleet stands out only if it has at least this many conferences.
        times: a region or bridge stands out only if its share of bad participants is more than this
            many times the share elsewhere.
        z: half the width of Wilson's interval, in standard deviations. The lower end of the
            interval is compared with the two thresholds above.
        conferences, networks: a region or bridge stands out only if it has bad participants in at
            least this many conferences, and from at least this many networks. So one attacker in
            one network cannot blame a bridge by pushes of invented conferences.
        small_conferences, small_people: a small fleet, or a bridge or region with few
            conferences, stands out only if it has at least this many conferences and this many
            participants with a known state. The share of bad participants in the group must be
            over `most`.
        nearly_all: in at least this share of the conferences of such a small group, half of the
            participants or more must be bad. If the group is so small that this means every
            conference, more than half must be bad in each conference.
        conference_bad, conference_share: a conference stands out only if it has at least this many
            bad participants, and if more than this share of its known participants is bad.
        most: a small group stands out only if its share of bad participants is over this share.
        reporting: a conference stands out only if at least this share of its participants report.
        told: at most this many conferences, and this many senders, stand out: the worst of them.
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
    """
    The numbers of participants from which something was found to stand out.

    Attributes:
        bad: participants with a bad call.
        known: participants with a known state.
        reporting: participants that push.
        present: participants in the conferences, also those that do not push.
    """

    bad: int
    known: int
    reporting: int
    present: int


class Standing(NamedTuple):
    """
    One thing that stands out.

    Attributes:
        name: name of the region, bridge, relay, browser or conference; for a sender
            `conference/participant`; empty for the fleet, or for a region without a name.
        region: the region of a bridge, if known.
        share: share of bad participants, as the mean over the conferences.
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
    """
    Return the least share that is still likely, if *share* was seen in *count* conferences.

    It is the lower end of Wilson's interval for *z* standard deviations; 0 if *count* is 0.
    """
    if not count:
        return 0.0
    square = z * z / count
    middle = share + square / 2
    spread = z * sqrt(share * (1 - share) / count + square / (4 * count))
    return max(0.0, (middle - spread) / (1 + square))


def standing_out(everybody: Everybody, thresholds: Thresholds = THRESHOLDS) -> list[Standing]:
    """
    Return the things that stand out in *everybody*; settling.py must have settled the causes.

    If the fleet stands out, no region, bridge or conference stands out. If a region stands out, its
    bridges and conferences do not; if a bridge stands out, its conferences do not. Relays and
    browsers can stand out at the same time. Senders are not in the result: settling.py finds them.
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
    """Return the fleet if it stands out, otherwise the regions and bridges that stand out."""
    bridges, regions = census.groups[Scope.BRIDGE], census.groups[Scope.REGION]
    if _is_fleet(census, thresholds) or (len(bridges) < 2 and _is_small(census.fleet, thresholds)):
        yield _standing(census, Scope.FLEET, "")
        return
    bad = {
        name
        for name, of in bridges.items()
        if len(bridges) > 1 and (_is_apart(census, of, thresholds) or _is_small(of, thresholds))
    }
    # If a region stands out, its bridges do not stand out.
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
    """Return the group *name* of *scope* as a thing that stands out."""
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
    Say whether the fleet is bad, even without its worst region, and without its worst bridge.

    Without that region or bridge, the fleet's share of bad participants must be at least half of
    the share in that region or bridge. Otherwise the fault is in that region or bridge alone, and a
    few other participants are bad for reasons of their own.
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
    Say whether more than half of the participants of a group with few conferences are bad.

    The mean share of bad participants must be over a half. In nearly every conference it must be at
    least a half. With two or three conferences it must be over a half in every conference, because
    one of two participants may be bad for a reason of its own. The result is False if all bad
    participants are in one network: that network is bad, or an attacker there invents conferences.
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
    """
    Say whether *of* is clearly worse than the rest of the fleet.

    It must be so even without the worst conference of *of*.
    """
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
    """Say whether the region *name* is bad, and not only because of its worst bridge."""
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
    """Say whether more than half of a small region's participants are bad, in several networks."""
    return (
        len(of.bad_in) >= thresholds.conferences
        and len(of.networks - {""}) >= thresholds.networks
        and _is_small(of, thresholds)
    )


def _conferences(census: Census, told: set[str], thresholds: Thresholds) -> list[Standing]:
    """Return the worst conferences, but none of *told*, which are in groups that stand out."""
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
