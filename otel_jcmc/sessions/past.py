"""
One session as Redis tells it: whose it was, from when to when, and how it ended.

`keys_of` says what to ask for a sid, `session_of` makes a `PastSession` of the replies. Keys are
those of store/stays.lua, log.lua and store/participant.lua.
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

# So many are asked for one session.
KEYS: Final = 7
# What is shorter is no card.
CARD_HEAD_BYTES: Final = 8

_T = TypeVar("_T")


class PastSession(NamedTuple):
    """
    One leg of a session.

    Attributes:
        attributes: the latest by catalogue id; empty when nobody knows them any more.
        session: the client's own id; empty: the server names it.
        last_ms: its last push that is known.
        ended_ms, reason: None while it goes on. Of one that nobody has marked as ended, and whose
            participant is gone, they are its last push and `expired`.
        cause: why it failed, a word of catalogue/causes.py; empty: it did not, or nobody said.
        leg, previous: how often it has begun, and the sid before; empty on the first.
        samples: how many entries its log has.
        client: digest of whose it was, where it became a span and nothing else is kept of it.
        rating: stars that the participant gave the call, 1 to 5; None: none that is known.
        feedback: what the participant wrote of it; None: nothing that is kept.
        card: what all its pushes come to (card.py); empty: none that is known.
        instance: when its conference's instance began, where it becomes a span; else empty.
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
        """What its span calls the leg (docs/traces.md); None when nobody knows whose it is."""
        if self.session or not self.attributes:
            return leg_name(self.session, self.leg) if self.session else None
        return session_name(self.attributes, float(self.started_ms))


def keys_of(sid: str, base: str) -> list[Command]:
    """Return what to ask Redis for the session *sid*, whose partition's keys start with *base*."""
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
    """Return the session *sid* as the replies to `keys_of` tell it."""
    # Some that only scripts read are no text.
    told = {name.decode(): text.decode(errors="replace") for name, text in batched(fields, 2)}
    session, ttl_ms = told.get("session", ""), int(told.get("ttl", 0))
    started_ms = began_ms(sid)
    participant = participant_of(value)
    # A later session of the same one may be there by now.
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
    """Return the stay of a stored participant, None when there is none or it can't be read."""
    try:
        found = from_value(value) if value else None
    except ValueError:
        return None
    return found.stay if found else None


def may_name(packed: bytes, clients: Iterable[str]) -> bool:
    """Say whether one of *clients* may be in *packed*: cheaper than to unpack all there are."""
    folded = packed.lower()
    return any(client.lower().encode() in folded for client in clients)


def is_of(attributes: dict[int, Any], clients: Collection[str]) -> bool:
    """Say whether *attributes* are of one of *clients*, of whom a GUID is in lower case as well."""
    client: str = attributes.get(CLIENT.id) or ""
    return client in clients or client.lower() in clients


def batched(each: Iterable[_T], size: int) -> Iterator[tuple[_T, ...]]:
    """Return *each* in pieces of *size*, the last one shorter."""
    rest = iter(each)
    while piece := tuple(islice(rest, size)):
        yield piece
