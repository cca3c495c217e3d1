"""simulate/stories.py and fleet.py: what happens to whom, and what should stand out."""

import random
from collections import Counter

import pytest

from otel_jcmc.simulate.fleet import Fleet, make_fleet
from otel_jcmc.simulate.stories import NAMES, Told, tell

BEGINS, ENDS = 100.0, 400.0


def told(name: str, rooms: int = 40, size: int | None = None) -> tuple[Fleet, Told]:
    chance = random.Random(5)
    fleet = make_fleet(chance, rooms, size)
    return fleet, tell(name, fleet, chance, BEGINS, ENDS)


@pytest.mark.parametrize(
    ("rooms", "bridges", "regions"), [(2, 1, 1), (20, 4, 2), (100, 4, 2), (2000, 12, 4)]
)
def test_a_larger_fleet_has_more_bridges(rooms: int, bridges: int, regions: int) -> None:
    fleet = make_fleet(random.Random(1), rooms)
    assert len(fleet.rooms) == rooms
    assert len(fleet.bridges) == bridges
    assert len({region for _, region in fleet.bridges}) == regions


def test_rooms_are_of_two_three_eight_and_forty_unless_told_otherwise() -> None:
    sizes = Counter(len(room.people) for room in make_fleet(random.Random(1), 2000).rooms)
    assert set(sizes) == {2, 3, 8, 40}
    assert sizes[2] > sizes[3] > sizes[8] > sizes[40] > 30
    assert {len(room.people) for room in make_fleet(random.Random(1), 9, 8).rooms} == {8}


def test_three_pages_of_ten_are_the_originals() -> None:
    people = make_fleet(random.Random(1), 2000).people
    assert 0.28 < sum(person.is_original for person in people) / len(people) < 0.32
    assert not any(person.is_original for person in make_fleet(random.Random(1), 9, 8, 0).people)


def test_callers_are_of_many_networks_and_some_rooms_of_one() -> None:
    fleet = make_fleet(random.Random(1), 200, 8)
    networks = [
        {person.address.rpartition(".")[0] for person in room.people} for room in fleet.rooms
    ]
    offices = sum(len(each) == 1 for each in networks)
    assert 40 < offices < 80
    assert len(set().union(*networks)) > 400
    assert all(person.address.startswith(("198.18.", "198.19.")) for person in fleet.people)


@pytest.mark.parametrize("name", NAMES)
def test_each_story_happens_to_somebody(name: str) -> None:
    _, found = told(name)
    assert found.happenings
    if name != "quiet":
        assert all(BEGINS <= each.begins < BEGINS + 2 for each in found.happenings)
        assert {each.ends for each in found.happenings} == {ENDS}


@pytest.mark.parametrize("cause", ["outage", "downlink", "device", "path", "pair"])
def test_a_cause_happens_to_few_by_themselves(cause: str) -> None:
    _, found = told(cause)
    assert {(each.cause, each.scope) for each in found.happenings} == {(cause, "participant")}
    assert found.standing == []
    rooms = Counter(each.person.room.name for each in found.happenings)
    assert set(rooms.values()) == {2 if cause == "pair" else 1}
    assert len(rooms) == 4


def test_who_sends_badly_is_heard_badly_by_everybody_else() -> None:
    _, found = told("sender", size=8)
    by_room: dict[str, list[str]] = {}
    for each in found.happenings:
        by_room.setdefault(each.person.room.name, []).append(each.cause)
        assert each.scope == "sender"
        if each.cause == "received":
            assert each.source is not None
            assert each.source.is_sender
    assert len(by_room) == 4
    assert {tuple(sorted(causes)) for causes in by_room.values()} == {
        ("received",) * 7 + ("uplink",)
    }


def test_of_two_without_a_bridge_nobody_can_tell_whose_end_it_is() -> None:
    _, found = told("pair")
    assert {each.kind for each in found.happenings} == {"uplink", "downlink"}
    assert all(each.person.room.is_direct for each in found.happenings)


@pytest.mark.parametrize("scope", ["fleet", "region", "bridge", "conference"])
def test_what_is_wide_reaches_most_and_stands_out(scope: str) -> None:
    fleet, found = told(scope)
    things = {(each.scope, each.name) for each in found.standing}
    assert {each.scope for each in found.happenings} == {scope} == {kind for kind, _ in things}
    reached = {each.person.participant_id for each in found.happenings}
    of = {
        "fleet": [room for room in fleet.rooms if not room.is_direct],
        "region": [room for room in fleet.rooms if ("region", room.region) in things],
        "bridge": [room for room in fleet.rooms if ("bridge", room.bridge) in things],
        "conference": [room for room in fleet.rooms if ("conference", room.name) in things],
    }[scope]
    people = [person for room in of if not room.is_direct for person in room.people]
    assert 0.6 < len(reached) / len(people) < 1
    assert reached <= {person.participant_id for person in people}


def test_where_there_is_one_bridge_it_is_the_fleet_that_stands_out() -> None:
    for name in ("bridge", "region"):
        assert [(each.scope, each.name) for each in told(name, rooms=2)[1].standing] == [
            ("fleet", "")
        ]


def test_in_quiet_times_two_of_a_hundred_have_trouble_at_any_time() -> None:
    fleet, found = told("quiet", rooms=2000)
    for now in (50, 200, 350):
        troubled = sum(each.begins <= now < each.ends for each in found.happenings)
        assert 0.015 < troubled / len(fleet.people) < 0.025
    assert {each.scope for each in found.happenings} == {"participant"}


def test_the_same_chance_tells_the_same() -> None:
    def again() -> list[tuple[str, float, str]]:
        found = told("mixed")[1].happenings
        return [(each.person.participant_id, each.begins, each.kind) for each in found]

    assert again() == again()
