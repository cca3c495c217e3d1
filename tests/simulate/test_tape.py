"""simulate/tape.py: the pushes of one participant's client in a story."""

import json
import random
from functools import cache
from itertools import pairwise, takewhile
from typing import Any

import pytest

from otel_jcmc.simulate.fleet import Person, Room, make_fleet
from otel_jcmc.simulate.recorded import Recorded
from otel_jcmc.simulate.stories import Happening
from otel_jcmc.simulate.tape import Moment, Tapes, Voice
from otel_jcmc.wire.push import PushParser

PARSER = PushParser()
ORIGINALS_FIELDS = {
    *("connectionquality", "bandwidth_upload", "bandwidth_download"),
    *("bitrate_audio_upload", "bitrate_audio_download", "bitrate_video_upload"),
    *("bitrate_video_download", "bitrate_upload", "bitrate_download"),
    *("packetloss_upload", "packetloss_download", "packetloss_total", "transport_rtt"),
}


@cache
def recorded() -> Recorded:
    """Return all recorded intervals, once: to read them takes longer than a test."""
    return Recorded()


def room_of(size: int) -> Room:
    return make_fleet(random.Random(3), 1, size, originals=0).rooms[0]


def person_of(size: int, **other: Any) -> Person:
    room = room_of(size)
    room.is_direct = other.pop("is_direct", False)
    person: Person = room.people[other.pop("seat", 0)]
    vars(person).update(other)
    return person


def moments(
    person: Person, kind: str = "", begins: float = 100, ends: float = 200, seconds: int = 10
) -> list[Moment]:
    """Return all pushes of 300 s."""
    happenings = [Happening(person, begins, ends, kind, "participant")] if kind else []
    tape = Tapes(recorded(), seconds, random.Random(2)).tape(person, happenings)
    return list(takewhile(lambda each: each.at < 300, tape))


def bodies(person: Person, kind: str = "", **other: Any) -> list[dict[str, Any]]:
    voice = Voice(person, "a-session-of-its-own")
    return [json.loads(voice.body(each)) for each in moments(person, kind, **other)]


def values(body: dict[str, Any]) -> dict[str, Any]:
    return {
        name: entry["value"] for name, entry in body["metrics"].items() if name != "transport_rtt"
    }


@pytest.mark.parametrize("seconds", [2, 10])
def test_a_page_pushes_once_an_interval(seconds: int) -> None:
    times = [each.at for each in moments(person_of(8), "outage", seconds=seconds)]
    assert len(times) == 300 // seconds
    assert 0 <= times[0] < seconds
    gaps = {round(after - before, 6) for before, after in pairwise(times)}
    assert gaps == {seconds}


def test_what_happens_is_told_from_its_beginning_to_its_end_and_how_it_ended() -> None:
    told = moments(person_of(8), "outage", seconds=2)
    during = [each for each in told if each.happening and not each.is_after]
    after = [each for each in told if each.is_after]
    assert 100 < during[0].at <= 102
    assert 198 < during[-1].at <= 200 < after[0].at <= 202
    assert [each.turn for each in during] == list(range(len(during)))
    assert len(after) == 3
    assert all(each.happening is None for each in told if each.at > 210)


def test_an_outage_that_is_told_again_grows() -> None:
    told = bodies(person_of(8), "outage", seconds=2)
    down = [values(each).get("outage_down") or 0 for each in told]
    up = [values(each).get("outage_up") or 0 for each in told]
    assert 90_000 < max(down + up) <= 100_000


@pytest.mark.parametrize("kind", ["", "outage", "uplink", "received of two", "slow sender"])
@pytest.mark.parametrize("is_original", [False, True])
@pytest.mark.parametrize("size", [2, 3, 40])
def test_the_service_takes_each_push_whole(kind: str, is_original: bool, size: int) -> None:  # noqa: FBT001
    person = person_of(size, is_original=is_original)
    voice = Voice(person, "a-session-of-its-own")
    for moment in moments(person, kind, seconds=2):
        report = PARSER.parse(voice.body(moment))
        assert report.dropped == []
        assert (report.conference, report.participant_id) == ("room-1", person.participant_id)


def test_a_push_has_the_room_and_the_bridge_of_the_person() -> None:
    body = bodies(person_of(8))[0]
    assert values(body)["conference_participants"] == 8
    labels = body["metrics"]["connectionquality"]["labels"]
    assert (labels["bridge"], labels["serverregion"]) == ("jvb-eu-west-1", "eu-west")
    assert body["metrics"]["transport_rtt"][0]["labels"]["p2p"] == "false"
    direct = bodies(person_of(2, is_direct=True))[0]["metrics"]
    assert "bridge" not in direct["connectionquality"]["labels"]
    assert direct["transport_rtt"][0]["labels"]["p2p"] == "true"


def test_a_bridge_is_told_in_an_outage_too_and_that_there_is_none() -> None:
    for body in bodies(person_of(8), "outage"):
        labels = body["metrics"]["connectionquality"]["labels"]
        assert (labels["bridge"], labels.get("p2p")) == ("jvb-eu-west-1", None)
    for body in bodies(person_of(2, is_direct=True), "outage"):
        assert body["metrics"]["connectionquality"]["labels"]["p2p"] == "true"


def test_who_is_heard_badly_is_named_where_the_recording_named_somebody() -> None:
    person = person_of(3)
    source = person.room.people[2]
    happening = Happening(person, 0, 300, "received", "sender", source)
    tape = Tapes(recorded(), 2, random.Random(2)).tape(person, [happening])
    voice = Voice(person, "a-session-of-its-own")
    labels = [
        json.loads(voice.body(next(tape)))["metrics"]["connectionquality"]["labels"]
        for _ in range(20)
    ]
    named = {each["worstSource"] for each in labels if "worstSource" in each}
    assert named == {source.participant_id}


def test_a_page_of_the_original_tells_thirteen_fields_and_never_loss_up() -> None:
    for body in bodies(person_of(8, is_original=True), "uplink"):
        assert set(body["metrics"]) == ORIGINALS_FIELDS
        assert "session" not in body
        assert values(body)["packetloss_upload"] == 0


def test_a_page_of_the_original_holds_its_round_trip_in_an_outage() -> None:
    person = person_of(8, is_original=True)
    told = moments(person, "outage")
    silent = [each.interval.values["round_trip"] is None for each in told]
    assert 3 < sum(silent) < len(silent)
    for body in bodies(person, "outage"):
        assert body["metrics"]["transport_rtt"][0]["value"] is not None


def test_a_listener_sends_nothing_and_a_lone_speaker_gets_nothing() -> None:
    listener = values(bodies(person_of(40, seat=7))[0])
    assert (listener["packetloss_upload"], listener["bitrate_upload"]) == (None, 0)
    assert listener["packetloss_download"] == 0
    speaker = values(bodies(person_of(40, seat=0))[0])
    assert (speaker["packetloss_download"], speaker["bitrate_download"]) == (None, 0)
    assert speaker["packetloss_upload"] == 0


def test_streams_are_those_of_the_room() -> None:
    expected = [values(each)["streams_expected"] for each in bodies(person_of(3))]
    assert {each for each in expected if each is not None} == {2}
