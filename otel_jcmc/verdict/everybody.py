"""
The input of a look at all live participants: those not well in detail, the others as counts.

Nearly all participants are well, and only their numbers matter. A look at ten thousand participants
is a few counting steps of a library, and some more steps for each participant that is not well.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import NamedTuple


class Place(NamedTuple):
    """
    The conference of a participant and the things that it shares with others; empty: not known.

    Attributes:
        browser: name and major version.
        relay: the operator's name of the TURN server.
        is_direct: whether the participant is connected to a peer, without a bridge.
    """

    conference: str
    bridge: str = ""
    region: str = ""
    browser: str = ""
    relay: str = ""
    is_direct: bool = False


class Seen(NamedTuple):
    """
    One live participant, with the facts that a look needs.

    Attributes:
        participant: Jitsi's id in the conference.
        state: None: not known.
        cause: id of rules.CAUSES; 0: none.
        network: a short keyed hash of the caller's network; empty: not known.
        present: number of participants that it sees in its conference; 0: not known.
        source: sender of the received stream that loses the most; empty: not known.
        loss_up: percent of sent packets that are lost; None: not known.
        is_slow: whether the participant's computer limits the video that it sends.
        sends: whether the participant sends any media; None: not known.
    """

    place: Place
    participant: str
    state: int | None
    cause: int = 0
    network: str = ""
    present: int = 0
    source: str = ""
    loss_up: float | None = None
    is_slow: bool = False
    sends: bool | None = None


Counts = Mapping[tuple[Place, int | None], int]


class Everybody(NamedTuple):
    """
    All live participants at the time of one look.

    Attributes:
        counts: place and state -> number of participants.
        ill: the participants whose state is fair or bad.
        members: returns all participants of the given conferences.
        present: returns for each given conference the largest number of participants that one of
            its participants sees.
        clients: returns the client id of each given (conference, participant).
    """

    counts: Counts
    ill: list[Seen]
    members: Callable[[Collection[str]], Iterable[Seen]]
    present: Callable[[Collection[str]], Mapping[str, int]]
    clients: Callable[[Collection[tuple[str, str]]], Mapping[tuple[str, str], str]] = lambda _: {}


def everybody_of(people: Iterable[Seen]) -> Everybody:
    """Return *people* as an `Everybody`."""
    people = list(people)

    def members(conferences: Collection[str]) -> list[Seen]:
        return [each for each in people if each.place.conference in conferences]

    def present(conferences: Collection[str]) -> dict[str, int]:
        found: dict[str, int] = {}
        for each in members(conferences):
            name = each.place.conference
            found[name] = max(found.get(name, 0), each.present)
        return found

    counts = Counter((each.place, each.state) for each in people)
    ill = [each for each in people if each.state]
    return Everybody(counts, ill, members, present)
