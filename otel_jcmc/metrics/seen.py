"""A snapshot's participants as the verdict sees them: counted, and the bad ones one by one."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any, Final

from otel_jcmc.catalogue.attributes import (
    BRIDGE,
    BROWSER_NAME,
    BROWSER_VERSION,
    CLIENT,
    DIRECT,
    NETWORK,
    ORIGINAL,
    PARTICIPANT,
    PEER_TO_PEER,
    REGION,
    RELAY,
    SENDER,
    WORST_SOURCE,
)
from otel_jcmc.catalogue.metrics import CAUSE_ID, LIST_ID, METRICS, STATE_ID
from otel_jcmc.metrics.snapshot import Part, Snapshot
from otel_jcmc.store.participant import Stay
from otel_jcmc.verdict.everybody import Everybody, Place, Seen
from otel_jcmc.verdict.rules import SLOW_CPU_PERCENT

_AT: Final = {row.field: row.id - 1 for row in METRICS}
_STATE, _CAUSE = STATE_ID - 1, CAUSE_ID - 1
_PRESENT, _LOSS_UP = _AT["conference_participants"], _AT["packetloss_upload"]
_CPU, _SENT = _AT["limitation_cpu"], _AT["bitrate_upload"]


class Who:
    """
    What the verdict needs to know of one stay, kept with it.

    Attributes:
        place: one object for all who are at the same.
        participant, network, source: as in Seen.
        knows_loss_up: the original's page says 0 whatever is lost.
    """

    __slots__ = ("knows_loss_up", "network", "participant", "place", "source")

    def __init__(self, stay: Stay) -> None:
        """Read it from the attributes of *stay*."""
        attributes = stay.attributes
        self.participant: str = attributes[PARTICIPANT.id]
        self.network: str = attributes.get(NETWORK.id, "")
        self.source: str = attributes.get(WORST_SOURCE.id, "")
        self.knows_loss_up: bool = attributes.get(SENDER.id) != ORIGINAL
        self.place = _place(stay.conference, attributes)


def who_is(stay: Stay) -> Who:
    """Return what the verdict needs to know of *stay*, the same object each time."""
    made: Who | None = stay.who
    if made is None:
        made = stay.who = Who(stay)
    return made


def _place(conference: str, attributes: dict[int, Any]) -> Place:
    """Return where somebody with *attributes* is."""
    version = attributes.get(BROWSER_VERSION.id, "").partition(".")[0]
    browser = attributes.get(BROWSER_NAME.id, "")
    return _shared(
        conference,
        attributes.get(BRIDGE.id, ""),
        attributes.get(REGION.id, ""),
        f"{browser} {version}".strip() if browser else "",
        attributes.get(RELAY.id, ""),
        _is_direct(attributes),
    )


def _is_direct(attributes: dict[int, Any]) -> bool:
    """Say whether somebody with *attributes* is connected to a peer, or was when that was known."""
    paths = attributes.get(LIST_ID)
    if not paths:
        return attributes.get(DIRECT.id) == "true"
    return {path.get(PEER_TO_PEER.id) for path in paths} == {"true"}


@lru_cache(maxsize=65_536)
def _shared(*place: Any) -> Place:
    """Return the same object for all who are at the same *place*."""
    return Place(*place)


def everybody_in(snapshot: Snapshot) -> Everybody:
    """Return all of *snapshot*, as the verdict sees them."""
    counts: Counter[tuple[Place, int | None]] = Counter()
    ill: list[Seen] = []
    for part in snapshot.parts:
        states = part.numbers[_STATE]
        counts.update(zip(part.derive(_places), states, strict=True))
        ill += [_seen(part, at) for at, state in enumerate(states) if state]
    return Everybody(
        counts,
        ill,
        partial(_members, snapshot),
        partial(_present, snapshot),
        partial(_clients, snapshot),
    )


def _places(part: Part) -> list[Place]:
    """Return where each of *part* is."""
    return [who_is(stay).place for stay in part.stays]


def _seen(part: Part, at: int) -> Seen:
    """Return one of *part*, as others may be concerned."""
    who, numbers = who_is(part.stays[at]), part.numbers
    sent = numbers[_SENT][at]
    return Seen(
        who.place,
        who.participant,
        numbers[_STATE][at],
        numbers[_CAUSE][at] or 0,
        who.network,
        int(numbers[_PRESENT][at] or 0),
        who.source,
        numbers[_LOSS_UP][at] if who.knows_loss_up else None,
        (numbers[_CPU][at] or 0) > SLOW_CPU_PERCENT,
        None if sent is None else sent > 0,
    )


def _members(snapshot: Snapshot, conferences: Collection[str]) -> Iterator[Seen]:
    """Return all of *snapshot* who are in *conferences*."""
    for part in snapshot.parts:
        for at, place in enumerate(part.derive(_places)):
            if place.conference in conferences:
                yield _seen(part, at)


def _present(snapshot: Snapshot, conferences: Collection[str]) -> Mapping[str, int]:
    """Return how many those in each of *conferences* see there at most."""
    found: dict[str, int] = {}
    for part in snapshot.parts:
        present: Sequence[float | None] = part.numbers[_PRESENT]
        for place, count in zip(part.derive(_places), present, strict=True):
            name = place.conference
            if count and name in conferences and count > found.get(name, 0):
                found[name] = int(count)
    return found


def _clients(
    snapshot: Snapshot, people: Collection[tuple[str, str]]
) -> Mapping[tuple[str, str], str]:
    """Return the client's id of each of *people*, who are (conference, participant)."""
    conferences = {conference for conference, _ in people}
    found: dict[tuple[str, str], str] = {}
    for part in snapshot.parts:
        for stay, place in zip(part.stays, part.derive(_places), strict=True):
            who = place.conference, who_is(stay).participant
            if place.conference in conferences and who in people:
                found[who] = stay.attributes.get(CLIENT.id, "")
    return found
