"""
A story's conferences on the bridges of regions, and the participants in them.

In conferences of two and three all participants send audio and video; in larger conferences a few
send, and the others listen. Participants have addresses of many networks; in some conferences all
participants are in the network of one office.
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
# The share of conferences of two that have no bridge; the share of conferences in one office.
DIRECT: Final = 0.3
OFFICES: Final = 0.3
FIREFOX: Final = 0.15
_BRIDGES_OF: Final = ((8, 1), (100, 4), (0, 12))


@dataclass(eq=False)
class Person:
    """
    One participant.

    Attributes:
        address: the address that the pushes come from.
        is_original: the participant uses the page of the original (JCMC), which pushes less.
        is_sender: the others hear and see the participant.
        offset: the share of an interval after which the participant first pushes.
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
        """The participants that this one hears and sees."""
        return [each for each in self.room.senders if each is not self]


@dataclass(eq=False)
class Room:
    """A conference on one *bridge*; on no bridge if it *is_direct*."""

    name: str
    bridge: str
    region: str
    is_direct: bool = False
    people: list[Person] = field(default_factory=list)

    @property
    def senders(self) -> list[Person]:
        """The participants that are heard and seen."""
        return [each for each in self.people if each.is_sender]


@dataclass(frozen=True)
class Fleet:
    """All conferences."""

    rooms: list[Room]

    @property
    def people(self) -> list[Person]:
        """All participants."""
        return [person for room in self.rooms for person in room.people]

    @property
    def bridges(self) -> list[tuple[str, str]]:
        """Name and region of each bridge."""
        return sorted({(room.bridge, room.region) for room in self.rooms})


def make_fleet(
    chance: random.Random, rooms: int, size: int | None = None, originals: float = 0.3
) -> Fleet:
    """
    Return a fleet of *rooms* conferences; the more conferences, the more bridges.

    Args:
        size: participants of each conference; None: several sizes, most of them small.
        originals: the share of participants who use the page of the original (JCMC).
    """
    count = next(few for most, few in _BRIDGES_OF if rooms <= most or not most)
    # If there are few bridges, each region has two.
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
    """Return three numbers of an address in 198.18.0.0/15, which is for tests only (RFC 2544)."""
    return f"198.{chance.choice((18, 19))}.{chance.randrange(256)}"
