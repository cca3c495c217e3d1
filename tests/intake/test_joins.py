"""Joins and failures are counted by region, and the number of regions is limited."""

from typing import Any

from otel_jcmc.intake.joins import MAX_REGIONS, Joins
from otel_jcmc.wire.push import Report
from otel_jcmc.wire.session import Session

REGION = 69


def report(region: str | None = None, cause: str = "") -> Report:
    attributes: dict[int, Any] = {} if region is None else {REGION: region}
    session = Session("session-1", end="failed", cause=cause, join_ms=10)
    return Report("standup", "", "ada", session, attributes, [])


def test_there_are_zeros_before_the_first_failure() -> None:
    joins = Joins()
    assert joins.outcomes == {("joined", ""): 0, ("failed", ""): 0}
    joins.count_joined(report("eu"))
    assert joins.outcomes["failed", "eu"] == 0
    assert joins.failures["ice_failed", "eu"] == joins.failures["ice_failed", ""] == 0


def test_a_failure_is_counted_by_its_cause_and_its_region() -> None:
    joins = Joins()
    for cause in ("ice_failed", "ice_failed", ""):
        joins.count_failed(report("eu", cause))
    joins.count_failed(report(None, "max_users"))
    assert {key: count for key, count in joins.failures.items() if count} == {
        ("ice_failed", "eu"): 2,
        ("other", "eu"): 1,
        ("max_users", ""): 1,
    }
    assert joins.outcomes["failed", "eu"] == 3
    assert joins.outcomes["failed", ""] == 1


def test_each_cause_begins_at_0_in_a_region_with_the_first_who_joins_there() -> None:
    joins = Joins()
    joins.count_failed(report("eu", "ice_failed"))
    assert [cause for cause, region in joins.failures if region == "eu"] == ["ice_failed"]
    joins.count_joined(report("eu"))
    assert len([cause for cause, region in joins.failures if region == "eu"]) == 28
    assert joins.failures["ice_failed", "eu"] == 1


def test_made_up_regions_fill_no_memory_and_hide_none_that_is_known() -> None:
    joins = Joins()
    joins.count_joined(report("eu"))
    for number in range(1000):
        joins.count_failed(report(f"made-up-{number}", "ice_failed"))
    joins.count_failed(report("eu", "ice_failed"))
    assert len(joins.outcomes) == 2 * (MAX_REGIONS + 2)
    # Each cause begins at 0 without a region, and in each region with a join.
    assert len(joins.failures) == 28 * 2 + MAX_REGIONS
    assert sum(joins.failures.values()) == 1001
    assert joins.outcomes["failed", "eu"] == 1
    assert joins.outcomes["failed", "other"] == 1000 - (MAX_REGIONS - 1)
