"""
A small crowd whose trouble is known, so that tests can check what stands out and who is to blame.

Conferences of five on the bridges of two regions. Always bad: one whole conference on jvb-1, and
one single participant elsewhere. In addition, all conferences on a bridge, in a region or in the
fleet may lose packets on the way down.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import Any, NamedTuple

from harness import Service, push_body

BAD_BRIDGE, OTHER_BAD_BRIDGE, BAD_REGION = "jvb-2", "jvb-3", "us-east"
GOOD_BRIDGE, GOOD_REGION = "jvb-1", "eu-west"
BAD_ROOM = "room-30"
LONER_ROOM, LONER = "room-31", "p31-0"
_PEOPLE = 5
# Conferences on each bad bridge, and in all: if a fifth is bad, the whole fleet stands out.
_ON_BRIDGE, _ROOMS, _ROOMS_WITH_REGION = 6, 38, 70
PEOPLE = _ROOMS * _PEOPLE
# The service trusts a proxy on loopback, so each push names its own network.
NETWORKS = [f"198.51.{number}.7" for number in range(100, 104)]
# Jitsi's names of the causes of a failed join.
FAILURES = ("conference.iceFailed", "conference.videobridgeNotAvailable")


class Trouble(StrEnum):
    """How wide the trouble is: the widest scope that stands out."""

    FLEET = "fleet"
    REGION = "region"
    BRIDGE = "bridge"
    CONFERENCE = "conference"


class Person(NamedTuple):
    """One participant of the crowd."""

    name: str
    room: str
    bridge: str
    region: str
    network: str
    is_bad: bool


def crowd(trouble: Trouble) -> Iterator[Person]:
    """Yield all participants."""
    for room in range(_ROOMS_WITH_REGION if trouble is Trouble.REGION else _ROOMS):
        place, is_bad = _place(trouble, room)
        for number in range(_PEOPLE):
            name, of = f"p{room}-{number}", f"room-{room}"
            network = NETWORKS[(room + number) % len(NETWORKS)]
            bad = is_bad or of == BAD_ROOM or name == LONER
            yield Person(name, of, *place, network, bad)


def _place(trouble: Trouble, room: int) -> tuple[tuple[str, str], bool]:
    """Return bridge and region of a *room*, and whether that place is bad."""
    if room < _ON_BRIDGE:
        return (BAD_BRIDGE, BAD_REGION), trouble is not Trouble.CONFERENCE
    if trouble is Trouble.REGION and room < 2 * _ON_BRIDGE:
        return (OTHER_BAD_BRIDGE, BAD_REGION), True
    return (GOOD_BRIDGE, GOOD_REGION), trouble is Trouble.FLEET


def body_of(person: Person) -> dict[str, Any]:
    """Return the push of *person*."""
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
        # All streams lose alike: the fault is the way to the participant, not a sender's.
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


def push_crowd(service: Service, trouble: Trouble = Trouble.BRIDGE) -> None:
    """Push once for each participant."""
    for person in crowd(trouble):
        answer = service.push(body_of(person), headers={"X-Forwarded-For": person.network})
        assert (answer.status, answer.body) == (200, "OK"), answer


def push_trouble(service: Service) -> None:
    """Cause what the board of the service shows: refused pushes and failed joins."""
    assert service.push("{").status == 400
    for number, cause in enumerate(FAILURES):
        body = push_body(f"nobody-{number}", "room-0", metrics={})
        ended = {"reason": "failed", "cause": cause, "join_ms": 9000}
        body["session"] = {"id": f"failed-{number}-0123456789", "seq": 1, "end": ended}
        assert service.push(body).status == 200


def settings() -> dict[str, str]:
    """Return the settings for it: names of bridges, long lives, no limits by address."""
    bridges = (BAD_BRIDGE, OTHER_BAD_BRIDGE, GOOD_BRIDGE)
    return {
        "JCMC_BRIDGES": ",".join(f"{name}={name}" for name in bridges),
        "METRICS_EXPIRATION": "300",
        "JCMC_LIMIT_ADDRESS_NEWCOMERS_PER_SECOND": "0",
        "JCMC_LIMIT_ADDRESS_PUSHES_PER_SECOND": "0",
    }
