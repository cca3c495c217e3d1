"""crowds/harm.py: in which intervals something is wrong, whatever the rules say."""

import pytest
from crowds.harm import harmed

from otel_jcmc.simulate.recorded import Interval, Spell

QUIET = {
    "audio_concealed": 0.5,
    "freeze_time": 0,
    "packetloss_download": 0.4,
    "packetloss_upload": None,
    "round_trip": 20,
    "jitter_download": 3,
    "audio_buffer_time": 60,
}


def told(during: dict[str, float | None], *, tab: str = "ada", quiet: bool = True) -> list[Spell]:
    """Return two spells of one recording; that it was quiet only the first says."""
    before = [Interval(0, 0, 2000, 0, {}, QUIET)] if quiet else []
    now = Interval(1, 0, 2000, 0, {}, QUIET | during)
    return [
        Spell("loss-up", "ada", 2000, "Chromium", "", before, [], []),
        Spell("loss-up", tab, 2000, "Chromium", "", [], [now], []),
    ]


@pytest.mark.parametrize(
    ("during", "is_harmed"),
    [
        ({}, False),
        ({"audio_concealed": 0.5}, False),
        ({"audio_concealed": 0.6}, True),
        ({"freeze_time": 1}, True),
        ({"packetloss_upload": 0.1}, True),
        ({"outage_down": 3000}, True),
        ({"limitation_cpu": 1}, True),
        ({"round_trip": 120}, False),
        ({"round_trip": 121}, True),
        # The buffer is there for it.
        ({"jitter_download": 80, "audio_buffer_time": 400}, False),
        (dict.fromkeys(QUIET), False),
    ],
)
def test_harm_is_what_the_same_tab_did_not_have_before(
    during: dict[str, float | None], *, is_harmed: bool
) -> None:
    assert harmed(told(during))[False] == ({1} if is_harmed else set())


def test_another_tab_has_a_quiet_part_of_its_own() -> None:
    assert harmed(told({}))[False] == set()
    assert harmed(told({}, tab="bob"))[False] == {1}


def test_of_a_page_of_the_original_only_whole_percent_of_loss_and_the_way_count() -> None:
    assert harmed(told({"audio_concealed": 9, "freeze_time": 900}))[True] == set()
    assert harmed(told({"packetloss_download": 0.49}))[True] == set()
    assert harmed(told({"packetloss_download": 0.6}))[True] == {1}
    assert harmed(told({"round_trip": 121}))[True] == {1}
