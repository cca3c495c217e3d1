"""
A participant in Redis: its keys and its stored value.

A checked Report becomes a `Write`, which goes to Redis. A value that is read from Redis becomes a
`Participant`. Only participant.lua, which writes.py sends, writes these keys and values.

    jcmc:{03}:participant:<digest>   the participant's last push, with a native TTL
    jcmc:{03}:live                   index of the partition: digest -> expiry in µs of Redis's clock
    jcmc:{03}:ended                  ended sessions: "digest:session" -> when Redis may forget it
    jcmc:{03}:conferences            digest of a conference -> how many members the index has of it

The digest has 48 bits of BLAKE2b of the conference, then 80 bits of BLAKE2b of conference, client
id and participant id. The first digit (or two digits) decides the partition. So all participants of
a conference are in one partition, and a script can count them there.

A value is one msgpack array: schema, start of the session (ms), the session's last seq, the
session's id, the owner's digest, attributes, numbers. The attributes are bytes within that array: a
msgpack map from catalogue id to text. They rarely change from push to push, and equal bytes show
that no attribute has changed. In the numbers, the value of the metric with id n is at place n,
counted from 1. A reader skips ids that it does not know, so two versions of the service on one
Redis never mix two metrics.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from sys import intern
from typing import Annotated, Any, Final

import msgspec

from otel_jcmc.catalogue.attributes import (
    ATTRIBUTES,
    CLIENT,
    CONFERENCE,
    FEEDBACK,
    PARTICIPANT,
    SENDER,
    TEST,
)
from otel_jcmc.catalogue.metrics import LAST_METRIC_ID, LIST_ID, RATING_ID
from otel_jcmc.wire.push import Report

SCHEMA: Final = 3
# If a client pushes rarely, its push keeps the participant live for three push intervals, but for
# no more than this.
MAX_CLIENT_TTL_MS: Final = 300_000
CLIENT_BYTES: Final = 16

_IDENTITY: Final = {CONFERENCE.id, CLIENT.id, PARTICIPANT.id}
_KNOWN: Final = frozenset([LIST_ID, *(row.id for row in ATTRIBUTES)])
# Catalogue id -> text; for the list metric, the attributes of each of its values.
_Attributes = dict[int, str | list[dict[int, str]]]
# With a field for each id, the decoder itself finds a number of the wrong kind. No other check is
# as fast.
_Numbers: Final = msgspec.defstruct(
    "_Numbers",
    [
        (
            f"id_{id_}",
            list[int | float | None] | None if id_ == LIST_ID else int | float | None,
            None,
        )
        for id_ in range(1, LAST_METRIC_ID + 1)
    ],
    array_like=True,
    gc=False,
)


class _StoredValue(msgspec.Struct, array_like=True, gc=False):
    """The msgpack array that Redis stores for a participant, described at the top of this file."""

    schema: Annotated[int, msgspec.Meta(ge=SCHEMA, le=SCHEMA)]
    started_ms: float
    seq: int
    session: str
    owner: bytes
    attributes: bytes
    numbers: _Numbers  # type: ignore[valid-type]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_StoredValue).decode
_decode_attributes = msgspec.msgpack.Decoder(_Attributes).decode
_decode_anything = msgspec.msgpack.Decoder(dict[int, Any]).decode
# To copy this hash object takes two thirds of the time for making a new one.
_MEMBER: Final = blake2b(digest_size=10)
# Namespace of the session ids that the server makes: any fixed random UUID.
_SESSIONS = uuid.UUID("a1d3c5a4-6f0e-4c8e-9b57-0d0b8a3f7c11")


class Write(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """
    One push in the form that participant.lua reads, with the fields in the script's order.

    Attributes:
        member: 32 hex digits, the participant's digest; the first 12 are the conference's.
        session: the client's session id; empty: the server names the session.
        seq: the number of the push in its session; -1 when the push has none.
        ttl_ms: for how many ms this push keeps the participant live. A negative number means the
            same time, but the push is refused if its participant is not live already.
        payload: msgpack of attributes and numbers, the end of the stored value; empty for a leave.
            For a failed join it has the attributes of the participant that tried to join.
        owner: digest of the owner's name; empty: pushes have no owner.
        end: why the participant leaves; empty: it does not leave.
        cause: the cause of a failure, a word of catalogue/causes.py; empty: the push has no cause.
        join_ms: how long the participant tried a join that failed; -1: not a failed join.
        is_kept: whether a session that this push begins goes into history.
        word: the participant's rating of the call and its text, see `read_word`; empty: neither.
    """

    member: str
    session: str
    seq: int
    ttl_ms: int
    payload: bytes
    owner: bytes = b""
    end: str = ""
    cause: str = ""
    join_ms: int = -1
    is_kept: bool = True
    word: str = ""


@dataclass(slots=True)
class Stay:
    """
    The attributes of a live participant that do not change from push to push.

    Attributes:
        conference: the conference's name.
        session: the session id that the client sent; empty: the client sent none.
        started_ms: Redis's clock at the session's first push.
        stored: the attributes as bytes, in the form that Redis has; they have been checked. Bytes
            need less memory than a dict, and the attributes are needed only once.
        paths: how many values the list metric has; each value has attributes of its own.
        is_test: whether `otel-jcmc doctor` sent the push as a test.
        labels: the label sets that metrics/labels.py has made of this stay; None: none yet.
        who: the identity that metrics/seen.py has made of this stay; None: none yet.
    """

    conference: str
    session: str
    started_ms: float
    stored: bytes
    paths: int = 0
    is_test: bool = False
    labels: Any = field(default=None, compare=False)
    who: Any = field(default=None, compare=False)

    @property
    def attributes(self) -> dict[int, Any]:
        """Catalogue id -> text, for the list metric [{id: text}, ...]; decoded at each access."""
        return read_attributes(self.stored)

    @property
    def session_id(self) -> str:
        """The session's id: the client's own, otherwise a UUID of version 5, see `session_name`."""
        if self.session:
            return self.session
        return session_name(self.attributes, self.started_ms)


class Participant(msgspec.Struct, gc=False):
    """
    One live participant.

    Attributes:
        numbers: the value of the metric with id n is at index n - 1. The list metric has a list of
            values there. None, also in that list, means that the value is not known now.
    """

    stay: Stay
    numbers: tuple[Any, ...]


def to_write(
    report: Report, expiration_ms: int, owner: str = "", *, may_join: bool = True
) -> Write:
    """
    Return the write for a *report* by *owner*; without *may_join* it may not add a participant.

    The write keeps the participant live for *expiration_ms*, or longer if its client pushes rarely.
    """
    session = report.session
    # Without a session id, several pushes about one failed join would count as several joins.
    join_ms = session.join_ms if session.id else -1
    ttl_ms = expiration_ms
    if session.interval_ms:
        ttl_ms = max(ttl_ms, min(3 * session.interval_ms, MAX_CLIENT_TTL_MS))
    return Write(
        member_digest(report.conference, report.client_id, report.participant_id),
        session.id,
        session.seq,
        ttl_ms if may_join else -ttl_ms,
        b"" if session.end and join_ms < 0 else _payload(report),
        blake2b(owner.encode(), digest_size=8).digest() if owner else b"",
        session.end,
        session.cause,
        join_ms,
        word=_word_of(report),
    )


def _word_of(report: Report) -> str:
    """Return the participant's rating of the call, a space and its text; empty if it has none."""
    rating = report.numbers[RATING_ID - 1]
    text = report.attributes.get(FEEDBACK.id, "")
    if rating is None and not text:
        return ""
    return f"{'' if rating is None else rating} {text}"


def read_word(word: str) -> tuple[float | None, str | None]:
    """Return the rating and the text in a stored *word*; None for a missing rating or text."""
    rating, _, text = word.partition(" ")
    return float(rating) if rating else None, text or None


def _payload(report: Report) -> bytes:
    """Return the attributes and numbers of *report* in msgpack: the end of the stored value."""
    return _encode(_encode(report.attributes)) + _encode(report.numbers)


def member_digest(conference: str, client: str, participant: str) -> str:
    """Return the digest of a *participant* of a *client* in a *conference*."""
    digest = _MEMBER.copy()
    digest.update(f"{conference}\0{client}\0{participant}".encode())
    return conference_digest(conference) + digest.hexdigest()


def client_digest(client: str) -> bytes:
    """Return the digest of a client's id, the same in any case; zeros if the id is empty."""
    if not client:
        return bytes(CLIENT_BYTES)
    text = client.lower().encode()
    return blake2b(text, digest_size=CLIENT_BYTES, person=b"otel_jcmc").digest()


@lru_cache(maxsize=4096)
def conference_digest(conference: str) -> str:
    """Return the first 12 digits of the digests of all participants in *conference*."""
    return blake2b(conference.encode(), digest_size=6).hexdigest()


def session_name(attributes: Mapping[int, Any], started_ms: float) -> str:
    """Return the server's name for a session: a UUID made of the participant and the start."""
    who = [attributes[row.id] for row in (CONFERENCE, CLIENT, PARTICIPANT)]
    return str(uuid.uuid5(_SESSIONS, "\0".join([*who, repr(started_ms)])))


def leg_name(session: str, leg: int) -> str:
    """
    Return the session id that readers see for the leg with number *leg* of a client's *session*.

    For the first leg it is the client's own id, unchanged. For a later leg it is that id, ".", and
    the leg's number.
    """
    return f"{session}.{leg}" if leg > 1 else session


def from_value(value: bytes, known: Stay | None = None) -> Participant | None:
    """
    Return the participant in a stored *value*; None if the value has another schema.

    *known* is the participant's stay from an earlier read. If the stay is the same now, the
    returned participant has this object.

    Raises:
        ValueError: the value is damaged.
    """
    try:
        stored = _decode(value)
        numbers = msgspec.structs.astuple(stored.numbers)
        if (
            known is not None
            and known.stored == stored.attributes
            and known.started_ms == stored.started_ms
            and known.session == stored.session
            and known.paths == _count(numbers)
        ):
            return Participant(known, numbers)
        attributes = read_attributes(stored.attributes)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        if value[1:2] != bytes([SCHEMA]):
            return None
        raise ValueError(f"damaged value: {error}") from error
    paths = _count(numbers)
    if len(attributes.get(LIST_ID, ())) != paths:
        raise ValueError("damaged value: not each value has its attributes")
    # Many participants share one conference: with `intern` they share the text of its name too.
    conference = intern(attributes[CONFERENCE.id])
    is_test = attributes.get(SENDER.id) == TEST
    stay = Stay(conference, stored.session, stored.started_ms, stored.attributes, paths, is_test)
    return Participant(stay, numbers)


def _count(numbers: tuple[Any, ...]) -> int:
    """Return how many values the list metric in *numbers* has."""
    values = numbers[LIST_ID - 1]
    return len(values) if values else 0


def read_attributes(stored: bytes) -> dict[int, Any]:
    """
    Return the attributes in *stored*, without attributes that this version does not know.

    Raises:
        msgspec.MsgspecError: the bytes can't be decoded, or an attribute is missing or of the wrong
            kind.
    """
    attributes: dict[int, Any]
    try:
        attributes = _decode_attributes(stored)
    except msgspec.ValidationError:
        # A later version of the service may store attributes of other kinds; these are skipped.
        found = _decode_anything(stored)
        known = {id_: value for id_, value in found.items() if id_ in _KNOWN}
        attributes = msgspec.convert(known, _Attributes)
    if not attributes.keys() <= _KNOWN:
        attributes = {id_: value for id_, value in attributes.items() if id_ in _KNOWN}
    if not attributes.keys() >= _IDENTITY:
        raise msgspec.ValidationError("who it is is missing")
    lists = [id_ for id_, value in attributes.items() if type(value) is list]
    if lists != [LIST_ID] * (LIST_ID in attributes):
        raise msgspec.ValidationError("an attribute is of the wrong kind")
    return attributes


def known_attributes(stored: bytes | None) -> dict[int, Any]:
    """Return the attributes in *stored*; an empty dict if it is None or damaged."""
    try:
        return read_attributes(stored) if stored else {}
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return {}
