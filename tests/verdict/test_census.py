"""verdict/census.py: conferences without a bad call have the same numbers as the others."""

from verdict.test_standing import person

from otel_jcmc.verdict.census import Census, Group, Scope
from otel_jcmc.verdict.everybody import Seen, everybody_of


def census(*people: Seen) -> Census:
    return Census(everybody_of(people))


def on(bridge: str, *people: Seen) -> Group:
    return census(*people).groups[Scope.BRIDGE][bridge]


def test_conferences_count_alike_with_somebody_bad_and_without() -> None:
    group = on("a", person("x", bad=True, bridge="a"), *4 * [person("y", bridge="a")])
    assert (group.known_rooms, group.known, group.share) == (2, 5, 0.5)
    assert group.people() == {"x": 1, "y": 4}


def test_objects_are_made_of_conferences_with_somebody_bad_alone() -> None:
    counted = census(person("x", bad=True), person("x", bridge="b"), person("y"), person("z"))
    assert set(counted.fleet.rooms) == {"x"}
    assert counted.fleet.sound == {"y": 1, "z": 1}
    # With the good participants of a conference: they are part of what stands out.
    assert set(counted.groups[Scope.BRIDGE]["b"].rooms) == {"x"}


def test_of_whom_nothing_is_known_counts_as_there_alone() -> None:
    nobody = person("y", bridge="a", state=None)
    group = on("a", person("x", bad=True, bridge="a"), person("x", bridge="a", state=None), nobody)
    assert (group.known_rooms, group.known, group.share) == (1, 1, 1.0)
    assert group.people() == {"x": 2, "y": 1}


def test_who_is_connected_to_a_peer_is_counted_nowhere() -> None:
    direct = person("x")
    direct = direct._replace(place=direct.place._replace(is_direct=True))
    assert census(direct).fleet.people() == {}


def test_the_rest_has_no_conference_whose_known_people_are_all_in_the_part() -> None:
    """Beside the bad one, one conference is only on bridge a, one on both bridges, one on b."""
    people = [person("bad", bad=True, bridge="b"), person("only", bridge="a")]
    people += [person("both", bridge=bridge) for bridge in ("a", "b")] + [person("other")]
    counted = census(*people)
    assert counted.share_without(counted.groups[Scope.BRIDGE]["a"]) == 1 / 3


def test_the_rest_of_a_region_has_conferences_that_are_on_another_bridge_too() -> None:
    people = [person("bad", bad=True, bridge="a"), person("bad", bad=True, bridge="b")]
    people += [person("only", bridge="a"), person("both", bridge="a"), person("both", bridge="b")]
    counted = census(*people)
    region, bridge = counted.groups[Scope.REGION]["eu"], counted.groups[Scope.BRIDGE]["a"]
    assert counted.region_share_without(region, bridge) == 1 / 2


def test_without_one_conference_the_others_stay() -> None:
    group = on("a", *(person(name, bad=True, bridge="a") for name in "xy"), person("z", bridge="a"))
    assert (group.without("x").known_rooms, group.without("x").share) == (2, 0.5)
