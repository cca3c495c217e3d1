"""The totals of a session's intervals, and the state of the call by them."""

from typing import Any

import pytest

from otel_jcmc.sessions.totals import (
    WORST,
    Totals,
    add,
    average,
    bad_share,
    badness,
    cause_of,
    new_totals,
    state_of,
    tenths_by_state,
    worst,
)
from otel_jcmc.verdict.rules import State

GOOD, FAIR, BAD = 0, 1, 2
OUTAGE, UPLINK = 1, 7


def of(*times: tuple[int, int | None, int]) -> Totals:
    """Return the totals of a session with these *times* of states."""
    totals = new_totals()
    add(totals, [None] * 3, [None] * 3, times, [None] * 3, 0)
    return totals


def test_an_average_is_of_the_time_and_not_of_the_intervals() -> None:
    totals = new_totals()
    # Quality 40 for 20 s and 100 for 10 s: 60, not 70. Loss 3 % and then 0: 2 %.
    add(totals, [(400, 200, 200), (300, 200, 0), None], [400, 900, None], [], [1, 250, None], 1)
    add(totals, [(1000, 100, 0), (0, 100, 0), None], [1000, 0, None], [], [2, 100, None], 0)
    assert [average(totals, at) for at in range(3)] == [60.0, 2.0, None]
    assert [worst(totals, at) for at in range(3)] == [40.0, 9.0, None]
    assert bad_share(totals, 0) == pytest.approx(2 / 3)
    assert bad_share(totals, 2) is None
    assert totals.counts == [3, 350, None]
    assert totals.outages == 1


def test_a_single_push_is_what_there_is() -> None:
    totals = new_totals()
    add(totals, [(873, 0, 0), None, None], [873, None, None], [], [None] * 3, 0)
    assert average(totals, 0) == 87.3


@pytest.mark.parametrize(
    ("times", "state", "cause"),
    [
        ([], None, ""),
        ([(600, None, 0)], None, ""),
        ([(600, GOOD, 0)], State.GOOD, ""),
        # A tenth is not more than a tenth.
        ([(540, GOOD, 0), (60, BAD, OUTAGE)], State.GOOD, ""),
        ([(539, GOOD, 0), (61, BAD, OUTAGE)], State.BAD, "outage"),
        # Unknown time counts for neither.
        ([(9000, None, 0), (50, GOOD, 0), (60, BAD, OUTAGE)], State.BAD, "outage"),
        ([(500, GOOD, 0), (50, BAD, OUTAGE), (60, FAIR, UPLINK)], State.FAIR, "uplink"),
        # The cause of the bad time, although it was fair for longer.
        ([(100, BAD, OUTAGE), (500, FAIR, UPLINK)], State.BAD, "outage"),
        ([(100, BAD, 0)], State.BAD, "unknown"),
        ([(100, BAD, 250)], State.BAD, "unknown"),
        # A state of a later version.
        ([(100, 9, 0)], None, ""),
    ],
)
def test_the_call_as_a_whole(times: list[Any], state: State | None, cause: str) -> None:
    totals = of(*times)
    assert state_of(totals) is state
    assert cause_of(totals) == cause


def test_times_of_one_kind_are_one_row() -> None:
    totals = of((100, BAD, OUTAGE), (50, GOOD, 0))
    add(totals, [None] * 3, [None] * 3, [(30, BAD, OUTAGE), (20, BAD, UPLINK)], [None] * 3, 0)
    assert sorted(totals.times) == [(20, BAD, UPLINK), (50, GOOD, 0), (130, BAD, OUTAGE)]
    assert tenths_by_state(totals) == {State.BAD: 150, State.GOOD: 50}


def test_the_worst_come_first_and_a_moment_is_not_the_worst() -> None:
    hour_of_bad = of((36_000, BAD, OUTAGE))
    half_an_hour = of((18_000, BAD, OUTAGE), (18_000, GOOD, 0))
    fair = of((36_000, FAIR, UPLINK))
    ten_seconds = of((100, BAD, OUTAGE))
    good = of((36_000, GOOD, 0))
    order = [hour_of_bad, half_an_hour, fair, ten_seconds, good]
    told = [badness(each) for each in order]
    assert told == sorted(told, reverse=True)
    # Ten seconds of seventy: 1/7 of the worst value.
    assert told[3] == round(WORST / 7)
    assert told[4] == 0
    assert badness(of()) == 0
