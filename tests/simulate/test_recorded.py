"""simulate/recorded.py: the intervals that a crowd says again."""

import pytest

from otel_jcmc.simulate.recorded import KINDS, Recorded, read

NUMBERS = {
    held: {
        interval.number
        for seconds in (2, 10)
        for browser in ("Chromium", "Firefox")
        for interval in Recorded(held=held).calm(seconds * 1000, browser)
    }
    for held in (False, True, None)
}


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


def test_every_tenth_interval_is_held_out() -> None:
    assert NUMBERS[False] | NUMBERS[True] == NUMBERS[None]
    assert NUMBERS[False] & NUMBERS[True] == set()
    assert {number % 10 for number in NUMBERS[True]} == {9}
    assert 9 not in {number % 10 for number in NUMBERS[False]}


def test_right_after_a_join_nothing_is_taken() -> None:
    """Nobody has a loss then: it is a growth."""
    losses = [
        interval.values["packetloss_download"]
        for spell in read()
        for interval in spell.before
        if spell.story == "loss-up" and spell.interval_ms == 2000
    ]
    assert len(losses) == 8
    assert None not in losses
