"""metrics/snapshot.py: what is reused, and that no verdict lives much longer than its push."""

from typing import Any

import pytest
from harness import CLIENT_ID
from people import judged, people_in, stored_value, told_by

from otel_jcmc.catalogue.attributes import PARTICIPANT
from otel_jcmc.catalogue.metrics import CAUSE_ID, COVERS_ID, STATE_ID
from otel_jcmc.metrics.snapshot import Building, People, Snapshot
from otel_jcmc.store.packed import NOTHING, pack, unpack
from otel_jcmc.store.reads import Live
from otel_jcmc.verdict.rules import State

NOW_US = 1_700_000_000_000_000


def state_of(covers_ms: int | None, left_ms: int, expiration_ms: int = 30_000) -> float | None:
    """Return the state of a participant that was good, and expires in *left_ms*."""
    told = told_by(judged("standup", "ada", State.GOOD)) | {COVERS_ID: covers_ms, CAUSE_ID: 2}
    value = stored_value({id_: each for id_, each in told.items() if each is not None})
    building = Building({}, expiration_ms)
    expiry = str(NOW_US + 1000 * left_ms).encode()
    building.add(Live([b"0" * 32], [expiry], {b"0" * 32: value}, NOW_US))
    [ada] = people_in(building.finish())
    state: float | None = ada.numbers[STATE_ID - 1]
    assert (ada.numbers[CAUSE_ID - 1] is None) == (state is None)
    return state


@pytest.mark.parametrize(
    ("covers_ms", "expiration_ms", "pushed_ms_ago", "state"),
    [
        (2_000, 30_000, 0, State.GOOD),
        (2_000, 30_000, 4_000, State.GOOD),
        (2_000, 30_000, 4_001, None),
        # It lives for three of its intervals, because that is longer.
        (15_000, 30_000, 30_000, State.GOOD),
        (15_000, 30_000, 30_001, None),
        (10_000, 5_000, 20_001, None),
    ],
)
def test_a_push_older_than_two_of_its_intervals_is_no_verdict(
    covers_ms: int, expiration_ms: int, pushed_ms_ago: int, state: State | None
) -> None:
    lives_ms = max(expiration_ms, 3 * covers_ms)
    assert state_of(covers_ms, lives_ms - pushed_ms_ago, expiration_ms) == state


def test_who_tells_no_interval_is_never_late() -> None:
    assert state_of(None, 1) == State.GOOD


def live(people: dict[bytes, float | None], *pages: list[bytes], push: int) -> list[Live]:
    """
    Return *pages* of live participants.

    Those of *people*, with their value of metric 8, have pushed; *push* is a part of their expiry.
    """
    values = {
        name: stored_value({64: "standup", 65: CLIENT_ID, 66: name.decode(), 8: value})
        for name, value in people.items()
    }
    return [
        Live(
            page,
            [b"%d" % push if name in people else b"1" for name in page],
            {name: values[name] for name in page if name in people},
            0,
        )
        for page in pages
    ]


def made_of(known: People, lives: list[Live]) -> Snapshot:
    """Return the snapshot of *lives*, with what is *known*."""
    building = Building(known)
    for each in lives:
        building.add(each)
    return building.finish()


def values_in(snapshot: Snapshot) -> list[dict[str, float | None]]:
    """Return the value of metric 8 of all participants in each part."""
    return [
        {
            stay.attributes[PARTICIPANT.id]: value
            for stay, value in zip(part.stays, part.column(8), strict=True)
        }
        for part in snapshot.parts
    ]


def test_who_has_not_pushed_is_taken_over_from_wherever_he_was() -> None:
    people = {b"a": 1, b"b": 2.5, b"c": 3, b"d": None}
    first = made_of({}, live(people, [b"a", b"b"], [b"c", b"d"], push=1))
    assert values_in(first) == [{"a": 1, "b": 2.5}, {"c": 3, "d": None}]
    # Each page has some of the others, in another order, and one is missing.
    second = made_of(first.people, live({b"b": 7}, [b"d", b"b", b"a"], push=2))
    assert values_in(second) == [{"a": 1, "b": 7, "d": None}]
    third = made_of(second.people, live({}, [b"b"], [b"a", b"d"], push=3))
    assert values_in(third) == [{"b": 7}, {"a": 1, "d": None}]
    by_name = {stay.attributes[PARTICIPANT.id]: stay for stay in first.stays}
    assert all(stay is by_name[stay.attributes[PARTICIPANT.id]] for stay in third.stays)


def test_what_is_known_keeps_no_part_of_an_earlier_snapshot() -> None:
    first = made_of({}, live({b"a": 1, b"b": 2}, [b"a", b"b"], push=1))
    second = made_of(first.people, live({}, [b"b"], [b"a"], push=2))
    for name, (_, part, at) in second.people.items():
        assert part in second.parts
        assert part.stays[at].attributes[PARTICIPANT.id] == name.decode()


@pytest.mark.parametrize(
    "column",
    [
        (1, 1.0, None, 0, -0.0, 97.6, 2**53 + 1, -(2**63), 2**64 - 1, 5e-324),
        ([55], [None, 7.5], None, []),
        (0, None),
        (None, None),
    ],
)
def test_a_packed_column_is_what_it_was(column: tuple[Any, ...]) -> None:
    assert repr(unpack(pack(column), len(column))) == repr([*column])


def test_a_column_that_nobody_has_takes_no_room() -> None:
    assert pack((None,) * 1000) == NOTHING
    [part] = made_of({}, live({b"a": None, b"b": 0}, [b"a", b"b"], push=1)).parts
    assert part.packed(8) != NOTHING
    assert part.packed(9) == NOTHING
    assert part.column(9) == [None, None]
