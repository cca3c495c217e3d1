"""
Events on their way to a receiver: noticed events wait in Redis until they are sent.

intake/noticing.py and logs/onsets.py add events. events.lua stores each event once, keeps track of
outages that go on, and adds the session's leg, by which a log record gets its trace id.
logs/records.py makes records from waiting events, and erasure.py finds the events of one client.

A waiting event is a line of text and, below it, a payload in msgpack. The line has: when the event
was noticed, when it began, how long it lasted (ms of Redis's clock), its name, uid, member, sid,
instance of the conference, leg; the last four are empty if there is none.
"""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import msgspec

from otel_jcmc.catalogue.attributes import (
    ATTRIBUTES,
    CLIENT,
    MEETING,
    SESSION,
    USERNAME,
    WORST_SOURCE,
)
from otel_jcmc.catalogue.metrics import LIST_ID
from otel_jcmc.sessions.moves import WAITS_MS
from otel_jcmc.store.commands import Command
from otel_jcmc.store.keys import Keys
from otel_jcmc.store.participant import CLIENT_BYTES, client_digest
from otel_jcmc.store.scripts import script

SCRIPT: Final = script("sessions/events", touches_stays=False)
# Kinds of Noticed: an event happened; a push during an outage; the first push after an outage.
HAPPENED, OUT, OVER = "event", "out", "over"
MOST_A_MINUTE: Final = 10
NOBODY: Final = bytes(CLIENT_BYTES)
# Like spans, events contain only the participant's id in Jitsi, nothing else about the person.
_NEVER: Final = {USERNAME.id, CLIENT.id, SESSION.id, WORST_SOURCE.id}
_TOLD: Final = frozenset(
    row.id for row in ATTRIBUTES if row.id not in _NEVER and (row.otel_name or row is MEETING)
)


class Payload(msgspec.Struct, array_like=True, gc=False):
    """
    The values of an event when it is noticed. Redis has them in this order: add fields at the end.

    Attributes:
        client: the digest of the client that the event is about, by which the event is erased;
            zeros: no client.
        session: the client's own session id; empty: it has none.
        instance: `service.instance.id` of the service that noticed it.
        attributes: the participant and its place, by catalogue id.
        told: the event's other values, by the names with which they are sent.
    """

    client: bytes
    session: str
    instance: str
    attributes: dict[int, Any] = {}
    told: dict[str, Any] = {}


class Noticed(NamedTuple):
    """
    One event, or one push of an outage, as events.lua takes it.

    Attributes:
        kind: HAPPENED, OUT or OVER.
        event: its name (catalogue/events.py).
        uid: a digest of the event; the same if several processes notice the same event.
        member, session: as the store has them. Without a participant *member* is empty, and
            *session* is the digest of the client in hex, if it is known.
        at: when it was noticed, in seconds of a clock that never goes back.
        lasted_ms: how long it had lasted then.
        payload: the packed Payload.
    """

    kind: str
    event: str
    uid: str
    member: str
    session: str
    at: float
    lasted_ms: int
    payload: bytes


class WaitingEvent(NamedTuple):
    """One waiting event; times in ms of Redis's clock, unknown values empty or 0."""

    noticed_ms: int
    began_ms: int
    lasted_ms: int
    event: str
    uid: str
    member: str
    sid: str
    instance: int
    leg: int
    payload: Payload


pack: Final = msgspec.msgpack.Encoder().encode
_unpack: Final = msgspec.msgpack.Decoder(Payload).decode


def payload_of(
    attributes: dict[int, Any], session: str, instance: str, told: dict[str, Any]
) -> bytes:
    """Return the payload of a participant's event, with only the first transport's attributes."""
    kept = {id_: each for id_, each in attributes.items() if id_ in _TOLD}
    if paths := attributes.get(LIST_ID):
        kept[LIST_ID] = paths[:1]
    client = client_digest(attributes.get(CLIENT.id, ""))
    return pack(Payload(client, session, instance, kept, told))


def uid_of(*parts: str) -> str:
    """Return the uid of an event, 32 hex digits: a digest of its content."""
    digest = blake2b("\0".join(parts).encode(), digest_size=16, person=b"otel_jcmc")
    return digest.hexdigest()


def read_waiting(item: bytes) -> WaitingEvent:
    """
    Return the waiting event in *item*.

    Raises:
        ValueError: *item* is no event, or this version can't read it.
    """
    head, _, packed = item.partition(b"\n")
    noticed, began, lasted, event, uid, member, sid, instance, leg = head.decode().split(" ")
    try:
        payload = _unpack(packed)
    except msgspec.MsgspecError as error:
        raise ValueError(str(error)) from None
    whole = (int(noticed), int(began), int(lasted))
    return WaitingEvent(
        *(*whole, event, uid, member, sid, int(instance or 0), int(leg or 0), payload)
    )


def adding(keys: Keys, partition: int, most: int, events: Sequence[Noticed], now: float) -> Command:
    """Return the command that adds *events* of a *partition*; *most* may wait in all partitions."""
    args: list[Any] = [max(1, most // keys.partitions), WAITS_MS, MOST_A_MINUTE]
    for each in events:
        age_ms = max(0, round((now - each.at) * 1000))
        args += (*each[:5], age_ms, each.lasted_ms, each.payload)
    return ("EVALSHA", SCRIPT.sha, 1, keys.bases[partition], *args)
