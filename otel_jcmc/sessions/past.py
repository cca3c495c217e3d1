"""
One session as Redis has it: its participant, its times, and how it ended.

`keys_of` returns the commands that read the session of a sid, and `session_of` makes a
`PastSession` from the replies. The keys are those of store/stays.lua, log.lua and
store/participant.lua.
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

# Commands that are sent for one session.
KEYS: Final = 7
# Anything shorter is not a card.
CARD_HEAD_BYTES: Final = 8

_T = TypeVar("_T")


class PastSession(NamedTuple):
    """
    One leg of a session.

    Attributes:
        attributes: the latest attributes by catalogue id; empty when they are no longer known.
        session: the client's own session id; empty: the server names the session.
        last_ms: when the last known push came.
        ended_ms, reason: when and why the session ended; None while it goes on. If the session was
            not marked as ended but its participant is gone, they are its last push and `expired`.
        cause: why it failed, a word of catalogue/causes.py; empty: it did not fail, or the client
            did not push the cause.
        leg, previous: the number of this leg, and the sid of the leg before; empty on the first.
        samples: how many entries its log has.
        client: digest of its client, if it became a span and its attributes are no longer kept.
        rating: stars that the participant gave the call, 1 to 5; None: not known.
        feedback: what the participant wrote about the call; None: no text is kept.
        card: its card, with the sums over all its pushes (card.py); empty: it has no card.
        instance: when its conference's instance began, if the session becomes a span; otherwise
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
        """The id of the leg in its span (docs/traces.md); None if its participant is not known."""
        if self.session or not self.attributes:
            return leg_name(self.session, self.leg) if self.session else None
        return session_name(self.attributes, float(self.started_ms))


def keys_of(sid: str, base: str) -> list[Command]:
    """Return the commands that read the session *sid*; its partition's keys begin with *base*."""
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
    """Return the session *sid* from the replies to `keys_of`."""
    # Some fields are not text; only scripts read them.
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
    """Return the stay in a participant's stored *value*; None if it is None or can't be read."""
    try:
        found = from_value(value) if value else None
    except ValueError:
        return None
    return found.stay if found else None


def may_name(packed: bytes, clients: Iterable[str]) -> bool:
    """Say whether the *packed* attributes may name one of *clients*; cheaper than unpacking."""
    folded = packed.lower()
    return any(client.lower().encode() in folded for client in clients)


def is_of(attributes: dict[int, Any], clients: Collection[str]) -> bool:
    """
    Say whether *attributes* belong to one of *clients*.

    A client id that is given in lower case matches in any case.
    """
    client: str = attributes.get(CLIENT.id) or ""
    return client in clients or client.lower() in clients


def batched(each: Iterable[_T], size: int) -> Iterator[tuple[_T, ...]]:
    """Return *each* in pieces of *size*; the last one may be shorter."""
    rest = iter(each)
    while piece := tuple(islice(rest, size)):
        yield piece
