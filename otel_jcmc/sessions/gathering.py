"""
Gathers the pushes of a session between two entries of its log, and makes the entry.

The session's pushes come in from recorder.py. An item (items.py) goes out, with the entry
(entry.py) and the card, and waits to be written. A process has thousands of sessions, so only bytes
and a few numbers of a push are kept: the numbers of the last push are kept in their stored form,
and decoded when the entry is made.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from otel_jcmc.sessions import items
from otel_jcmc.sessions.card import packed_totals, write_card
from otel_jcmc.sessions.entry import VERDICT, encode, with_told
from otel_jcmc.sessions.items import Item
from otel_jcmc.sessions.lines import text_of
from otel_jcmc.sessions.stretches import time_of
from otel_jcmc.sessions.totals import NOTHING, add, new_totals, unpack
from otel_jcmc.sessions.weighed import Part, Weighed, take_part
from otel_jcmc.sessions.weighing import Bounds, noted, weigh
from otel_jcmc.wire.push import Report


class _Payload(msgspec.Struct, array_like=True, gc=False):
    """The payload of a push: the end of the value in Redis, attributes and numbers."""

    attributes: bytes
    numbers: list[Any]


_ARRAY_OF_TWO: Final = b"\x92"
# Waiting pushes are weighed when an entry is made, or when so many wait: about as many as a client
# that pushes every two seconds sends in half a minute.
MOST_WAITING: Final = 16
_decode = msgspec.msgpack.Decoder(_Payload).decode
_decode_attributes = msgspec.msgpack.Decoder(dict[int, Any]).decode


class Gathered(Weighed):
    """
    One session, with the pushes that this process took since the session's last entry.

    This class extends `Weighed`, so that a session is one object: there are thousands of sessions,
    and each further object that a push touches must be fetched into the processor's cache.

    Attributes:
        payload: the payload of the last push; empty: nothing is gathered.
        at: when the last push came, by our clock in seconds; 0: no push yet.
        known: the known attributes. *heard* is the hash of the last push's attributes that are in
            *known*, *count* is how many attributes the last push had.
        is_told: whether Redis has all known attributes.
        lines: the lines of the session's card (card.py).
        totals: the packed totals of all entries of the session so far, also of other processes;
            *version* is the last write that they include (items.py).
        address: the sender's address, in the form in which limits use it; empty: not known.
        began: when this process first got a push of the session, by our clock in seconds.
        is_over: whether the participant has left, or is in another session now.
    """

    __slots__ = (
        *("address", "at", "began", "count", "heard", "is_over", "is_told", "known", "lines"),
        *("member", "payload", "session", "totals", "ttl_ms", "version"),
    )

    def __init__(
        self, member: str, session: str, ttl_ms: int, address: str = "", began: float = 0.0
    ) -> None:
        """Begin a session without pushes."""
        super().__init__()
        self.member, self.session, self.ttl_ms = member, session, ttl_ms
        self.address, self.began = address, began
        self.payload = self.known = self.lines = b""
        self.at = 0.0
        self.heard = self.count = 0
        self.is_told = self.is_over = False
        self.totals = NOTHING
        self.version = items.NONE


def gather(
    of: Gathered, payload: bytes, report: Report, at: float, ttl_ms: int, bounds: Bounds
) -> None:
    """Gather a push that came *at*, in seconds of our clock; its TTL is *ttl_ms*."""
    of.waiting.append(noted(report, at))
    # The first push is weighed at once: how long it counts is known only with the second push.
    if not of.at or ttl_ms != of.ttl_ms or len(of.waiting) >= MOST_WAITING:
        of.ttl_ms = ttl_ms
        weigh(of, ttl_ms, bounds)
    of.at = at
    count = len(report.attributes)
    if count < of.count and of.payload:
        # A client whose statistics have stopped leaves out attributes that it pushed before.
        _learn(of, _decode(_ARRAY_OF_TWO + of.payload).attributes)
    of.count, of.payload = count, payload


def make_item(
    of: Gathered,
    payload: bytes,
    offset: float,
    versions: Iterator[bytes],
    bounds: Bounds,
    sent: list[Any] | None = None,
    *,
    is_whole: bool = False,
) -> bytes:
    """
    Return an item with all gathered pushes, *payload* as the last push, and begin the next entry.

    Args:
        offset: seconds by which Redis's clock is ahead of ours.
        sent: the numbers of a push that becomes an entry of its own.
        is_whole: if the entry is the first of its log, it has all numbers of the push, not only
            those *sent*.
    """
    last = _decode(_ARRAY_OF_TWO + payload)
    at_ms = round((of.at + offset) * 1000)
    _learn(of, last.attributes)
    attributes = b"" if of.is_told else of.known
    of.is_told = True
    of.payload = b""
    weigh(of, of.ttl_ms, bounds)
    part = take_part(of)
    flags = items.GUESSED if part.is_guessed else 0
    times = map(time_of, part.stretches)
    totals = unpack(of.totals)
    add(totals, part.tally, part.worst, times, part.counts or (), part.outages)
    numbers, other = last.numbers, b""
    if sent is not None:
        flags |= items.ALONE
        if is_whole:
            flags |= items.IS_WHOLE
            other = _entry(at_ms, [*numbers], part, attributes)
        # The verdict was made from all known numbers, so it is not among those sent.
        numbers = [*sent]
        numbers[VERDICT] = last.numbers[VERDICT]
    entry = _entry(at_ms, numbers, part, attributes)
    card = write_card(at_ms, totals, of.lines)
    of.totals = packed_totals(card)
    return _item(of, at_ms, next(versions), flags, card, entry, attributes, other)


def make_card(
    of: Gathered, attributes: Mapping[int, Any], offset: float, versions: Iterator[bytes]
) -> bytes:
    """Return an item with only the card of a session without pushes."""
    of.lines = text_of(attributes).encode()
    at_ms = round((of.at + offset) * 1000)
    return _item(of, at_ms, next(versions), 0, write_card(at_ms, new_totals(), of.lines))


def _item(
    of: Gathered,
    at_ms: int,
    version: bytes,
    flags: int,
    card: bytes,
    entry: bytes = b"",
    attributes: bytes = b"",
    other: bytes = b"",
) -> bytes:
    """Return an item of a session with its *card*, and with an *entry* if it is not empty."""
    base, of.version = of.version, version
    name = f"{of.member}:{of.session}".encode()
    return items.pack(
        Item(at_ms, of.ttl_ms, base, version, flags, 0, name, entry, attributes, card, other)
    )


def _entry(at_ms: int, numbers: list[Any], part: Part, attributes: bytes) -> bytes:
    """Return the entry of an interval; this changes *numbers*."""
    return encode(
        at_ms,
        numbers,
        part.worst,
        part.best,
        attributes or None,
        part.tally,
        None,
        part.stretches,
        part.counts,
        part.pushes or None,
    )


def _learn(of: Gathered, attributes: bytes) -> None:
    """Remember the *attributes* of a push; attributes that it leaves out are still known."""
    heard = hash(attributes)
    if heard == of.heard:
        return
    of.heard = heard
    told = _decode_attributes(attributes)
    known = with_told(of.known, told)
    if known == of.known:
        return
    of.known, of.is_told = known, False
    of.lines = text_of(_decode_attributes(known)).encode()
