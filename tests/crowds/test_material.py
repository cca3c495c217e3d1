"""crowds/material.py: recorded intervals become those of the package."""

import json
import lzma
import statistics
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from client.conftest import browser, module_origin, module_tab, origin, tab  # noqa: F401
from client.pages import Tab
from crowds.material import derived, spells, thinned
from recordings import load

FILE = Path(__file__).parents[2] / "otel_jcmc" / "simulate" / "recorded.json.xz"


def packaged() -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = json.loads(lzma.decompress(FILE.read_bytes()))
    return told


@pytest.mark.parametrize("name", ["loss-up", "dead-both-firefox"])
def test_the_package_has_what_the_client_file_makes_of_a_recording(tab: Tab, name: str) -> None:  # noqa: F811
    """Where not: `make verdicts ARGS=--material`, since the client or the recording is new."""
    story = name.removesuffix("-firefox")
    made = [vars(each) for each in spells(tab, name, load(name))]
    wanted = "Firefox" if name != story else "Chromium"
    # After it there may be recordings like it, with other figures.
    assert (
        made
        == [
            each
            for each in packaged()
            if (each["story"], each["browser"]) == (story, wanted) and not each["derived"]
        ][: len(made)]
    )


def test_a_spell_says_when_what_it_tells_began_and_was_over(tab: Tab) -> None:  # noqa: F811
    """Nothing came through from second 8.3 to 20.3; a push each 2 s, and one of the outage."""
    ada, bob = islice(spells(tab, "dead-both", load("dead-both")), 2)
    assert (ada.tab, ada.interval_ms, ada.phases) == ("ada", 2000, "bbbdddddddaaaaaa")
    assert bob.phases == "bbbdddddddaaaaaa"
    down = ada.values["outage_down"]
    assert [value or 0 for value in down[:4]] == [0, 0, 0, 0]
    assert min(value or 0 for value in down[5:10]) > 4900


def test_a_page_of_ten_seconds_sees_each_fifth_of_the_statistics() -> None:
    recording = load("delay")
    found = thinned(recording, first=1)
    assert found.story["interval_ms"] == 10_000
    all_, fewer = recording.of("stats", "bob"), found.of("stats", "bob")
    assert [line.t for line in fewer] == [line.t for line in all_[1::5]]
    assert found.of("raw") == recording.of("raw")


def test_how_late_timers_were_is_told_of_recordings_that_have_kept_it() -> None:
    """A process that ran for a thirtieth of the time, and a page to which nothing happened."""
    kept = {
        each["story"]: statistics.median(value for value in delays if value is not None)
        for each in packaged()
        if not each["derived"] and (each["tab"], each["interval_ms"]) == ("ada", 2000)
        if (delays := each["values"].get("event_loop_delay"))
    }
    assert "loss-up" not in kept
    assert kept["sfu-slow-receiver"] > 10
    assert kept["sfu-sound"] < 3


def test_what_is_made_says_of_what_and_how() -> None:
    made = [each for each in packaged() if each["derived"]]
    assert {each["story"] for each in made} == {
        *("far", "slow-receiver", "slow-sender", "one-of-two")
    }
    assert all(each["derived"].partition(": ")[2] for each in made)


def test_only_what_happens_is_changed_in_what_is_made(tab: Tab) -> None:  # noqa: F811
    recording = load("delay")
    # As it is, and the first that is thinned: a spell takes a second to play.
    made = islice(spells(tab, "delay", recording), len(recording.tabs) + 1)
    recorded = [each for each in made if each.tab == "ada"]
    assert [each.interval_ms for each in recorded] == [2000, 10_000]
    for was, is_ in zip(recorded, derived(recorded), strict=True):
        trips = zip(was.phases, was.values["round_trip"], is_.values["round_trip"], strict=True)
        for phase, before, after in trips:
            longer = 300 if phase == "d" and before is not None else 0
            assert after == (before if not longer else round((before or 0) + longer, 3))
        assert was.values["bitrate_download"] == is_.values["bitrate_download"]
