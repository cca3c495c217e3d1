"""The kept recordings are complete, small, and can be compared with the truth."""

import pytest
from conference.stories import stories
from recordings import FOLDER, load, names
from truth.compare import compare, flow

OF_ANOTHER_BED = "dead-up-v2193"
OF_FIREFOX = {"loss-up-firefox", "dead-both-firefox", "muted-firefox", "leave-firefox"}


def test_each_story_is_kept() -> None:
    assert set(names()) == {*stories(2000), *OF_FIREFOX, OF_ANOTHER_BED}


@pytest.mark.parametrize("name", names())
def test_a_recording_is_small_and_in_the_order_of_time(name: str) -> None:
    assert (FOLDER / f"{name}.jsonl.xz").stat().st_size < 150_000
    recording = load(name)
    assert recording.story["story"] == name.removesuffix("-firefox")
    assert recording.story.get("browser", "Chromium") == (
        "Firefox" if name in OF_FIREFOX else "Chromium"
    )
    assert recording.story["interval_ms"] == 2000
    assert recording.tabs == ["ada", "bob"]
    times = [line.t for line in recording.lines]
    assert times == sorted(times)


def test_the_recording_of_another_bed_has_an_outage_of_one_way() -> None:
    recording = load(OF_ANOTHER_BED)
    ((begin, end),) = flow(recording, "ada", "bob").silences((0, 60))
    assert 10.5 < end - begin < 13
    assert flow(recording, "bob", "ada").silences((0, 60)) == []


@pytest.mark.parametrize("name", sorted({*names()} - {OF_ANOTHER_BED}))
def test_the_relay_says_of_each_recording_what_its_name_says(name: str) -> None:
    recording = load(name)
    ada, bob = compare(recording)
    story = recording.story["story"]
    if story == "dead-up":
        assert 11_000 < ada.true["outage_up"] < 13_000
        assert ada.true["outage_up"] == pytest.approx(bob.true["outage_down"], abs=1000)
    elif story == "dead-both":
        assert 11_000 < ada.true["outage_down"] < 13_000
        assert ada.true["outage_down"] == pytest.approx(bob.true["outage_down"], abs=1000)
    elif story in {"dead-all", "dead-for-good"}:
        assert ada.true["outage_down"] > 24_000
    elif story != "failed-join":
        assert {ada.true["outage_up"], ada.true["outage_down"]} == {0}
    if story in {"loss-up", "loss-both"}:
        assert 8 < ada.true["packetloss_upload"] < 12
    if story in {"loss-down", "loss-both"}:
        assert 8 < ada.true["packetloss_download"] < 12
