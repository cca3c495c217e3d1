"""
Reads one leg of a session from Redis: its participant, its times, and how it ended.

`keys_of` returns the commands that read the leg with a given sid. `session_of` makes a
`PastSession` from the replies. store/stays.lua, log.lua and store/participant.lua write these keys.
"""

from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from typing import Any, Final, NamedTuple, TypeVar

from otel_jcmc.catalogue.attributes import CLIENT
from otel_jcmc.store.commands import Command
from otel_jcmc.store.participant import (
    Stay,
    from_value,
    known_attributes,
    leg_name,
    read_word,
    session_name,
)
from otel_jcmc.store.sid import began_ms, sid_member

# The number of commands that `keys_of` returns for one session.
KEYS: Final = 7
# A card has at least this number of bytes.
CARD_HEAD_BYTES: Final = 8

_T = TypeVar("_T")


class PastSession(NamedTuple):
    """
    One leg of a session.

    Attributes:
        attributes: catalogue id -> latest attribute; empty if Redis no longer has them.
        session: the session id that the client sent; empty: the service made the id.
        started_ms, last_ms: the time of the start and of the last known push, Unix time in ms.
        ended_ms, reason: when and why the leg ended; None while it goes on. If no end is stored but
            the participant is no longer live, *ended_ms* is the time of the last push, and *reason*
            is `expired`.
        leg: the number of this leg, from 1.
        previous: the sid of the previous leg; empty for the first leg.
        samples: the number of entries in the log of this leg.
        ttl_ms: after this time without a push, the participant expires.
        client: the digest of the client id, if the leg became a span and its attributes are no
            longer kept.
        rating: the stars that the participant gave the call, 1 to 5; None: not known.
        feedback: the participant's text about the call; None: no text is kept.
        cause: why the session failed, a word of catalogue/causes.py; empty: it did not fail, or the
            client did not push the cause.
        card: the card of the leg, with the sums over all its pushes (card.py); empty: none.
        instance: the start of the conference's instance, if the leg becomes a span; otherwise
            empty.
    """

    sid: str
    attributes: dict[int, Any]
    session: str
    started_ms: int
    last_ms: int
    ended_ms: int | None
    reason: str | None
    leg: int
    previous: str
    samples: int
    ttl_ms: int
    client: str = ""
    rating: float | None = None
    feedback: str | None = None
    cause: str = ""
    card: bytes = b""
    instance: str = ""

    @property
    def session_id(self) -> str | None:
        """The id of the leg in its span (docs/traces.md); None if the service can't make it."""
        if self.session or not self.attributes:
            return leg_name(self.session, self.leg) if self.session else None
        return session_name(self.attributes, float(self.started_ms))


def keys_of(sid: str, base: str) -> list[Command]:
    """Return commands that read the leg *sid*; *base* is the prefix of its partition's keys."""
    member = sid_member(sid)
    return [
        ("HGETALL", f"{base}session:{sid}"),
        ("GET", f"{base}about:{sid}"),
        ("GET", f"{base}who:{sid}"),
        ("GET", f"{base}participant:{member}"),
        ("ZSCORE", f"{base}live", member),
        ("LLEN", f"{base}samples:{sid}"),
        ("HGET", f"{base}cards", sid),
    ]


def session_of(
    sid: str,
    fields: list[bytes],
    about: bytes | None,
    who: bytes | None,
    value: bytes | None,
    expiry: bytes | None,
    samples: int,
    card: bytes | None,
) -> PastSession:
    """Return the leg *sid*, made from the replies to the commands of `keys_of`, in their order."""
    # Some values are not text. They are not used here; only scripts read them.
    told = {name.decode(): text.decode(errors="replace") for name, text in batched(fields, 2)}
    session, ttl_ms = told.get("session", ""), int(told.get("ttl", 0))
    started_ms = began_ms(sid)
    participant = participant_of(value)
    # The participant may have begun a later session meanwhile.
    is_there = participant is not None and participant.session == session and "ended" not in told
    last_ms = max(started_ms, int(told.get("seen", 0)))
    if is_there and expiry is not None:
        last_ms = max(last_ms, int(float(expiry)) // 1000 - ttl_ms)
    ended_ms = None if is_there else int(told.get("ended", last_ms))
    attributes = known_attributes(about) or known_attributes(who)
    if not attributes and participant is not None:
        attributes = participant.attributes
    return PastSession(
        sid,
        attributes,
        session,
        started_ms,
        last_ms,
        ended_ms,
        None if is_there else told.get("reason", "expired"),
        int(told.get("leg", 1)),
        told.get("previous", ""),
        samples,
        ttl_ms,
        told.get("client", ""),
        *read_word(told.get("word", "")),
        told.get("cause", ""),
        card if card and len(card) >= CARD_HEAD_BYTES else b"",
        told.get("instance", ""),
    )


def participant_of(value: bytes | None) -> Stay | None:
    """Return the stay in *value*, which Redis has for a participant; None if it can't be read."""
    try:
        found = from_value(value) if value else None
    except ValueError:
        return None
    return found.stay if found else None


def may_name(packed: bytes, clients: Iterable[str]) -> bool:
    """
    Say whether the *packed* attributes may contain one of the client ids in *clients*.

    This takes less time than to unpack them. No means that they do not contain a client id.
    """
    folded = packed.lower()
    return any(client.lower().encode() in folded for client in clients)


def is_of(attributes: dict[int, Any], clients: Collection[str]) -> bool:
    """
    Say whether the client id in *attributes* is one of *clients*.

    A client id in lower case in *clients* also matches a client id with upper-case letters.
    """
    client: str = attributes.get(CLIENT.id) or ""
    return client in clients or client.lower() in clients


def batched(each: Iterable[_T], size: int) -> Iterator[tuple[_T, ...]]:
    """Yield the items of *each* in tuples of *size* items; the last tuple may be shorter."""
    rest = iter(each)
    while piece := tuple(islice(rest, size)):
        yield piece
