"""
What is gathered of a session between two entries of its log.

Its pushes come in from recorder.py; an item goes out that waits to be written (items.py), with the
entry (entry.py) and the card. Only bytes and a few numbers of a push are kept, because there are
thousands of sessions: the numbers of the last push stay as they were stored, and are read when the
entry is made.
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
    """A payload, the end of the stored value."""

    attributes: bytes
    numbers: list[Any]


_ARRAY_OF_TWO: Final = b"\x92"
# Waiting pushes are weighed when an entry is made, or when there are so many: as many as a page
# that pushes every two seconds sends in half a minute.
MOST_WAITING: Final = 16
_decode = msgspec.msgpack.Decoder(_Payload).decode
_decode_attributes = msgspec.msgpack.Decoder(dict[int, Any]).decode


class Gathered(Weighed):
    """
    One session, with the pushes that this process took since its last entry.

    This class and what is weighed are one object, because there are thousands: each further object
    that a push touches would have to be fetched into the processor's cache.

    Attributes:
        payload: of the last push; empty: nothing is gathered.
        at: its last push, by our clock in seconds; 0: none yet.
        known: the known attributes. *heard* is the hash of the last push's attributes that are in
            it, *count* is how many the last push had.
        is_told: whether Redis has all that is known.
        lines: the lines of its card (card.py).
        totals: of all its entries so far, also those of other processes, packed; *version* is the
            last write that they include (items.py).
        address: the address that brought the session, as limits know it; empty: not known.
        began: when this process first heard of the session, by our clock in seconds.
        is_over: its participant has left, or is in another session now.
    """

    __slots__ = (
        *("address", "at", "began", "count", "heard", "is_over", "is_told", "known", "lines"),
        *("member", "payload", "session", "totals", "ttl_ms", "version"),
    )

    def __init__(
        self, member: str, session: str, ttl_ms: int, address: str = "", began: float = 0.0
    ) -> None:
        """Begin before the first push."""
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
    """Gather a push that came *at*, in seconds of our clock, and lives for *ttl_ms*."""
    of.waiting.append(noted(report, at))
    # The first one at once: how long it stands can be known only with the second.
    if not of.at or ttl_ms != of.ttl_ms or len(of.waiting) >= MOST_WAITING:
        of.ttl_ms = ttl_ms
        weigh(of, ttl_ms, bounds)
    of.at = at
    count = len(report.attributes)
    if count < of.count and of.payload:
        # A page whose statistics have stopped leaves out what it told before.
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
    Return the item of what was gathered, with *payload* as the last push, and begin anew.

    Args:
        offset: seconds by which Redis's clock is ahead of ours.
        sent: the numbers of a push that is an entry of its own.
        is_whole: if the entry is the first of its log, it has all numbers, not only those *sent*.
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
        # The verdict rests on all numbers that are known.
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
    """Return an item of a session with its *card*; without an *entry* it is the card alone."""
    base, of.version = of.version, version
    name = f"{of.member}:{of.session}".encode()
    return items.pack(
        Item(at_ms, of.ttl_ms, base, version, flags, 0, name, entry, attributes, card, other)
    )


def _entry(at_ms: int, numbers: list[Any], part: Part, attributes: bytes) -> bytes:
    """Return an entry; *numbers* are changed."""
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
    """Remember the *attributes* of a push; those that it leaves out stay known."""
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
