"""
Makes the conferences of a simulation, with their participants, bridges and regions.

In conferences of two and three, all participants send audio and video. In larger conferences, a few
participants send, and the others only listen. Participants have addresses of many networks. In some
conferences, all participants are in the network of one office.
"""

import random
import uuid
from dataclasses import dataclass, field
from typing import Final

_REGIONS: Final = ("eu-west", "us-east", "ap-south", "eu-north")
# Size of a conference -> how many of a hundred conferences have this size.
SIZES: Final = {2: 45, 3: 30, 8: 22, 40: 3}
# Size of a conference -> how many of its participants are heard and seen.
_SENDERS: Final = {2: 2, 3: 3, 8: 2, 40: 1}
# The ratio of conferences of two that have no bridge (DIRECT), and the ratio of conferences whose
# participants are all in one office.
DIRECT: Final = 0.3
OFFICES: Final = 0.3
FIREFOX: Final = 0.15
_BRIDGES_OF: Final = ((8, 1), (100, 4), (0, 12))


@dataclass(eq=False)
class Person:
    """
    A simulated participant.

    Attributes:
        address: the IP address from which the participant pushes.
        is_original: whether the participant uses the page of the original (JCMC). This page pushes
            fewer metrics.
        is_sender: whether the other participants hear and see this participant.
        offset: the time until the participant's first push, in intervals, from 0 to 1.
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
        """The participants whom this participant hears and sees."""
        return [each for each in self.room.senders if each is not self]


@dataclass(eq=False)
class Room:
    """A conference on one *bridge*; if it *is_direct*, it uses no bridge."""

    name: str
    bridge: str
    region: str
    is_direct: bool = False
    people: list[Person] = field(default_factory=list)

    @property
    def senders(self) -> list[Person]:
        """The participants whom the others hear and see."""
        return [each for each in self.people if each.is_sender]


@dataclass(frozen=True)
class Fleet:
    """All conferences of a simulation."""

    rooms: list[Room]

    @property
    def people(self) -> list[Person]:
        """The participants of all conferences."""
        return [person for room in self.rooms for person in room.people]

    @property
    def bridges(self) -> list[tuple[str, str]]:
        """The name and region of each bridge that a conference has, sorted."""
        return sorted({(room.bridge, room.region) for room in self.rooms})


def make_fleet(
    chance: random.Random, rooms: int, size: int | None = None, originals: float = 0.3
) -> Fleet:
    """
    Return a fleet of *rooms* conferences; it has more bridges if it has more conferences.

    Args:
        size: the number of participants in each conference; None: different sizes, mostly small.
        originals: the ratio of participants who use the page of the original (JCMC).
    """
    count = next(few for most, few in _BRIDGES_OF if rooms <= most or not most)
    # If there are few bridges, each region has at least two of them.
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
    """Return the first three numbers of an IPv4 address in 198.18.0.0/15, for tests (RFC 2544)."""
    return f"198.{chance.choice((18, 19))}.{chance.randrange(256)}"
