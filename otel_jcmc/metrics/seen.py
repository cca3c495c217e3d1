"""Prepares a snapshot for the verdict: counts all participants, and lists those not good."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from sys import intern
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

_ID_OF: Final = {row.field: row.id for row in METRICS}
_PRESENT: Final = _ID_OF["conference_participants"]
# The metrics of a participant that `_seen` reads, in the order in which it unpacks them.
_SEEN: Final = (
    *(STATE_ID, CAUSE_ID, _PRESENT),
    *(_ID_OF[field] for field in ("packetloss_upload", "limitation_cpu", "bitrate_upload")),
)


class Who:
    """
    The facts about one stay that the verdict needs; the stay keeps this object.

    Attributes:
        place: each stay has its own Place object. To share equal objects would take more memory and
            time than it saves.
        participant, network, source: as in the verdict's class Seen.
        knows_loss_up: false for the page of the original JCMC, which always reports a loss up of 0.
    """

    __slots__ = ("knows_loss_up", "network", "participant", "place", "source")

    def __init__(self, stay: Stay) -> None:
        """Read the facts from the attributes of *stay*."""
        attributes = stay.attributes
        self.participant: str = attributes[PARTICIPANT.id]
        self.network = intern(attributes.get(NETWORK.id, ""))
        self.source: str = attributes.get(WORST_SOURCE.id, "")
        self.knows_loss_up: bool = attributes.get(SENDER.id) != ORIGINAL
        self.place = _place(stay.conference, attributes)


def who_is(stay: Stay) -> Who:
    """Return the facts about *stay* for the verdict; *stay* keeps them for the next call."""
    made: Who | None = stay.who
    if made is None:
        made = stay.who = Who(stay)
    return made


def _place(conference: str, attributes: dict[int, Any]) -> Place:
    """Return the place of a participant with *attributes*; equal texts become one object."""
    version = attributes.get(BROWSER_VERSION.id, "").partition(".")[0]
    browser = attributes.get(BROWSER_NAME.id, "")
    return Place(
        conference,
        intern(attributes.get(BRIDGE.id, "")),
        intern(attributes.get(REGION.id, "")),
        intern(f"{browser} {version}".strip() if browser else ""),
        intern(attributes.get(RELAY.id, "")),
        _is_direct(attributes),
    )


def _is_direct(attributes: dict[int, Any]) -> bool:
    """Say whether the participant is connected only to a peer, now or when this was last known."""
    paths = attributes.get(LIST_ID)
    if not paths:
        return attributes.get(DIRECT.id) == "true"
    return {path.get(PEER_TO_PEER.id) for path in paths} == {"true"}


def everybody_in(snapshot: Snapshot) -> Everybody:
    """Count the participants of *snapshot*; return also a Seen for each in state fair or bad."""
    counts: Counter[tuple[Place, int | None]] = Counter()
    ill: list[Seen] = []
    for part in snapshot.parts:
        states = part.column(STATE_ID)
        counts.update(zip(part.derive(_places), states, strict=True))
        ill += _seen(part, [at for at, state in enumerate(states) if state])
    return Everybody(
        counts,
        ill,
        partial(_members, snapshot),
        partial(_present, snapshot),
        partial(_clients, snapshot),
    )


def _places(part: Part) -> list[Place]:
    """Return the place of each participant of *part*."""
    return [who_is(stay).place for stay in part.stays]


def _seen(part: Part, places: Sequence[int]) -> Iterator[Seen]:
    """Return the participants at the indexes *places* of *part* as Seen."""
    if not places:
        return
    stays, columns = part.stays, [part.column(id_) for id_ in _SEEN]
    for at in places:
        who = who_is(stays[at])
        state, cause, present, loss_up, cpu, sent = [column[at] for column in columns]
        yield Seen(
            who.place,
            who.participant,
            state,
            cause or 0,
            who.network,
            int(present or 0),
            who.source,
            loss_up if who.knows_loss_up else None,
            (cpu or 0) > SLOW_CPU_PERCENT,
            None if sent is None else sent > 0,
        )


def _members(snapshot: Snapshot, conferences: Collection[str]) -> Iterator[Seen]:
    """Return all participants of *snapshot* in *conferences*."""
    for part in snapshot.parts:
        places = enumerate(part.derive(_places))
        yield from _seen(part, [at for at, place in places if place.conference in conferences])


def _present(snapshot: Snapshot, conferences: Collection[str]) -> Mapping[str, int]:
    """Return conference -> how many people its participants see; the largest number counts."""
    found: dict[str, int] = {}
    for part in snapshot.parts:
        for place, count in zip(part.derive(_places), part.column(_PRESENT), strict=True):
            name = place.conference
            if count and name in conferences and count > found.get(name, 0):
                found[name] = int(count)
    return found


def _clients(
    snapshot: Snapshot, people: Collection[tuple[str, str]]
) -> Mapping[tuple[str, str], str]:
    """Return the client id of each of *people*, given as (conference, participant)."""
    conferences = {conference for conference, _ in people}
    found: dict[tuple[str, str], str] = {}
    for part in snapshot.parts:
        for stay, place in zip(part.stays, part.derive(_places), strict=True):
            who = place.conference, who_is(stay).participant
            if place.conference in conferences and who in people:
                found[who] = stay.attributes.get(CLIENT.id, "")
    return found
