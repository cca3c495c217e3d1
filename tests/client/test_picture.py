"""Which received video froze and for how long: freezes that count, and those not visible."""

from typing import Any

import pytest
from client.pages import Tab
from client.reports import Page, Report, inbound, known, series

ON: Page = {"tracks": {"T": {"isOn": True, "owner": "bob"}}}
OFF: Page = {"tracks": {"T": {"isOn": False, "owner": "bob"}}}
# The page has no such track, or the library does not tell.
UNKNOWN: Page = {"tracks": {"T": {"owner": "bob"}}}


def video(at: float, packets: int, frames: int, **members: Any) -> Report:
    """Return a report at second *at* with one received video."""
    stat = inbound("V", packets, kind="video", trackIdentifier="T", timestamp=1000 * at)
    return [{**stat, "framesDecoded": frames, **members}]


def booked(freezes: int, frozen: float, pauses: int, paused: float) -> dict[str, float]:
    """Return how Chromium books freezes and pauses, durations in seconds."""
    return {
        "freezeCount": freezes,
        "totalFreezesDuration": frozen,
        "pauseCount": pauses,
        "totalPausesDuration": paused,
    }


# A link without packets for 12 s, as Chromium 156 reported it: second, packets, frames, stops.
OUTAGE = [
    video(at, packets, frames, **booked(*stops))
    for at, packets, frames, stops in (
        (249.75, 12915, 4303, (12, 4.552, 1, 20.354)),
        (251.81, 12993, 4335, (13, 4.803, 1, 20.354)),
        (254.80, 13167, 4383, (15, 5.394, 1, 20.354)),
        (256.80, 13167, 4383, (15, 5.394, 1, 20.354)),
        (258.80, 13167, 4383, (15, 5.394, 1, 20.354)),
        (260.80, 13167, 4383, (15, 5.394, 1, 20.354)),
        (262.80, 13167, 4383, (15, 5.394, 1, 20.354)),
        (264.83, 13167, 4383, (15, 5.394, 1, 20.354)),
        (266.88, 13200, 4383, (15, 5.394, 1, 20.354)),
        (268.86, 13295, 4413, (16, 5.829, 2, 32.841)),
        (270.86, 13413, 4451, (16, 5.829, 2, 32.841)),
    )
]
# A camera that was off for 20 s: the same counters grow when it is on again.
MUTED = [
    video(at, packets, frames, **booked(*stops))
    for at, packets, frames, stops in (
        (215.8, 12142, 4099, (5, 1.597, 0, 0)),
        (217.8, 12193, 4117, (5, 1.597, 0, 0)),
        (219.8, 12193, 4117, (5, 1.597, 0, 0)),
        (234.8, 12193, 4117, (5, 1.597, 0, 0)),
        (236.8, 12213, 4117, (5, 1.597, 0, 0)),
        (239.0, 12305, 4122, (9, 3.110, 1, 20.354)),
        (241.8, 12461, 4147, (12, 4.552, 1, 20.354)),
    )
]


def test_a_freeze_that_chromium_books_as_a_pause_is_told_as_it_happens(tab: Tab) -> None:
    """12.487 s of pause and 0.435 s of freeze, of which 12.08 s were pushed before."""
    times = series(tab, OUTAGE, "freeze_time", [ON] * 11)
    assert times == [None, 251, 591, 2000, 2000, 2000, 2000, 2030, 2050, 842, 0]
    assert sum(filter(None, times[3:])) == 12922
    assert series(tab, OUTAGE, "freezes", [ON] * 11) == [None, 1, 2, 1, 0, 0, 0, 0, 0, 1, 0]


def test_while_a_picture_stands_still_its_frame_rate_is_0(tab: Tab) -> None:
    rates = series(tab, OUTAGE, "framerate_download", [ON] * 11)
    assert rates[3:9] == [0] * 6
    assert rates[9] == 15.152


def test_of_a_track_that_nobody_knows_only_booked_freezes_count(tab: Tab) -> None:
    times = series(tab, OUTAGE, "freeze_time", [UNKNOWN] * 11)
    assert times == [None, 251, 591, None, None, None, None, None, 0, 435, 0]


def test_a_camera_that_was_off_is_no_freeze(tab: Tab) -> None:
    """Nor is its slow start: the judgement begins after the first frame."""
    pages = [ON, OFF, OFF, OFF, OFF, ON, ON]
    assert series(tab, MUTED, "freeze_time", pages) == [None, *[None] * 5, 1442]
    assert series(tab, MUTED, "freezes", pages) == [None, *[None] * 5, 3]
    assert series(tab, MUTED, "framerate_download", pages)[1:6] == [None] * 5


def test_a_pause_while_the_page_says_that_video_should_come_is_a_freeze(tab: Tab) -> None:
    """Between two samples 10 s apart, both with frames."""
    reports = [
        video(0, 100, 50, **booked(0, 0, 0, 0)),
        video(10, 200, 80, **booked(1, 0.4, 1, 6.5)),
    ]
    assert known(tab, reports, [ON, ON])["freeze_time"] == 6900
    assert known(tab, reports, [ON, ON])["freezes"] == 2
    assert known(tab, reports, [ON, UNKNOWN])["freeze_time"] == 400
    assert "freeze_time" not in known(tab, reports, [ON, OFF])


def test_a_shared_screen_is_no_freeze(tab: Tab) -> None:
    reports = [
        video(at, 100 + at, 50, contentType="screenshare", **booked(at, at, 0, 0)) for at in (0, 9)
    ]
    assert "freeze_time" not in known(tab, reports, [ON, ON])


def test_a_picture_that_has_not_come_yet_is_no_freeze(tab: Tab) -> None:
    reports = [video(at, at, frames) for at, frames in ((1, 0), (3, 0), (5, 20), (7, 20))]
    assert series(tab, reports, "freeze_time", [ON] * 4) == [None, None, None, 2000]


def test_a_frame_may_be_on_its_way_when_two_samples_are_close(tab: Tab) -> None:
    """An interrupted connection brings events between the usual ones."""
    reports = [video(at, 100, 50, **booked(0, 0, 0, 0)) for at in (1, 1.2, 1.9)]
    reports = [[{**reports[0][0], "framesDecoded": 40}], *reports[1:]]
    reports = [[{**each[0], "packetsReceived": 100 + i}] for i, each in enumerate(reports)]
    assert series(tab, reports, "freezes", [ON] * 3) == [None, 0, 0]


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({}, [None, None, 2000, 2000, None]),
        ({"freezeCount": 0, "totalFreezesDuration": 0}, [None, 0, 2000, 2000, 0]),
    ],
)
def test_a_browser_that_books_nothing_has_whole_intervals(
    tab: Tab, members: dict[str, int], expected: list[float | None]
) -> None:
    """Firefox before 142. For pauses no field is needed."""
    frames = (50, 90, 90, 90, 130)
    reports = [video(2 * i, 100, each, **members) for i, each in enumerate(frames)]
    assert series(tab, reports, "freeze_time", [ON] * 5) == expected


def test_a_camera_that_is_called_muted_and_moves_is_one_of_which_nobody_knows(tab: Tab) -> None:
    """Presence that came too early: a freeze that the browser books counts, a pause does not."""
    moving = [
        video(2 * at, 100 * at, 50 * at, **booked(at // 3, at // 3 / 2, at // 4, at // 4 * 9.0))
        for at in range(1, 8)
    ]
    told = series(tab, moving, "freeze_time", [OFF] * len(moving))
    assert told[0] is None
    assert sum(value or 0 for value in told) == 1000
