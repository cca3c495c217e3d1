"""
Reads one leg of a session from Redis: its participant, its times, and how it ended.

`keys_of` returns the commands that read the leg with a given sid. `session_of` makes a
`PastSession` from Redis's replies. store/stays.lua, log.lua and store/participant.lua write the
keys that these commands read.
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

# How many commands `keys_of` returns.
KEYS: Final = 7
# A stored value that is shorter than this is not a card.
CARD_HEAD_BYTES: Final = 8

_T = TypeVar("_T")


class PastSession(NamedTuple):
    """
    One leg of a session.

    Attributes:
        attributes: the latest attributes by catalogue id; empty when they are no longer known.
        session: the session id that the client sends; empty: the client sends none, and the service
            makes an id.
        last_ms: when the last known push came, Unix time in ms.
        ended_ms, reason: when and why the leg ended; None while it goes on. If the participant is
            gone and Redis has no end of the leg, *ended_ms* is the time of the last push, and
            *reason* is `expired`.
        cause: why the session failed, a word of catalogue/causes.py; empty: it did not fail, or the
            client did not push the cause.
        leg: the number of this leg, from 1.
        previous: the sid of the leg before; empty if this is the first leg.
        samples: how many entries the leg's log has.
        client: digest of the client in hex, if the leg became a span and its attributes are no
            longer kept; otherwise empty.
        rating: stars that the participant gave the call, 1 to 5; None: not known.
        feedback: the text that the participant wrote about the call; None: no text is kept.
        card: the leg's card, with the totals of all its pushes (card.py); empty: it has no card.
        instance: when the conference's instance began, Unix time in ms as text; empty: the leg
            does not become a span.
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
        """
        The `session.id` that the leg's span has (docs/traces.md).

        None if the client sent no session id and the participant's attributes are not known.
        """
        if self.session or not self.attributes:
            return leg_name(self.session, self.leg) if self.session else None
        return session_name(self.attributes, float(self.started_ms))


def keys_of(sid: str, base: str) -> list[Command]:
    """Return the commands that read the leg *sid*; all keys of its partition begin with *base*."""
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
    """
    Return the leg *sid*, read from Redis's replies to the commands of `keys_of`.

    The arguments after *sid* are the replies, in the order of the commands.
    """
    # Some fields are not valid UTF-8; only Lua scripts read these fields.
    told = {name.decode(): text.decode(errors="replace") for name, text in batched(fields, 2)}
    session, ttl_ms = told.get("session", ""), int(told.get("ttl", 0))
    started_ms = began_ms(sid)
    participant = participant_of(value)
    # The participant may be in a later session by now.
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
    """Return the stay in a participant's stored *value*; None: no value, or an unreadable one."""
    try:
        found = from_value(value) if value else None
    except ValueError:
        return None
    return found.stay if found else None


def may_name(packed: bytes, clients: Iterable[str]) -> bool:
    """
    Say whether the *packed* attributes contain the text of one of *clients*.

    This check is faster than unpacking. If the result is True, the caller must still unpack the
    attributes and compare the client's id.
    """
    folded = packed.lower()
    return any(client.lower().encode() in folded for client in clients)


def is_of(attributes: dict[int, Any], clients: Collection[str]) -> bool:
    """
    Say whether *attributes* belong to one of *clients*.

    An id in *clients* that is in lower case also matches a client's id with capital letters.
    """
    client: str = attributes.get(CLIENT.id) or ""
    return client in clients or client.lower() in clients


def batched(each: Iterable[_T], size: int) -> Iterator[tuple[_T, ...]]:
    """Split *each* into tuples of *size* items, and return these; the last may be shorter."""
    rest = iter(each)
    while piece := tuple(islice(rest, size)):
        yield piece
