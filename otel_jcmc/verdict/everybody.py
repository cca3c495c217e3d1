"""
Everybody who is live, as what stands out is found: who is bad in detail, the others counted.

Nearly everybody is well, and of those who are only the numbers matter; so a look at ten thousand
is a few steps of a library's counting, and some more for each who is bad.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import NamedTuple


class Place(NamedTuple):
    """
    Where somebody is; each text is empty where it is not known.

    Attributes:
        browser: name and major version.
        relay: what the operator calls the TURN server.
        is_direct: connected to a peer, and by no bridge.
    """

    conference: str
    bridge: str = ""
    region: str = ""
    browser: str = ""
    relay: str = ""
    is_direct: bool = False


class Seen(NamedTuple):
    """
    One live participant, as far as it matters to others.

    Attributes:
        participant: Jitsi's id in the conference.
        state: None: not known.
        cause: id of rules.CAUSES; 0: none.
        network: a short keyed hash of the caller's network; empty: not known.
        present: how many the participant sees in its room; 0: not known.
        source: whose stream, of those that it gets, loses the most; empty: not known.
        loss_up: percent; None: not known.
        is_slow: whether its computer limits what it sends.
        sends: whether anything goes out; None: not known.
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
    One look at everybody.

    Attributes:
        counts: place and state -> how many.
        ill: those whose state is fair or bad.
        members: returns all who are in some conferences.
        present: returns, for some conferences, how many those who are there see at most.
        clients: returns the client's id of each of some, who are (conference, participant).
    """

    counts: Counts
    ill: list[Seen]
    members: Callable[[Collection[str]], Iterable[Seen]]
    present: Callable[[Collection[str]], Mapping[str, int]]
    clients: Callable[[Collection[tuple[str, str]]], Mapping[tuple[str, str], str]] = lambda _: {}


def everybody_of(people: Iterable[Seen]) -> Everybody:
    """Return *people* as everybody."""
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
