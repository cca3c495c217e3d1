"""The clients of `otel-jcmc simulate`: their pushes are valid and fit their story."""

import json
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from otel_jcmc.simulate.page import Conference, Page
from otel_jcmc.wire.push import PushParser

PARSER = PushParser()
COUNTED_UP = (
    *("packetloss_upload", "packetloss_total", "encode_time", "framerate_download", "freezes"),
    *("freeze_time", "frames_dropped", "audio_concealed", "limitation_cpu"),
)
SENT_VIDEO = (
    *("framerate_upload", "resolution_width_upload", "resolution_height_upload", "encode_time"),
    *("limitation_none", "limitation_cpu", "limitation_bandwidth"),
)


def people() -> Iterator[tuple[Page, list[dict[str, Any]]]]:
    """Yield 100 clients in conferences of four or five, with their pushes."""
    chance = random.Random(7)
    for _ in range(100):
        page = Page(chance, Conference("standup", present=3), interval_seconds=10)
        yield page, [json.loads(page.body())["metrics"] for _ in range(20)]


def known(metrics: dict[str, Any], *names: str) -> list[float]:
    """Return the values of *names* that are not null."""
    return [metrics[name]["value"] for name in names if metrics[name]["value"] is not None]


def test_nothing_that_is_pushed_is_dropped() -> None:
    chance = random.Random(7)
    for present in (0, 1, 4):
        for _ in range(50):
            page = Page(chance, Conference("standup", present), interval_seconds=10)
            for end in ("", "", "left"):
                kept = PARSER.parse(page.body(end))
                assert kept.dropped == []


def test_what_the_browser_counts_up_is_known_from_the_second_push_on() -> None:
    for page, (first, second, *_) in people():
        assert known(first, *COUNTED_UP) == []
        assert known(first, "jitter_upload", "round_trip_time")
        assert known(second, "packetloss_upload", "freezes", "audio_concealed"), page.user_agent


def test_who_has_the_camera_off_sends_no_row_of_it_and_no_codec() -> None:
    pushes = [metrics for _, pushed in people() for metrics in pushed]
    off = [one for one in pushes if not known(one, "framerate_upload")]
    assert 0 < len(off) < len(pushes)
    for metrics in off:
        assert known(metrics, *SENT_VIDEO) == []
        assert metrics["bitrate_video_upload"]["value"] == 0
        assert "videoCodec" not in metrics["connectionquality"]["labels"]


def test_firefox_has_no_estimate_and_no_reason_for_worse_video() -> None:
    """docs/browsers.md has `-` there."""
    lacking = ("bandwidth_upload", "bandwidth_available_upload", *SENT_VIDEO[4:])
    seen = Counter[bool]()
    for page, pushed in people():
        is_firefox = "Firefox" in page.user_agent
        seen[is_firefox] += 1
        assert bool(known(pushed[1], "bandwidth_upload")) != is_firefox
        for metrics in pushed:
            assert not is_firefox or known(metrics, *lacking) == []
    assert min(seen[True], seen[False]) > 10


def test_a_bad_network_shows_in_every_row_that_it_touches() -> None:
    bad: list[dict[str, Any]] = []
    good: list[dict[str, Any]] = []
    for _, pushed in people():
        for metrics in pushed[1:]:
            (bad if metrics["packetloss_upload"]["value"] >= 5 else good).append(metrics)

    def mean(found: list[dict[str, Any]], name: str) -> float:
        values = [value for metrics in found for value in known(metrics, name)]
        return sum(values) / len(values)

    for rising in (
        *("packetloss_download", "packetloss_total", "jitter_upload", "jitter_download"),
        *("round_trip_time", "freezes", "freeze_time", "frames_dropped", "audio_concealed"),
        "limitation_bandwidth",
    ):
        assert mean(bad, rising) > 2 * mean(good, rising), rising
    for falling in ("framerate_upload", "framerate_download", "resolution_height_upload"):
        assert mean(bad, falling) < 0.7 * mean(good, falling), falling


def test_the_shares_of_what_limits_the_video_are_the_whole_interval() -> None:
    for _, pushed in people():
        for metrics in pushed:
            shares = known(metrics, "limitation_none", "limitation_cpu", "limitation_bandwidth")
            assert not shares or sum(shares) == pytest.approx(100)


def test_a_conference_counts_those_who_push_and_now_and_then_one_who_does_not() -> None:
    chance = random.Random(7)
    conference, sizes = Conference("standup"), Counter[int]()
    for present in range(1, 41):
        page = Page(chance, conference, interval_seconds=10)
        told = json.loads(page.body())["metrics"]["conference_participants"]["value"]
        sizes[told - present] += 1
    page.leave()
    assert conference.present == 39
    assert set(sizes) == {0, 1}
    assert sizes[0] > sizes[1]


def test_who_is_alone_receives_nothing_and_two_have_no_bridge() -> None:
    chance = random.Random(7)
    conference = Conference("standup")
    page = Page(chance, conference, interval_seconds=10)
    for conference.silent, is_p2p in ((0, "false"), (1, "true"), (2, "false")):
        page.body()
        metrics = json.loads(page.body())["metrics"]
        assert bool(known(metrics, "freezes")) == (conference.silent > 0)
        assert (metrics["bitrate_video_download"]["value"] > 0) == (conference.silent > 0)
        assert metrics["transport_rtt"][0]["labels"]["p2p"] == is_p2p
        assert bool(known(metrics, "bandwidth_download")) == (is_p2p == "false")
