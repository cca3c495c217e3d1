"""
The recordings of conferences through a bridge: complete, small, and as their names say.

Also the verdicts that the rules give them, where those are right: whose call is bad, and why.
"""

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from conference.bridge_stories import TABS, bridge_stories
from conference.prosody import BRIDGE, REGION
from recordings import FOLDER, Recording, bridge_names, load
from truth.verdicts import began, verdicts

INTERVALS_MS = {"": 2000, "-10s": 10000}
BOTH = sorted(bridge_names())


def story_of(name: str) -> str:
    return name.removesuffix("-10s")


def loss(recording: Recording, tab: str, way: str) -> float:
    """Return the percent of datagrams that the relay has lost since the story began."""
    start = began(recording)
    counts = [line.data[way] for line in recording.of("relay", tab) if line.t >= start]
    sent, lost = (counts[-1][what] - counts[0][what] for what in ("sent", "lost"))
    return 100 * lost / sent if sent else 0.0


def sound_lost(recording: Recording, tab: str) -> dict[str, int]:
    """Return how many packets of sound *tab* has missed since the story began, by who sent them."""
    ids = {recording.participant(name): name for name in recording.tabs}
    start = began(recording)
    lost: dict[str, list[int]] = {}
    for line in recording.of("raw", tab):
        if line.t < start or not line.data:
            continue
        owners = {track["id"]: track.get("owner") for track in line.data["tracks"]}
        for stat in _received_sound(line.data["report"]):
            owner = ids.get(owners.get(stat["trackIdentifier"], ""))
            if owner:
                lost.setdefault(owner, []).append(stat["packetsLost"])
    return {owner: max(counts) - counts[0] for owner, counts in lost.items()}


def _received_sound(report: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [stat for stat in report if (stat["type"], stat.get("kind")) == ("inbound-rtp", "audio")]


def test_each_story_is_kept_at_both_intervals() -> None:
    kept = {(name, after) for name in bridge_stories(2000) for after in INTERVALS_MS}
    assert set(bridge_names()) == {f"{name}{after}" for name, after in kept}


@pytest.mark.parametrize("name", BOTH)
def test_a_recording_is_small_in_the_order_of_time_and_of_a_bridge(name: str) -> None:
    assert (FOLDER / f"{name}.jsonl.xz").stat().st_size < 60_000
    recording = load(name)
    assert recording.story["story"] == story_of(name)
    assert recording.story["interval_ms"] == INTERVALS_MS[name[len(story_of(name)) :]]
    assert recording.tabs == list(TABS)
    times = [line.t for line in recording.lines]
    assert all(one <= other for one, other in pairwise(times))
    for tab in TABS:
        told = [line.data["body"].get("metrics", {}) for line in recording.of("push", tab)]
        labels = [each["connectionquality"].get("labels", {}) for each in told if each]
        assert {each["bridge"] for each in labels if "bridge" in each} == {BRIDGE}
        assert {each["serverregion"] for each in labels if "serverregion" in each} == {REGION}
        paths = [path for each in told for path in each.get("transport_rtt", [])]
        assert {path["labels"]["p2p"] for path in paths if path["value"] is not None} == {"false"}


@pytest.mark.parametrize("name", BOTH)
def test_the_relay_says_of_each_recording_what_its_name_says(name: str) -> None:
    recording, story = load(name), story_of(name).removeprefix("sfu-")
    lossy = {
        "loss-up": {("ada", "up")},
        "loss-down": {("ada", "down")},
        "bad-bridge": {(tab, way) for tab in TABS for way in ("up", "down")},
    }.get(story, set())
    is_dead = story.startswith("dead-")
    for tab in TABS:
        for way in ("up", "down"):
            lost = loss(recording, tab, way)
            if (tab, way) in lossy:
                assert 7 < lost < 13
            elif not is_dead or tab != "ada":
                assert lost < 0.5


def test_what_one_loses_on_the_way_up_the_others_miss_of_that_one_alone() -> None:
    recording = load("sfu-loss-up")
    for tab, other in (("bob", "cid"), ("cid", "bob")):
        missed = sound_lost(recording, tab)
        assert missed["ada"] > 80
        assert missed[other] < 5


def test_what_one_loses_on_the_way_down_is_missed_of_all_by_that_one_alone() -> None:
    recording = load("sfu-loss-down")
    assert min(sound_lost(recording, "ada").values()) > 80
    assert max(sound_lost(recording, "bob").values()) < 5


# What is said of ada, and what may be said of each of the two others, where the rules are right.
NOTHING = ""
SOUND = {NOTHING}
# Who gets nothing of ada's for a while has lost that when her next packet comes.
SILENT = {NOTHING, "received"}
SAID: dict[str, tuple[str, set[str]]] = {
    "sound": (NOTHING, SOUND),
    "loss-up": ("uplink", {"received"}),
    "loss-down": ("downlink", SOUND),
    "delay": ("path", SOUND),
    "bad-bridge": ("downlink", {"downlink"}),
    "dead-both": ("outage", SILENT),
    "dead-up": ("outage", SILENT),
    "dead-down": ("outage", SILENT),
    "dead-all": ("outage", SILENT),
    "muted": (NOTHING, SOUND),
    "hidden": (NOTHING, SOUND),
    "last-n": (NOTHING, SOUND),
}


def said(recording: Recording, tab: str) -> str:
    """Return the cause that most pushes have, if a quarter of them has it; else nothing."""
    found = [verdict for _, verdict in verdicts(recording, tab)]
    causes = Counter(each.cause.word for each in found if each.cause)
    ((word, count),) = causes.most_common(1) or [(NOTHING, 0)]
    return word if 4 * count >= len(found) else NOTHING


@pytest.mark.parametrize("story", SAID)
@pytest.mark.parametrize("after", INTERVALS_MS)
def test_the_rules_say_whose_call_is_bad_and_why(story: str, after: str) -> None:
    recording = load(f"sfu-{story}{after}")
    of_ada, of_others = SAID[story]
    found = {tab: said(recording, tab) for tab in TABS}
    assert found["ada"] == of_ada
    assert {found["bob"], found["cid"]} <= of_others
