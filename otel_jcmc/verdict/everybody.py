"""
Holds all live participants for the search for what stands out.

A look is one such search; a replica makes one every ten seconds. Participants with a good call are
held only as counts, which a library makes quickly. Only participants with a fair or bad call are
held one by one. So a look at ten thousand participants takes little time if nearly all calls are
good.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import NamedTuple


class Place(NamedTuple):
    """
    Where a participant is: its conference, bridge, region, browser and relay; empty: not known.

    Attributes:
        browser: name and major version of the browser.
        relay: the name that the operator gave to the TURN server.
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
    One live participant, with the facts that the search for what stands out needs.

    Attributes:
        participant: Jitsi's id of the participant in the conference.
        state: a member of rules.State; None: not known.
        cause: id of a cause in rules.CAUSES; 0: no cause.
        network: a short keyed hash of the participant's network; empty: not known.
        present: number of participants that this page sees in the conference; 0: not known.
        source: the sender of the received stream with the most loss; empty: not known.
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
        counts: (place, state) -> number of participants.
        ill: the participants whose state is fair or bad.
        members: returns all participants of the given conferences.
        present: returns for each given conference the number of participants that its pages see;
            if pages see different numbers, the largest.
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
