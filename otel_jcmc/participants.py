"""
A participant in Redis: its keys, its stored value, and back.

A checked Report becomes a `Write`; a stored value becomes a `Participant`. The keys and values are
written by participants.lua alone, which store.py sends.

    jcmc:{07}:participant:<digest>   the participant's last push, with a native TTL
    jcmc:{07}:live                   index of the partition: digest -> expiry in ms of Redis's clock
    jcmc:{07}:ended                  sessions that left: "digest:session" -> until when it is known

The digest is BLAKE2b-128 of conference, client id and participant id; its first digit is the
partition. A value is a schema byte, a fixed head and msgpack keyed by the catalogue's ids: who
reads an id that it does not know skips it, so two versions on one Redis never mix two metrics.
"""

import struct
import uuid
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import msgspec

from otel_jcmc.catalogue import CLIENT, CONFERENCE, PARTICIPANT
from otel_jcmc.push import Report

PARTITIONS: Final = 16
SCHEMA: Final = 1
# A client that pushes every n seconds lives for 3 n, but for no longer than this by its own word.
MAX_CLIENT_TTL_MS: Final = 300_000

_HEAD = struct.Struct(">dIB")
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(dict[int, Any]).decode
# Namespace of the session ids that the server gives; any fixed random UUID.
_SESSIONS = uuid.UUID("a1d3c5a4-6f0e-4c8e-9b57-0d0b8a3f7c11")


class Write(NamedTuple):
    """
    One push as the script takes it.

    Attributes:
        member: 32 hex digits, the participant's digest.
        session: the client's session id; empty: the server names it.
        seq: -1 when the push has none.
        payload: msgpack of the fields; empty to leave.
    """

    member: str
    session: str
    seq: int
    ttl_ms: int
    payload: bytes


@dataclass(slots=True)
class Participant:
    """
    One live participant.

    Attributes:
        session: the client's own session id; empty: see `session_id`.
        started_ms: Redis's clock at the session's first push.
        fields: catalogue id -> number, text, or [[value, {id: text}], ...]. Not to be changed.
    """

    conference: str
    client_id: str
    participant_id: str
    session: str
    started_ms: float
    fields: dict[int, Any]

    @property
    def session_id(self) -> str:
        """The session's id: the client's own, else a UUID of version 5 of who and since when."""
        if self.session:
            return self.session
        who = (self.conference, self.client_id, self.participant_id, repr(self.started_ms))
        return str(uuid.uuid5(_SESSIONS, "\0".join(who)))


def to_write(report: Report, expiration_ms: int) -> Write:
    """Return what Redis is to hold for *report*, for at least *expiration_ms*."""
    session = report.session
    who = f"{report.conference}\0{report.client_id}\0{report.participant_id}"
    return Write(
        blake2b(who.encode(), digest_size=16).hexdigest(),
        session.id,
        session.seq,
        max(expiration_ms, min(3 * session.interval_ms, MAX_CLIENT_TTL_MS)),
        b"" if session.end else _encode(report.fields),
    )


def from_value(value: bytes) -> Participant | None:
    """
    Return the participant that a stored *value* holds; None if it has another schema.

    Raises:
        ValueError: the value is damaged.
    """
    if not value or value[0] != SCHEMA:
        return None
    try:
        started_ms, _seq, length = _HEAD.unpack_from(value, 1)
        end = 1 + _HEAD.size + length
        fields = _decode(value[end:])
        return Participant(
            fields[CONFERENCE.id],
            fields[CLIENT.id],
            fields[PARTICIPANT.id],
            value[end - length : end].decode(),
            started_ms,
            fields,
        )
    except (struct.error, msgspec.MsgspecError, KeyError, UnicodeDecodeError) as error:
        raise ValueError(f"damaged value: {error}") from error
