"""
Adds noticed events to Redis, where they wait until a replica sends them; reads waiting events.

intake/noticing.py and logs/onsets.py notice events. events.lua stores each event once and keeps
track of outages that go on. events.lua also adds the sid, the instance and the number of the
session's leg to the event. logs/records.py makes a log record from each waiting event, and
calculates the record's trace id from these fields. event_erasure.py finds the waiting events of one
client.

A waiting event consists of a line of text and, after this line, a payload in msgpack. The line has
these fields with a space between them: when the event was noticed and when it began (ms of Redis's
clock), how long it lasted (ms), its name, uid, member, sid, instance of the conference, and number
of the leg. The last four fields are empty if the event is not about a participant; the last three
are also empty if its session is not known.
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
# The kinds of a `Noticed`. HAPPENED: something happened. OUT: a push came during an outage. OVER:
# the first push after an outage came.
HAPPENED, OUT, OVER = "event", "out", "over"
MOST_A_MINUTE: Final = 10
NOBODY: Final = bytes(CLIENT_BYTES)
# Attributes that no event has. Like a span, an event has only the participant's id in Jitsi, and no
# name or other id of the person.
_NEVER: Final = {USERNAME.id, CLIENT.id, SESSION.id, WORST_SOURCE.id}
_TOLD: Final = frozenset(
    row.id for row in ATTRIBUTES if row.id not in _NEVER and (row.otel_name or row is MEETING)
)


class Payload(msgspec.Struct, array_like=True, gc=False):
    """
    The values of an event at the time when it is noticed.

    Redis stores the fields in this order, so new fields are added at the end.

    Attributes:
        client: the digest of the client that the event is about; an erasure finds the event by this
            digest. Zeros: the event is not about a client.
        session: the session id that the client sent; empty: the client sent none.
        instance: `service.instance.id` of the replica that noticed the event.
        attributes: the attributes of the participant and its place: catalogue id -> value.
        told: the event's other values: the name under which a value is sent -> the value.
    """

    client: bytes
    session: str
    instance: str
    attributes: dict[int, Any] = {}
    told: dict[str, Any] = {}


class Noticed(NamedTuple):
    """
    One event, or one push of an outage, as it is sent to events.lua.

    Attributes:
        kind: HAPPENED, OUT or OVER.
        event: the name of the event (catalogue/events.py).
        uid: a digest of the event. If several processes notice the same event, they make the same
            uid.
        member, session: the participant's member and its session id. If the event is not about a
            participant, *member* is empty, and *session* is the digest of the client in hex, or
            empty if the client is not known.
        at: when the event was noticed, in seconds of a clock that never goes back.
        lasted_ms: how long the event had lasted when it was noticed.
        payload: the packed `Payload`.
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
    """
    One waiting event. Its times are in ms of Redis's clock; unknown values are empty or 0.

    The fields are those of the line that the top of this file describes, and the payload.
    """

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
    """
    Return the packed `Payload` of a participant's event.

    *attributes* are the participant's attributes. Attributes that no event has are left out. If the
    participant has several transports, only the attributes of the first transport are kept.
    """
    kept = {id_: each for id_, each in attributes.items() if id_ in _TOLD}
    if paths := attributes.get(LIST_ID):
        kept[LIST_ID] = paths[:1]
    client = client_digest(attributes.get(CLIENT.id, ""))
    return pack(Payload(client, session, instance, kept, told))


def uid_of(*parts: str) -> str:
    """Return the uid of the event that *parts* describe: a digest of them, 32 hex digits."""
    digest = blake2b("\0".join(parts).encode(), digest_size=16, person=b"otel_jcmc")
    return digest.hexdigest()


def read_waiting(item: bytes) -> WaitingEvent:
    """
    Return the waiting event in *item*.

    Raises:
        ValueError: *item* is not an event, or this version of the service can't read it.
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
    """
    Return the command that adds *events* to the waiting events of a *partition*.

    *most* is how many events may wait in all partitions together. *now* is the present time by the
    clock of `Noticed.at`.
    """
    args: list[Any] = [max(1, most // keys.partitions), WAITS_MS, MOST_A_MINUTE]
    for each in events:
        age_ms = max(0, round((now - each.at) * 1000))
        args += (*each[:5], age_ms, each.lasted_ms, each.payload)
    return ("EVALSHA", SCRIPT.sha, 1, keys.bases[partition], *args)
