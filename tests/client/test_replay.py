"""Recordings of real conferences become the same pushes again, whatever the clock shows."""

from typing import Any

import pytest
from client.pages import Tab
from client.replaying import replay
from client.reports import faults
from recordings import Recording, load, names

# Before the first statistics, the library knows nothing.
RECORDED = [name for name in names() if name != "failed-join"]


def told(pushes: list[dict[str, Any]], metric: str) -> list[float | None]:
    """Return a metric of each push that has it."""
    found = (push["metrics"][metric] for push in pushes if "metrics" in push)
    return [each["value"] for each in found]


@pytest.mark.parametrize("name", RECORDED)
def test_each_tab_of_each_recording_becomes_pushes_that_the_service_takes(
    tab: Tab, name: str
) -> None:
    recording = load(name)
    for who in recording.tabs:
        pushes = replay(tab, recording, who)
        stats = recording.of("stats", who)
        assert len(pushes) >= len(stats) * 0.7
        assert [push["session"]["seq"] for push in pushes] == sorted(
            push["session"]["seq"] for push in pushes
        )
        assert {push["default_labels"]["participant_id"] for push in pushes} == {
            recording.participant(who)
        }
        assert [found for push in pushes for found in faults(push)] == []


def test_a_replay_is_the_same_each_time(tab: Tab) -> None:
    recording = load("dead-both")

    def played() -> list[dict[str, Any]]:
        pushes = replay(tab, recording, "ada")
        for push in pushes:
            del push["session"]["id"]
        return pushes

    assert played() == played()


def test_what_was_pushed_then_is_pushed_in_the_replay(tab: Tab) -> None:
    """The library's numbers, which are the same whatever the client is."""
    recording = load("loss-down")
    pushed = _bitrates(recording)
    again = told(replay(tab, recording, "ada"), "bitrate_download")
    assert len(pushed) > 15
    assert again[: len(pushed)] == pytest.approx(pushed)


def _bitrates(recording: Recording) -> list[float]:
    bodies = [line.data["body"] for line in recording.of("push", "ada")]
    return [body["metrics"]["bitrate_download"]["value"] for body in bodies if "metrics" in body]


def test_a_push_that_is_given_up_in_a_cut_is_none(tab: Tab) -> None:
    recording = load("dead-all")
    (cut,), (mend,) = recording.of("cut pushes"), recording.of("mend pushes")
    seconds = mend.t - cut.t
    assert 24 < seconds < 27
    ada, bob = (replay(tab, recording, who) for who in ("ada", "bob"))
    # bob's way to the service is good, and he pushes in the outage, too.
    assert len(bob) - len(ada) >= seconds / 2 - 4
