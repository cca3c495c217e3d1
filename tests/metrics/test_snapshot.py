"""metrics/snapshot.py: a verdict does not outlive the push that it is of by much."""

import pytest
from people import judged, people_in, stored_value, told_by

from otel_jcmc.catalogue.metrics import CAUSE_ID, COVERS_ID, STATE_ID
from otel_jcmc.metrics.snapshot import Building
from otel_jcmc.store.reads import Live
from otel_jcmc.verdict.rules import State

NOW_US = 1_700_000_000_000_000


def state_of(covers_ms: int | None, left_ms: int, expiration_ms: int = 30_000) -> float | None:
    """Return the state that is told of somebody who was well, and expires in *left_ms*."""
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
        # It lives for three of its intervals, since that is longer.
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
