"""A quiet quarter of an hour: little stands out by chance, and only for a short time."""

import random
from collections import Counter

import pytest
from crowds.quiet import fleet_of_fives, hold_quiet

# By the looks of ten minutes; with over half of a room the first would have a conference for five.
LOOKS = 60


@pytest.mark.parametrize("seed", range(1, 5))
def test_people_who_are_bad_by_themselves_make_nothing_stand_out(seed: int) -> None:
    """Ten of 100,000 looks at a conference were allowed, and none for three looks."""
    found = hold_quiet(4000, LOOKS, seed)
    assert found.conference_looks > 45_000
    assert found.conferences <= 4
    assert found.longest < 3
    assert found.wide == 0
    assert found.senders <= LOOKS


def test_most_people_are_in_rooms_of_five() -> None:
    fleet = fleet_of_fives(random.Random(1), 10_000)
    sizes = Counter(len(person.room.people) for person in fleet.people)
    assert 9_500 < len(fleet.people) < 10_500
    assert sizes[5] == 8_000
