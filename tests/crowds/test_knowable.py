"""crowds/knowable.py: what the contract decides about the contents of pushes."""

import random

import pytest
from crowds.knowable import Knowable

from otel_jcmc.simulate.fleet import Fleet, Person, Room
from otel_jcmc.simulate.stories import Happening, StandsOut, Told


def room(name: str, size: int, originals: int = 0, bridge: str = "jvb-1") -> Room:
    """Return a room whose first people have pages of the original."""
    made = Room(name, bridge, "eu")
    made.people = [
        Person(
            *("", f"{name}-{seat}", made, "198.18.0.1", "Chromium"),
            is_original=seat < originals,
            is_sender=True,
            offset=random.Random(seat).random(),
        )
        for seat in range(size)
    ]
    return made


def is_known(scope: str, name: str, rooms: list[tuple[Room, int]], kind: str = "downlink") -> bool:
    """Say whether that can be known which happens to the last so many people of each room."""
    happenings = [
        Happening(person, 0, 100, kind, scope)
        for each, bad in rooms
        for person in each.people[len(each.people) - bad :]
    ]
    told = Told(happenings, [StandsOut(scope, name, "eu", 0, 100)])
    return not Knowable(Fleet([each for each, _ in rooms]), told).hidden


@pytest.mark.parametrize(
    ("size", "originals", "bad", "known"),
    [(5, 0, 3, True), (6, 0, 3, False), (5, 0, 2, False), (4, 2, 4, False), (5, 2, 5, True)],
)
def test_of_a_conference_three_tell_and_are_most(
    size: int, originals: int, bad: int, *, known: bool
) -> None:
    rooms = [(room("r", size, originals), bad)]
    assert is_known("conference", "r", rooms, "outage") is known


def test_of_few_rooms_most_are_bad_in_each() -> None:
    assert is_known("fleet", "", [(room("r", 4), 3), (room("s", 3), 2)])
    assert not is_known("fleet", "", [(room("r", 4), 4), (room("s", 2), 1)])
    assert not is_known("fleet", "", [(room("r", 2), 2), (room("s", 2), 2)])
    assert not is_known("fleet", "", [(room("r", 8), 8)])
    four = [(room(f"r{at}", 3), 3) for at in range(3)]
    assert is_known("bridge", "jvb-1", [*four, (room("s", 2), 1)])


def test_a_fleet_of_several_bridges_has_ten_rooms() -> None:
    def fleet(count: int) -> bool:
        rooms = [(room(f"r{at}", 3, bridge=f"jvb-{at % 2}"), 3) for at in range(count)]
        return is_known("fleet", "", rooms)

    assert fleet(10)
    assert not fleet(9)


def test_of_whom_nobody_can_hear_apart_nobody_knows_how_far_it_reaches() -> None:
    three = room("r", 3, originals=2)
    one, other, source = three.people

    def has_scope(*heard: Happening) -> bool:
        happenings = [Happening(source, 0, 100, "uplink", "sender"), *heard]
        return Knowable(Fleet([three]), Told(happenings)).has_scope(source)

    of_two = Happening(one, 0, 100, "received of two", "sender", source)
    assert not has_scope(of_two, of_two._replace(person=other))
    assert has_scope(of_two._replace(kind="received"))
    three.people[1].is_original = False
    assert has_scope(of_two, of_two._replace(person=other))
