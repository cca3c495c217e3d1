"""How often a client may push: buckets of a fixed size, and what the log says of them."""

import logging
from collections.abc import Callable
from typing import Any

import pytest

from otel_jcmc.catalogue.reasons import Reason
from otel_jcmc.intake import limits
from otel_jcmc.intake.callers import PRIVATE, Callers
from otel_jcmc.intake.crowds import Crowd
from otel_jcmc.intake.limits import (
    BURST_SECONDS,
    LIMITS,
    NOBODY,
    Limits,
    Pace,
    Refusals,
    TooFast,
)


def taken(pace: Pace, key: str, now: float, tries: int) -> int:
    """Return how many of *tries* at *now* are admitted."""
    return sum(not pace.take(key, now) for _ in range(tries))


@pytest.mark.parametrize(("rate", "burst"), [(1, 10), (50, 500), (0.25, 2), (0.01, 1)])
def test_a_burst_is_what_flows_in_within_ten_seconds_and_one_at_least(
    rate: float, burst: int
) -> None:
    assert taken(Pace(rate), "ada", 1000.0, 600) == burst


def test_a_bucket_fills_again_as_time_goes_on() -> None:
    pace = Pace(2)
    assert taken(pace, "ada", 1000.0, 100) == 20
    assert taken(pace, "ada", 1000.4, 100) == 0
    assert taken(pace, "ada", 1001.0, 100) == 2
    assert taken(pace, "ada", 1001.0 + BURST_SECONDS, 100) == 20


def test_who_pushes_at_the_pace_is_never_refused() -> None:
    pace = Pace(1)
    assert all(not pace.take("ada", 1000.0 + second) for second in range(1000))


def test_the_wait_is_until_there_is_a_token() -> None:
    pace = Pace(0.5)
    assert taken(pace, "ada", 1000.0, 100) == 5
    for wait in (pace.take("ada", 1000.5), pace.wait("ada", 1000.5)):
        assert wait == pytest.approx(1.5)
    assert pace.take("ada", 1002.01) == 0


def test_asking_takes_nothing() -> None:
    pace = Pace(1)
    assert {pace.wait("ada", 1000.0) for _ in range(100)} == {0.0}
    assert taken(pace, "ada", 1000.0, 100) == 10


def test_others_are_not_held_up_by_one() -> None:
    pace = Pace(1)
    for _ in range(1000):
        pace.take("hasty", 1000.0)
    held_up = [number for number in range(5000) if pace.take(f"calm-{number}", 1000.0)]
    assert held_up == []


def test_a_crowd_of_strangers_holds_up_next_to_nobody_and_takes_no_memory() -> None:
    """50,000 that push five times at once touch a third of the buckets, and fill almost none."""
    pace = Pace(1)
    size = len(pace._full_at)
    for number in range(50_000):
        for _ in range(5):
            pace.take(f"stranger-{number}", 1000.0)
    assert len(pace._full_at) == size
    held_up = sum(bool(pace.take(f"calm-{number}", 1000.0)) for number in range(2000))
    assert held_up < 20


def test_few_places_are_shared_and_still_count() -> None:
    pace = Pace(1, slots=1)
    assert taken(pace, "ada", 1000.0, 6) + taken(pace, "bob", 1000.0, 6) == 10


def refused(call: Callable[[Any, float], Any], of: Any, times: int) -> list[Reason]:
    """Return why *call* refuses *of*, of *times* at once."""
    found = []
    for _ in range(times):
        try:
            call(of, 1000.0)
        except TooFast as error:
            found.append(error)
    assert all(error.seconds > 0 for error in found)
    return [error.reason for error in found]


def test_each_limit_refuses_for_its_own_reason() -> None:
    limit = Limits(Callers(PRIVATE), 1, 2, 3)
    assert refused(limit.admit, Crowd("a"), 12) == [Reason.ADDRESS_RATE] * 2
    assert refused(limit.take_participant, "a", 22) == [Reason.PARTICIPANT_RATE] * 2


@pytest.mark.parametrize(("rate", "burst"), [(1.0, 10), (0.1, 1), (1 / 60, 1), (2.5, 25)])
def test_the_bucket_of_an_address_is_as_that_of_a_participant(rate: float, burst: int) -> None:
    limit, crowd, pace = Limits(Callers(PRIVATE), rate), Crowd("a"), Pace(rate)
    assert len(refused(limit.admit, crowd, 600)) == 600 - burst
    for second in range(1001, 1100):
        try:
            limit.admit(crowd, second)
            waits = 0.0
        except TooFast as error:
            waits = error.seconds
        if second == 1001:
            taken(pace, "a", 1000.0, 600)
        assert waits == pytest.approx(pace.take("a", second))


def test_an_address_that_is_not_known_has_no_limit() -> None:
    limit = Limits(Callers(PRIVATE), 1, 2, 1, 1, 2)
    assert refused(limit.admit, NOBODY, 100) == []
    for number in range(100):
        limit.count_newcomer(NOBODY, f"ada-{number}")
        limit.count_live(NOBODY, f"ada-{number}", 2000.0)
    assert limit.seconds_to_join(NOBODY, 1000.0) == 0
    assert limit.admit(NOBODY, 1000.0)
    assert limit.has_seat(NOBODY, "eve", 1000.0)


def test_newcomers_are_counted_when_they_have_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "monotonic", lambda: 1000.0)
    limit = Limits(Callers(PRIVATE), newcomers_per_second=1)
    a, b = Crowd("a"), Crowd("b")
    for _ in range(10):
        assert limit.admit(a, 1000.0)
        limit.count_newcomer(a, "ada")
    assert not limit.admit(a, 1000.0)
    assert limit.admit(b, 1000.0)
    assert limit.admit(NOBODY, 1000.0)
    assert limit.seconds_to_join(a, 1000.0) == pytest.approx(1)
    assert limit.seconds_to_join(b, 1000.0) == 0
    for _ in range(10):  # who were on their way do not make it longer
        limit.count_newcomer(a, "ada")
    assert limit.seconds_to_join(a, 1000.0) == pytest.approx(1)


def test_without_a_limit_nobody_is_asked_for_an_address() -> None:
    limit = Limits(Callers(PRIVATE), 0, 1, 0)
    assert limit.find("198.51.100.7", [], 0.0) is NOBODY
    assert Limits(Callers(PRIVATE), 1).find("198.51.100.7", [], 0.0).address == "198.51.100.7"


def test_a_limit_that_refuses_is_said_once_and_its_end_too(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(limits, "monotonic", lambda: now)
    caplog.set_level(logging.INFO, "otel_jcmc")
    refusals = Refusals()
    for reason in sorted(LIMITS) * 3:
        refusals.add(reason)
    assert [record.levelname for record in caplog.records] == ["WARNING"] * len(LIMITS)
    now += 59
    refusals.add(Reason.ADDRESS_RATE)
    refusals.log_ended()
    assert len(caplog.records) == len(LIMITS)
    now += 2
    refusals.log_ended()
    refusals.log_ended()
    assert [record.levelname for record in caplog.records][len(LIMITS) :] == ["INFO"] * 5
    now += 60
    refusals.log_ended()
    assert "JCMC_LIMIT_ADDRESS_PUSHES" in caplog.records[-1].message
    refusals.add(Reason.ADDRESS_RATE)
    assert caplog.records[-1].levelname == "WARNING"


def test_a_participant_fails_to_join_once_in_ten_seconds() -> None:
    limits = Limits(Callers(PRIVATE), participant_per_second=1)
    limits.take_failure("ada", 1000.0)
    with pytest.raises(TooFast) as refused:
        limits.take_failure("ada", 1004.0)
    assert (refused.value.reason, refused.value.seconds) == (Reason.PARTICIPANT_RATE, 6.0)
    limits.take_failure("bob", 1004.0)
    limits.take_failure("ada", 1010.0)


def test_where_participants_may_push_as_they_like_they_may_fail_so() -> None:
    limits = Limits(Callers(PRIVATE))
    for _ in range(100):
        limits.take_failure("ada", 1000.0)
