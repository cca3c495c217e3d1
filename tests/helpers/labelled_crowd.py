"""
A small crowd whose trouble is known: what stands out of it, and who is to blame, is to be found.

Thirty-eight rooms of five on two bridges of two regions. All six rooms on jvb-2, from four
networks, lose what they are sent; of those on jvb-1 one room has a sender that loses what it
sends, one room is bad as a whole, and one participant elsewhere is bad by itself.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from harness import Service, push_body

BAD_BRIDGE, BAD_REGION = "jvb-2", "us-east"
GOOD_BRIDGE, GOOD_REGION = "jvb-1", "eu-west"
BAD_ROOM = "room-30"
LONER_ROOM, LONER = "room-31", "p31-0"
# How many bridges' rooms are bad, and how many there are.
_BAD_ROOMS, _ROOMS, _PEOPLE = 6, 38, 5
PEOPLE = _ROOMS * _PEOPLE
# The service trusts a proxy on loopback, so the networks are what it says.
NETWORKS = [f"198.51.{number}.7" for number in range(100, 104)]
# As Jitsi names the causes of a join that fails.
FAILURES = ("conference.iceFailed", "conference.videobridgeNotAvailable")


class Person(NamedTuple):
    """One of the crowd."""

    name: str
    room: str
    bridge: str
    region: str
    network: str
    is_bad: bool


def crowd() -> Iterator[Person]:
    """Yield everybody."""
    for room in range(_ROOMS):
        is_bad = room < _BAD_ROOMS
        place = (BAD_BRIDGE, BAD_REGION) if is_bad else (GOOD_BRIDGE, GOOD_REGION)
        for number in range(_PEOPLE):
            name, of = f"p{room}-{number}", f"room-{room}"
            network = NETWORKS[(room + number) % len(NETWORKS)]
            bad = is_bad or of == BAD_ROOM or name == LONER
            yield Person(name, of, *place, network, bad)


def body_of(person: Person) -> dict[str, Any]:
    """Return what the page of *person* pushes."""
    body = push_body(person.name, person.room)
    metrics = body["metrics"]
    metrics["connectionquality"]["labels"] = {
        "serverregion": person.region,
        "bridge": person.bridge,
        "videoCodec": "VP8",
        "audioCodec": "opus",
    }
    loss = 12 if person.is_bad else 0
    known = {
        "packetloss_upload": 0,
        "packetloss_download": loss,
        # Of all streams alike: the way to the participant, nobody's who sends.
        "packetloss_download_best": loss - 1 if loss else 0,
        "packetloss_download_worst": loss + 1 if loss else 0,
        "round_trip_time": 40,
        "jitter_download": 9,
        "jitter_upload": 4,
        "audio_concealed": 4 if loss else 0,
        "freeze_time": 0,
        "framerate_download": 24,
        "framerate_upload": 25,
        "limitation_cpu": 0,
        "conference_participants": _PEOPLE,
        "outage_down": 0,
        "outage_up": 0,
    }
    metrics |= {name: {"value": value} for name, value in known.items()}
    path = {"protocol": "udp", "localCandidateType": "srflx", "p2p": "false"}
    metrics["transport_rtt"] = [{"labels": path, "value": 41}]
    return body


def push_crowd(service: Service) -> None:
    """Push everybody once."""
    for person in crowd():
        answer = service.push(body_of(person), headers={"X-Forwarded-For": person.network})
        assert (answer.status, answer.body) == (200, "OK"), answer
