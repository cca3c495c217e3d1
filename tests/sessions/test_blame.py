"""How far bad times reached: the times of a session, joined with what stood out then."""

import pytest

from otel_jcmc.catalogue.metrics import LAST_METRIC_ID
from otel_jcmc.sessions.blame import Spell, bad_by_scope, coarse, spells_of
from otel_jcmc.sessions.entry import Sample
from otel_jcmc.sessions.pushes import Push
from otel_jcmc.sessions.stretches import Stretch
from otel_jcmc.verdict.journal import Entry

START = 1_796_000_000_000
DOWNLINK, DEVICE = 2, 5
BRIDGE = Entry("bridge", "jvb-3", "eu", START + 25_000, START + 45_000, 0.7, (6, 8, 8, 8))


def sample(until: int, *states: tuple[int | None, int], bridge: str = "jvb-3") -> Sample:
    """Return the sample of ten seconds, until *until* seconds after the start; a push each 5 s."""
    at = START + 1000 * until
    pushes = [
        Push(at - 5000 * (len(states) - 1 - n), state, cause)
        for n, (state, cause) in enumerate(states)
    ]
    stretches = [
        Stretch(50, state, cause, *(("eu", bridge) if state == 2 else ()))
        for state, cause in states
    ]
    return Sample(at, [None] * LAST_METRIC_ID, stretches=stretches, pushes=pushes)


BAD, GOOD = (2, DOWNLINK), (0, 0)
LOG = [
    sample(10, GOOD, GOOD),
    sample(20, BAD, BAD),
    sample(30, BAD, BAD),
    sample(40, BAD, (2, DEVICE)),
    sample(50, BAD, BAD),
]


def test_a_time_that_was_bad_is_cut_where_what_stands_out_changes() -> None:
    found = [
        ((each.from_ms - START) / 1000, (each.to_ms - START) / 1000, *each[2:])
        for each in spells_of(LOG, 30_000, "room", "ann", [BRIDGE])
    ]
    assert found == [
        (5, 10, "good", None, None),
        (10, 20, "bad", "downlink", "participant"),
        (20, 35, "bad", "downlink", "bridge"),
        (35, 40, "bad", "device", "participant"),
        (40, 50, "bad", "downlink", "participant"),
    ]


def test_another_bridge_is_not_the_one_that_stands_out() -> None:
    log = [sample(30, BAD, BAD, bridge="jvb-4")]
    assert [each.scope for each in spells_of(log, 30_000, "room", "ann", [BRIDGE])] == [
        "participant"
    ]


def test_the_scope_of_most_comes_first() -> None:
    assert bad_by_scope(LOG, "room", "ann", [BRIDGE]) == [("participant", 250), ("bridge", 150)]
    assert bad_by_scope(LOG[:1], "room", "ann", [BRIDGE]) == []


def test_where_nobody_pushed_there_is_a_gap() -> None:
    found = spells_of([sample(10, GOOD, GOOD), sample(90, GOOD, GOOD)], 30_000, "r", "a", [])
    assert [(each.from_ms - START, each.to_ms - START) for each in found] == [
        (5000, 10_000),
        (85_000, 90_000),
    ]


@pytest.mark.parametrize("most", [10, 50])
def test_of_many_spells_some_stay_with_the_worst_of_their_time(most: int) -> None:
    """One bad second of a thousand is still visible."""
    states = ["good"] * 1000
    states[700] = "bad"
    spells = [
        Spell(1000 * n, 1000 * (n + 1), state if n % 2 else "fair" if n < 500 else state)
        for n, state in enumerate(states)
    ]
    found = coarse(spells, most)
    assert len(found) <= most + 1
    assert [each.state for each in found] == ["fair", "good", "bad", "good"]
    assert (found[0].from_ms, found[-1].to_ms // 100_000) == (0, 10)
    assert coarse(spells[:3], 3) == spells[:3]
