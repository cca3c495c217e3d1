"""simulate/recorded.py: the intervals that a crowd replays."""

import pytest

from otel_jcmc.simulate.recorded import KINDS, Interval, Recorded, read


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("interval_ms", [2000, 10_000])
def test_each_kind_was_told_with_both_intervals(kind: str, interval_ms: int) -> None:
    found = Recorded().during(kind, interval_ms)
    assert sum(len(each.during) for each in found) >= 2
    assert {(each.story, each.tab) for each in found} <= set(KINDS[kind].told_by)


def test_what_one_browser_has_not_told_another_says() -> None:
    browsers = {
        kind: {each.browser for each in Recorded().during(kind, 2000, "Firefox")} for kind in KINDS
    }
    assert browsers["outage"] == {"Firefox"}
    assert browsers["delay"] == {"Chromium"}


def test_calm_of_one_browser_is_that_of_another_where_it_has_told_none() -> None:
    chromium = [each for each in read() if each.browser == "Chromium"]
    of_firefox, of_both = Recorded(chromium).calm(2000, "Firefox"), Recorded().calm(2000, "Firefox")
    assert of_firefox == Recorded().calm(2000, "Chromium")
    assert len(of_both) == 25
    assert not set(map(_number, of_both)) & set(map(_number, of_firefox))


def _number(interval: Interval) -> int:
    return interval.number


def test_calm_is_without_the_stutter_of_the_machine_that_recorded() -> None:
    late = {
        interval.number
        for spell in read()
        for interval in spell.before
        if (interval.values.get("event_loop_delay") or 0) > 10
    }
    assert late
    for interval_ms in (2000, 10_000):
        calm = Recorded().calm(interval_ms)
        assert len(calm) > 100
        assert not late & set(map(_number, calm))


def test_right_after_a_join_nothing_is_taken() -> None:
    """A loss is a growth, so the first push has none."""
    losses = [
        interval.values["packetloss_download"]
        for spell in read()
        for interval in spell.before
        if spell.story == "loss-up" and spell.interval_ms == 2000
    ]
    assert len(losses) == 14
    assert None not in losses
