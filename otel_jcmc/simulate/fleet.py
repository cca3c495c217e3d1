"""
Makes a story's conferences, their participants, and the bridges and regions of the conferences.

In conferences of two and three, all participants send audio and video. In larger conferences, a few
participants send and the others listen. The participants have addresses of many networks. In some
conferences, all participants have addresses of one network, like the network of an office.
"""

import random
import uuid
from dataclasses import dataclass, field
from typing import Final

_REGIONS: Final = ("eu-west", "us-east", "ap-south", "eu-north")
# Number of participants -> percent of the conferences that have so many participants.
SIZES: Final = {2: 45, 3: 30, 8: 22, 40: 3}
# Number of participants in a conference -> how many of them send audio and video.
_SENDERS: Final = {2: 2, 3: 3, 8: 2, 40: 1}
# DIRECT: the share of the conferences of two that have no bridge. OFFICES: the share of the
# conferences whose participants are all in one network.
DIRECT: Final = 0.3
OFFICES: Final = 0.3
FIREFOX: Final = 0.15
_BRIDGES_OF: Final = ((8, 1), (100, 4), (0, 12))


@dataclass(eq=False)
class Person:
    """
    One participant.

    Attributes:
        address: the address from which the participant's pushes come.
        is_original: whether the page is the original's (JCMC's), which pushes fewer metrics.
        is_sender: whether the participant sends audio and video.
        offset: the time of the first push, as a share of an interval.
    """

    client_id: str
    participant_id: str
    room: "Room"
    address: str
    browser: str
    is_original: bool
    is_sender: bool
    offset: float

    @property
    def sources(self) -> list["Person"]:
        """The other participants of the conference who send audio and video."""
        return [each for each in self.room.senders if each is not self]


@dataclass(eq=False)
class Room:
    """A conference on the bridge *bridge*; if *is_direct* is true, it uses no bridge."""

    name: str
    bridge: str
    region: str
    is_direct: bool = False
    people: list[Person] = field(default_factory=list)

    @property
    def senders(self) -> list[Person]:
        """The participants who send audio and video."""
        return [each for each in self.people if each.is_sender]


@dataclass(frozen=True)
class Fleet:
    """All conferences of a story."""

    rooms: list[Room]

    @property
    def people(self) -> list[Person]:
        """All participants of all conferences."""
        return [person for room in self.rooms for person in room.people]

    @property
    def bridges(self) -> list[tuple[str, str]]:
        """The name and the region of each bridge, sorted."""
        return sorted({(room.bridge, room.region) for room in self.rooms})


def make_fleet(
    chance: random.Random, rooms: int, size: int | None = None, originals: float = 0.3
) -> Fleet:
    """
    Return a fleet of *rooms* conferences; a fleet with more conferences has more bridges.

    Args:
        size: the number of participants of each conference; None: various numbers, mostly small.
        originals: the share of participants who use the page of the original (JCMC).
    """
    count = next(few for most, few in _BRIDGES_OF if rooms <= most or not most)
    # Each region has at least two bridges, unless there is only one bridge.
    regions = max(1, min(len(_REGIONS), count // 2))
    made = []
    for number in range(rooms):
        of = size or chance.choices(list(SIZES), list(SIZES.values()))[0]
        at = number % count
        region = _REGIONS[at % regions]
        room = Room(f"room-{number + 1}", f"jvb-{region}-{at // regions + 1}", region)
        room.is_direct = of == 2 and chance.random() < DIRECT
        office = _network(chance) if chance.random() < OFFICES else ""
        heard = _SENDERS.get(of, 2)
        room.people = [
            _person(chance, room, office or _network(chance), originals, is_sender=seat < heard)
            for seat in range(of)
        ]
        made.append(room)
    return Fleet(made)


def _person(
    chance: random.Random, room: Room, network: str, originals: float, *, is_sender: bool
) -> Person:
    return Person(
        client_id=str(uuid.UUID(int=chance.getrandbits(128), version=4)),
        participant_id=f"{chance.getrandbits(32):08x}",
        room=room,
        address=f"{network}.{chance.randrange(1, 255)}",
        browser="Firefox" if chance.random() < FIREFOX else "Chromium",
        is_original=chance.random() < originals,
        is_sender=is_sender,
        offset=chance.random(),
    )


def _network(chance: random.Random) -> str:
    """Return the first three numbers of an address for tests, in 198.18.0.0/15 (RFC 2544)."""
    return f"198.{chance.choice((18, 19))}.{chance.randrange(256)}"
