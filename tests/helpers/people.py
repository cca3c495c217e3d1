"""
Participants as Redis holds them, written by the documented format, not by the package's code.

`told` is a push as the format has it: catalogue id -> number, text, or for a list metric
[[value, {id: text}], ...].
"""

import struct
from typing import Any

import msgspec
from harness import CLIENT_ID

from otel_jcmc.catalogue.attributes import (
    BRIDGE,
    CLIENT,
    CONFERENCE,
    PARTICIPANT,
    PEER_TO_PEER,
    REGION,
)
from otel_jcmc.catalogue.metrics import CAUSE_ID, LAST_METRIC_ID, LIST_ID, STATE_ID
from otel_jcmc.metrics.provider import Collected
from otel_jcmc.metrics.snapshot import Building, Part, People, Snapshot
from otel_jcmc.store.live import Store
from otel_jcmc.store.participant import Participant, Write, from_value, to_write
from otel_jcmc.store.reads import Live
from otel_jcmc.verdict.rules import State
from otel_jcmc.wire.push import Report
from otel_jcmc.wire.session import Session

Told = dict[int, Any]


def apart(told: Told) -> tuple[dict[int, Any], list[Any]]:
    """Return the attributes and the numbers of *told*."""
    attributes: dict[int, Any] = {}
    highest = max((id_ for id_ in told if id_ < 64), default=0)
    numbers: list[Any] = [None] * max(LAST_METRIC_ID, highest)
    for id_, value in told.items():
        if isinstance(value, list) and id_ < 64:
            numbers[id_ - 1] = [each[0] for each in value]
            attributes[id_] = [each[1] for each in value]
        elif id_ < 64:
            numbers[id_ - 1] = value
        else:
            attributes[id_] = value
    return attributes, numbers


def with_head(
    payload: bytes,
    session: bytes = b"",
    started_ms: float = 0.0,
    seq: int = 0,
    schema: int = 3,
    owner: bytes = b"",
) -> bytes:
    """Return *payload* with the head that participants.lua gives it."""
    head = struct.pack(">BBBdBIBB", 0x97, schema, 0xCB, started_ms, 0xCE, seq, 0xD9, len(session))
    return head + session + bytes([0xC4, len(owner)]) + owner + payload


def stored_value(told: Told, session: bytes = b"", started_ms: float = 0.0, **head: Any) -> bytes:
    """Return the value in Redis of a participant."""
    attributes, numbers = apart(told)
    encode = msgspec.msgpack.encode
    payload = encode(encode(attributes)) + encode(numbers)
    return with_head(payload, session, started_ms, **head)


def value_of(write: Write, started_ms: float = 0.0) -> bytes:
    """Return the value in Redis after *write*."""
    head = write.session.encode(), started_ms, max(write.seq, 0)
    return with_head(write.payload, *head, owner=write.owner)


def person(told: Told, session: str = "", started_ms: float = 0.0) -> Participant:
    """Return the participant of *told*."""
    found = from_value(stored_value(told, session.encode(), started_ms))
    assert found is not None
    return found


def told_by(participant: Participant) -> Told:
    """Return the `told` of *participant*."""
    told = dict(participant.stay.attributes)
    for id_, value in enumerate(participant.numbers, 1):
        if isinstance(value, list):
            told[id_] = [[each, path] for each, path in zip(value, told[id_], strict=True)]
        elif value is not None:
            told[id_] = value
    return told


def snapshot_of(*participants: Participant) -> Snapshot:
    """Return a snapshot of *participants*, in parts of two."""
    snapshot = Snapshot()
    for start in range(0, len(participants), 2):
        snapshot.parts.append(Part.of(participants[start : start + 2]))
    return snapshot


def snapshot_made_of(*values: bytes) -> Snapshot:
    """Return the snapshot that stored *values* make."""
    building = Building({})
    found = {number.to_bytes(16, "big"): value for number, value in enumerate(values)}
    building.add(Live([*found], [b"1"] * len(found), {**found}, 0))
    return building.finish()


async def take(store: Store, known: People | None = None) -> Snapshot:
    """Return a snapshot of all participants in *store*; *known*: those of an earlier snapshot."""
    building = Building(known or {})
    async for live in store.read_live(known or {}):
        building.add(live)
    return building.finish()


def judged(
    room: str,
    name: str,
    state: State | None = State.GOOD,
    cause: int | None = None,
    bridge: str = "jvb-1",
    region: str = "eu",
    *,
    is_direct: bool = False,
) -> Participant:
    """Return a participant whose last push has this verdict."""
    who: dict[int, Any] = {CONFERENCE.id: room, CLIENT.id: CLIENT_ID, PARTICIPANT.id: name}
    if bridge:
        who[BRIDGE.id] = bridge
    if region:
        who[REGION.id] = region
    who[LIST_ID] = [[20, {PEER_TO_PEER.id: str(is_direct).lower()}]]
    numbers = {STATE_ID: state, CAUSE_ID: cause}
    report = Report(room, CLIENT_ID, name, Session("", -1, 0, ""), *apart(who | numbers))
    made = from_value(value_of(to_write(report, 30_000)))
    assert made is not None
    return made


def people_in(snapshot: Snapshot) -> list[Participant]:
    """Return the participants of *snapshot*."""
    return [each for part in snapshot.parts for each in part.participants]


def observed_by(gauge: Collected) -> list[tuple[dict[str, Any], float]]:
    """Return label set and value of each observation of *gauge*."""
    return [(dict(each.attributes or {}), each.value) for each in gauge.observations]
