"""verdict/standing.py: what stands out among all participants."""

import random
from functools import cache

import pytest

from otel_jcmc.verdict import standing
from otel_jcmc.verdict.census import Scope
from otel_jcmc.verdict.everybody import Place, Seen, everybody_of
from otel_jcmc.verdict.rules import DOWNLINK, OUTAGE, PAIR, RECEIVED, SLOW_SENDER, State
from otel_jcmc.verdict.standing import Standing, lower_bound

GOOD = State.GOOD


def standing_out(people: list[Seen]) -> list[Standing]:
    return standing.standing_out(everybody_of(people))


def person(
    room: str,
    *,
    bad: bool = False,
    bridge: str = "jvb-1",
    region: str = "eu",
    browser: str = "",
    relay: str = "",
    **other: object,
) -> Seen:
    state, cause = (State.BAD, DOWNLINK.id) if bad else (GOOD, 0)
    place = Place(room, bridge, region, browser, relay)
    made = Seen(place, "ada", state, cause, network=f"net-{room}", present=5)
    return made._replace(**other)  # type: ignore[arg-type]


def rooms(
    count: int, bad: int = 0, *, size: int = 5, name: str = "r", **other: object
) -> list[Seen]:
    """Return *count* conferences of *size*, each with *bad* bad calls."""
    return [
        person(f"{name}{number}", bad=seat < bad, **other)  # type: ignore[arg-type]
        for number in range(count)
        for seat in range(size)
    ]


def told(found: list[Standing]) -> list[tuple[str, str]]:
    return sorted((each.scope.value, each.name) for each in found)


def test_where_all_is_well_nothing_stands_out() -> None:
    assert standing_out([]) == []
    assert standing_out(rooms(50)) == []


def test_a_fleet_stands_out_when_a_fifth_of_its_conferences_is_bad() -> None:
    well = rooms(30, bridge="jvb-1") + rooms(30, name="s", bridge="jvb-2")
    ill = rooms(12, 5, name="t", bridge="jvb-1") + rooms(12, 5, name="u", bridge="jvb-2")
    assert told(standing_out(well + ill)) == [("fleet", "")]
    assert told(standing_out(rooms(9, 5, bridge="a") + rooms(9, 5, name="s", bridge="b"))) == [
        ("fleet", "")
    ]


def test_one_bad_bridge_or_region_of_few_is_not_the_fleet() -> None:
    well = rooms(30, bridge="jvb-1") + rooms(30, name="s", bridge="jvb-2")
    assert told(standing_out(well + rooms(20, 5, name="t", bridge="jvb-3"))) == [
        ("bridge", "jvb-3")
    ]
    us = rooms(10, 5, name="t", bridge="us-1", region="us")
    us += rooms(10, 5, name="u", bridge="us-2", region="us")
    assert told(standing_out(well + us)) == [("region", "us")]


def test_a_bridge_stands_out_from_the_rest() -> None:
    everybody = rooms(60, bridge="jvb-1") + rooms(10, 4, name="s", bridge="jvb-2")
    [found] = standing_out(everybody)
    assert (found.scope, found.name, found.region) == (Scope.BRIDGE, "jvb-2", "eu")
    assert found.share == pytest.approx(0.8)
    assert found.coverage == (40, 50, 50, 50)


def test_a_bridge_that_is_as_bad_as_others_does_not_stand_out() -> None:
    """It has 40 % bad calls, the others have 16 %."""

    def stands_out(others_bad: int) -> bool:
        everybody = rooms(60, 2, bridge="jvb-1")
        everybody += rooms(60, others_bad, name="s", bridge="jvb-2")
        everybody += rooms(300, name="t", bridge="jvb-3")
        return ("bridge", "jvb-1") in told(standing_out(everybody))

    assert stands_out(1)
    assert not stands_out(5)


def test_one_bad_room_is_no_bad_bridge() -> None:
    everybody = rooms(60, bridge="jvb-1") + rooms(9, name="s", bridge="jvb-2")
    everybody += rooms(1, 40, size=40, name="t", bridge="jvb-2")
    assert told(standing_out(everybody)) == [("conference", "t0")]


def test_made_up_rooms_of_one_network_frame_no_bridge() -> None:
    framed = [each._replace(network="one") for each in rooms(10, 4, name="s", bridge="jvb-2")]
    assert Scope.BRIDGE not in {each.scope for each in standing_out(rooms(60) + framed)}


def test_a_region_stands_out_if_it_does_without_its_worst_bridge() -> None:
    well = rooms(120, bridge="jvb-1")
    one = rooms(12, 5, name="s", bridge="us-1", region="us")
    other = rooms(12, name="t", bridge="us-2", region="us")
    assert told(standing_out(well + one + other)) == [("bridge", "us-1")]
    other = rooms(12, 5, name="t", bridge="us-2", region="us")
    assert told(standing_out(well + one + other)) == [("region", "us")]


def test_a_region_of_a_few_rooms_is_held_against_the_other_regions_alone() -> None:
    """Its worst bridge is not part of the rest with which the others are compared."""
    well = rooms(10, size=3, bridge="jvb-1")
    us = rooms(5, 3, size=3, name="s", bridge="us-1", region="us")
    us += rooms(5, 2, size=3, name="t", bridge="us-2", region="us")
    assert told(standing_out(well + us)) == [("region", "us")]


def test_a_region_of_few_small_rooms_stands_out_where_most_are_bad_on_both_bridges() -> None:
    """On each bridge alone, there would be too few participants."""
    well = rooms(8, size=2)
    us = rooms(2, 2, size=2, name="s", bridge="us-1", region="us")
    us += rooms(2, 1, size=2, name="t", bridge="us-2", region="us")
    assert told(standing_out(well + us)) == [("region", "us")]
    two = [each._replace(network=f"net-{at % 2}") for at, each in enumerate(us)]
    assert standing_out(well + two) == []
    us += rooms(2, size=2, name="u", bridge="us-2", region="us")
    assert standing_out(well + us) == []


def test_the_fleet_is_half_as_bad_as_its_worst_bridge_without_it() -> None:
    def fleet(bad: int) -> list[tuple[str, str]]:
        one = rooms(5, 10, size=10, bridge="jvb-1")
        return told(standing_out(one + rooms(5, bad, size=10, name="s", bridge="jvb-2")))

    assert fleet(5) == [("fleet", "")]
    assert fleet(4) == [("bridge", "jvb-1")]


def test_who_tells_no_bridge_is_on_that_of_the_others_of_the_room() -> None:
    """Otherwise the original's clients would be in the region, but on none of its bridges."""
    well = rooms(12, size=4)
    us = rooms(3, 4, size=4, name="s", bridge="us-1", region="us")
    us += rooms(3, 4, size=4, name="s", bridge="", region="us")
    us += rooms(3, size=4, name="t", bridge="us-2", region="us")
    found = standing_out(well + us)
    assert told(found) == [("bridge", "us-1")]
    assert found[0].coverage == (24, 24, 24, 24)


def test_who_talks_to_somebody_without_a_bridge_has_none() -> None:
    """They would be a dozen bad conferences."""
    ill = rooms(12, 2, size=2, bridge="")
    assert told(standing_out(ill)) == [("fleet", "")]
    peers = [
        each._replace(place=each.place._replace(is_direct=True)) if at % 2 else each
        for at, each in enumerate(ill)
    ]
    assert standing_out(peers) == []


def test_a_bridge_with_bad_rooms_beside_one_with_a_few_is_no_region() -> None:
    well = rooms(60, bridge="jvb-1")
    us = rooms(12, 5, name="s", bridge="us-1", region="us")
    us += rooms(9, name="t", bridge="us-2", region="us")
    us += rooms(3, 5, name="u", bridge="us-2", region="us")
    assert ("bridge", "us-1") in told(standing_out(well + us))


def test_a_region_all_of_whose_small_bridges_stand_out_is_told_once() -> None:
    well = rooms(9, size=4)
    us = rooms(2, 3, size=4, name="s", bridge="us-1", region="us")
    us += rooms(2, 3, size=4, name="t", bridge="us-2", region="us")
    assert told(standing_out(well + us)) == [("region", "us")]


def test_a_conference_on_another_bridge_stands_out_beside_a_bad_one() -> None:
    everybody = rooms(60, bridge="jvb-1") + rooms(10, 4, name="s", bridge="jvb-2")
    everybody += rooms(1, 4, name="t", bridge="jvb-1")
    assert told(standing_out(everybody)) == [("bridge", "jvb-2"), ("conference", "t0")]


def test_a_region_of_one_bridge_is_the_bridge() -> None:
    everybody = rooms(60) + rooms(12, 5, name="s", bridge="us-1", region="us")
    assert told(standing_out(everybody)) == [("bridge", "us-1")]


def test_a_relay_and_a_browser_stand_out_beside_the_rest() -> None:
    well = rooms(60, browser="Chrome 126", relay="turn-1")
    ill = rooms(12, 5, name="s", browser="Firefox 128", relay="turn-2")
    wide = [each for each in told(standing_out(well + ill)) if each[0] != "conference"]
    assert wide == [("browser", "Firefox 128"), ("relay", "turn-2")]


def test_there_is_no_bridge_to_stand_out_from_where_there_is_one() -> None:
    assert Scope.BRIDGE not in {
        each.scope for each in standing_out(rooms(3) + rooms(6, 5, name="s"))
    }


def test_a_small_fleet_stands_out_when_most_of_everybody_is_bad() -> None:
    assert told(standing_out(rooms(2, 3, size=4))) == [("fleet", "")]
    assert told(standing_out(rooms(2, 3, size=4, bridge=""))) == [("fleet", "")]
    assert told(standing_out(rooms(2, 2, size=4))) == []
    assert told(standing_out(rooms(1, 3, size=4))) == [("conference", "r0")]
    assert told(standing_out(rooms(2, 2, size=2))) == []
    # In a conference of two that is half bad, one may be bad alone.
    half = rooms(1, 4, size=4) + rooms(1, 1, size=2, name="s")
    assert told(standing_out(half)) == [("conference", "r0")]
    networks = [each._replace(network=f"net-{at}") for at, each in enumerate(rooms(1, 5))]
    assert told(standing_out(networks)) == [("conference", "r0")]
    two = rooms(2, 3, size=4) + rooms(3, size=4, name="s", bridge="jvb-2")
    assert told(standing_out(two)) == [("bridge", "jvb-1")]


def test_in_one_of_four_rooms_of_a_small_bridge_few_may_be_bad() -> None:
    well = rooms(20, name="s", bridge="jvb-2")

    def stands_out(bad: int, others: int, halves: int = 0) -> bool:
        small = rooms(bad, 2, size=3, bridge="jvb-1")
        small += rooms(halves, 1, size=2, name="u", bridge="jvb-1")
        small += rooms(others, 1, size=3, name="t", bridge="jvb-1")
        return ("bridge", "jvb-1") in told(standing_out(small + well))

    assert stands_out(3, 1)
    assert not stands_out(2, 1)
    assert not stands_out(1, 1)
    assert stands_out(2, 0, halves=3)
    assert not stands_out(0, 0, halves=4)


def test_a_conference_stands_out_when_three_and_most_are_bad_and_half_report() -> None:
    assert told(standing_out(rooms(20) + rooms(1, 4, name="s"))) == [("conference", "s0")]
    assert told(standing_out(rooms(20) + rooms(1, 3, size=3, name="s"))) == [("conference", "s0")]
    assert standing_out(rooms(20) + rooms(1, 2, size=3, name="s")) == []
    assert standing_out(rooms(20) + rooms(1, 4, size=7, name="s")) == []
    crowd = [each._replace(present=40) for each in rooms(1, 4, name="s")]
    assert standing_out(rooms(20) + crowd) == []


def test_three_of_five_who_are_bad_by_chance_are_no_bad_conference() -> None:
    """Each is bad for a minute: they would be it together in 8 of 100,000 conferences at a time."""
    assert standing_out(rooms(20) + rooms(1, 3, name="s")) == []


@pytest.mark.parametrize(
    "harmless",
    [
        {"cause": SLOW_SENDER.id},
        {"cause": PAIR.id},
        {"cause": 0},
        {"cause": RECEIVED.id},
        {"place": Place("direct", "jvb-1", "eu", is_direct=True)},
        {"state": State.FAIR},
        {"state": None},
    ],
)
def test_what_is_nobody_elses_does_not_count(harmless: dict[str, object]) -> None:
    ill = [each._replace(**harmless) for each in rooms(12, 5, name="s")]  # type: ignore[arg-type]
    assert standing_out(rooms(4) + ill) == []


def test_an_outage_counts() -> None:
    out = [each._replace(cause=OUTAGE.id) for each in rooms(1, 5, name="s")]
    assert told(standing_out(rooms(20) + out)) == [("conference", "s0")]


def test_the_lower_bound_is_wilsons() -> None:
    # By hand: (1 + 16/10 - 4 sqrt(16/100)) / (1 + 16/5) for five of five.
    assert lower_bound(1, 5, 4) == pytest.approx(1 / 4.2)
    # Four completely bad conferences are enough, three are not.
    assert lower_bound(1, 2) == pytest.approx(1 / 5.5)
    assert lower_bound(1, 2) < 0.2 < lower_bound(1, 3)
    assert lower_bound(0, 100) == lower_bound(0.5, 0) == 0


@cache
def two_in_a_hundred() -> list[list[Seen]]:
    """Return fifty fleets, which all mutations of the rules use."""
    chance = random.Random(7)
    return [
        [
            person(f"r{number}", bad=chance.random() < 0.02, bridge=f"jvb-{number % 8}")
            for number in range(400)
            for _ in range(5)
        ]
        for _ in range(50)
    ]


def test_two_in_a_hundred_who_are_bad_by_themselves_make_nothing_stand_out() -> None:
    for everybody in two_in_a_hundred():
        assert {each.scope for each in standing_out(everybody)} <= {Scope.CONFERENCE}
