"""The recordings that are, or once were, held out: complete, and as their names say."""

from pathlib import Path

import pytest
from conference.held_stories import held_stories, seen_stories, story_of
from conference.stories import Do
from recordings import HELD, SEEN, Recording, read
from truth.test_bridge_recordings import loss

STORIES = seen_stories() | held_stories()
# So much more or less is lost by chance, of some hundred datagrams.
BY_CHANCE = 4


def load(name: str) -> Recording:
    return read(_path(name))


def _path(name: str) -> Path:
    return (HELD if name in held_stories() else SEEN) / f"{name}.jsonl.xz"


def test_each_story_is_kept() -> None:
    for folder, stories in ((HELD, held_stories()), (SEEN, seen_stories())):
        assert {path.name.removesuffix(".jsonl.xz") for path in folder.iterdir()} == set(stories)
    assert story_of("sfu-loss-up-15") == "sfu-loss-up"


@pytest.mark.parametrize("name", STORIES)
def test_a_recording_is_small_and_whole(name: str) -> None:
    assert _path(name).stat().st_size < 70_000
    recording = load(name)
    assert (recording.story["story"], recording.story["interval_ms"]) == (name, 2000)
    assert recording.tabs == sorted(STORIES[name].names)
    told = [line.kind for line in recording.of("net") + recording.of("stop")]
    assert told == [step.do for step in STORIES[name].steps if step.do in {Do.NET, Do.STOP}]
    for tab in recording.tabs:
        assert len(recording.of("stats", tab)) > 12


@pytest.mark.parametrize("name", [name for name in STORIES if "loss" in name])
def test_the_relay_has_lost_what_the_name_says(name: str) -> None:
    recording, (_, way, percent) = load(name), name.removeprefix("sfu-").split("-")
    other = "down" if way == "up" else "up"
    assert loss(recording, "ada", way) == pytest.approx(int(percent), abs=BY_CHANCE)
    assert loss(recording, "ada", other) < 0.5
