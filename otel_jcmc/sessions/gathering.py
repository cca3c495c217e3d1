"""
What is gathered of a session between two entries of its log.

In come its pushes, as recorder.py hears of them; out comes the entry (entry.py) with the card, an
item that waits to be written (items.py). All that it takes over of a push is bytes and a few
numbers, because there are thousands of these: the numbers of the last push stay as they were
stored, and are read when the entry is made.
"""

from collections.abc import Iterator, Mapping
from math import inf
from typing import Any, Final

import msgspec

from otel_jcmc.sessions import items
from otel_jcmc.sessions.card import write_card
from otel_jcmc.sessions.entry import VERDICT, encode, with_told
from otel_jcmc.sessions.items import Item
from otel_jcmc.sessions.lines import text_of
from otel_jcmc.sessions.stretches import time_of
from otel_jcmc.sessions.totals import Totals, add, new_totals
from otel_jcmc.sessions.vitals import Vitals
from otel_jcmc.sessions.weighing import Part, Weighed, take_weighed


class _Payload(msgspec.Struct, array_like=True, gc=False):
    """A payload, as the stored value ends."""

    attributes: bytes
    numbers: list[Any]


_ARRAY_OF_TWO: Final = b"\x92"
_decode = msgspec.msgpack.Decoder(_Payload).decode
_decode_attributes = msgspec.msgpack.Decoder(dict[int, Any]).decode


class Gathered(msgspec.Struct, gc=False):
    """
    One session, as far as this process took its pushes, since its last entry.

    Attributes:
        payload: of the last push; empty: nothing is gathered.
        at: its last push, by our clock in seconds; 0: none yet.
        low_…, high_…: of the vitals since the last entry.
        known: the attributes that are known of it; *heard* is the hash of those of a push that are
            in it, *count* how many the last push had.
        is_told: whether Redis has all that is known.
        lines: what its card says of them (card.py).
        totals: of all its entries so far, other processes' too; *version* is the last write of it
            that they are of (items.py).
        address: of who brought the session, as limits know it; empty: nobody can say.
        began: when this process first heard of the session, by our clock in seconds.
        is_over: its session has left, or is another one now.
    """

    member: str
    session: str
    ttl_ms: int
    payload: bytes = b""
    at: float = 0.0
    low_quality: float = inf
    high_quality: float = -inf
    low_loss: float = inf
    high_loss: float = -inf
    low_trip: float = inf
    high_trip: float = -inf
    known: bytes = b""
    heard: int = 0
    count: int = 0
    is_told: bool = False
    lines: bytes = b""
    totals: Totals = msgspec.field(default_factory=new_totals)
    version: bytes = items.NONE
    address: str = ""
    began: float = 0.0
    weighed: Weighed = msgspec.field(default_factory=Weighed)
    is_over: bool = False


def gather(of: Gathered, payload: bytes, count: int, found: Vitals) -> None:
    """Take note of a push that has *count* attributes, with the vitals *found*."""
    if count < of.count and of.payload:
        # A page whose statistics have stopped leaves out what it told before.
        _learn(of, _decode(_ARRAY_OF_TWO + of.payload).attributes)
    of.count, of.payload = count, payload
    widen(of, found)


def widen(of: Gathered, found: Vitals) -> None:
    """Take note of the vitals *found* in a push, should they be the worst or the best."""
    quality, loss, trip = found
    if quality is not None:
        if quality < of.low_quality:
            of.low_quality = quality
        if quality > of.high_quality:
            of.high_quality = quality
    if loss is not None:
        if loss < of.low_loss:
            of.low_loss = loss
        if loss > of.high_loss:
            of.high_loss = loss
    if trip is not None:
        if trip < of.low_trip:
            of.low_trip = trip
        if trip > of.high_trip:
            of.high_trip = trip


def make_item(
    of: Gathered,
    payload: bytes,
    offset: float,
    versions: Iterator[bytes],
    sent: list[Any] | None = None,
    *,
    is_whole: bool = False,
) -> bytes:
    """
    Return the entry of what was gathered with *payload* as the last push, and begin anew.

    Args:
        offset: seconds by which Redis's clock is ahead of ours.
        sent: the numbers of a push that is an entry of its own.
        is_whole: an entry that is the first of its log has all numbers, not only those *sent*.
    """
    last = _decode(_ARRAY_OF_TWO + payload)
    at_ms = round((of.at + offset) * 1000)
    _learn(of, last.attributes)
    attributes = b"" if of.is_told else of.known
    of.is_told = True
    of.payload = b""
    part = take_weighed(of.weighed)
    extremes = _take_extremes(of)
    flags = items.GUESSED if part.is_guessed else 0
    times = map(time_of, part.stretches)
    add(of.totals, part.tally, extremes[0], times, part.counts or (), part.outages)
    numbers, other = last.numbers, b""
    if sent is not None:
        flags |= items.ALONE
        if is_whole:
            flags |= items.IS_WHOLE
            other = _entry(at_ms, [*numbers], extremes, part, attributes)
        # What is said of the call is of all that is known.
        numbers = [*sent]
        numbers[VERDICT] = last.numbers[VERDICT]
    entry = _entry(at_ms, numbers, extremes, part, attributes)
    item = _item(of, at_ms, next(versions), flags)
    item.entry, item.attributes, item.other = entry, attributes, other
    return items.pack(item)


def make_card(
    of: Gathered, attributes: Mapping[int, Any], offset: float, versions: Iterator[bytes]
) -> bytes:
    """Return the card alone of a session without pushes."""
    of.lines = text_of(attributes).encode()
    return items.pack(_item(of, round((of.at + offset) * 1000), next(versions), 0))


def _item(of: Gathered, at_ms: int, version: bytes, flags: int) -> Item:
    """Return an item of a session as it is now, without an entry."""
    name = f"{of.member}:{of.session}".encode()
    card = write_card(at_ms, of.totals, of.lines)
    item = Item(at_ms, of.ttl_ms, of.version, version, flags, 0, name, card=card)
    of.version = version
    return item


_Extremes = tuple[list[int | None], list[int | None]]


def _entry(
    at_ms: int, numbers: list[Any], extremes: _Extremes, part: Part, attributes: bytes
) -> bytes:
    """Return an entry; *numbers* are cut."""
    return encode(
        *(at_ms, numbers, *extremes, attributes or None, part.tally, None),
        *(part.stretches, part.counts, part.pushes or None),
    )


def _learn(of: Gathered, attributes: bytes) -> None:
    """Take note of the *attributes* of a push; what it leaves out stays known."""
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


def _take_extremes(of: Gathered) -> _Extremes:
    """Return worst and best since the last entry as whole numbers, and begin the next interval."""
    low_quality, low_loss, low_trip = of.low_quality, of.low_loss, of.low_trip
    # Of what was not known there is neither.
    quality_known, loss_known, trip_known = low_quality < inf, low_loss < inf, low_trip < inf
    worst = [
        round(low_quality * 10) if quality_known else None,
        round(of.high_loss * 100) if loss_known else None,
        round(of.high_trip) if trip_known else None,
    ]
    best = [
        round(of.high_quality * 10) if quality_known else None,
        round(low_loss * 100) if loss_known else None,
        round(low_trip) if trip_known else None,
    ]
    of.low_quality = of.low_loss = of.low_trip = inf
    of.high_quality = of.high_loss = of.high_trip = -inf
    return worst, best
