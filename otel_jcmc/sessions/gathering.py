"""
What is gathered of a session between two entries of its log.

In come its pushes, as recorder.py hears of them; out comes the entry (entry.py). All that it
takes over of a push is bytes and a few numbers, because there are thousands of these: the numbers
of the last push stay as they were stored, and are read when the entry is made.
"""

import struct
from collections.abc import Mapping
from math import inf
from typing import Any, Final

import msgspec

from otel_jcmc.sessions.card import text_of, write_card
from otel_jcmc.sessions.entry import VERDICT, encode
from otel_jcmc.sessions.stretches import time_of
from otel_jcmc.sessions.totals import Totals, add, new_totals
from otel_jcmc.sessions.vitals import Vitals
from otel_jcmc.sessions.weighing import Weighed, take_weighed
from otel_jcmc.store.keys import PARTITION_OF


class _Payload(msgspec.Struct, array_like=True, gc=False):
    """A payload, as the stored value ends."""

    attributes: bytes
    numbers: list[Any]


_ARRAY_OF_TWO: Final = b"\x92"
_decode = msgspec.msgpack.Decoder(_Payload).decode
_decode_attributes = msgspec.msgpack.Decoder(dict[int, Any]).decode
_HEAD: Final = struct.Struct(">QIIIII")
# First character of a digest -> partition.
_PARTITION_OF: Final = {ord(digit): partition for digit, partition in PARTITION_OF.items()}


class Gathered(msgspec.Struct, gc=False):
    """
    One session, as far as this process took its pushes, since its last entry.

    Attributes:
        payload: of the last push; empty: nothing is gathered.
        at: its last push, by our clock in seconds; 0: none yet.
        low_…, high_…: of the vitals since the last entry.
        totals: of all entries so far; *lines* are what its card says besides (card.py).
        told: hash of the attributes that the last entry was written with; None: they are to be.
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
    told: int | None = None
    address: str = ""
    began: float = 0.0
    weighed: Weighed = msgspec.field(default_factory=Weighed)
    totals: Totals = msgspec.field(default_factory=new_totals)
    lines: bytes = b""
    is_over: bool = False


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


def make_entry(of: Gathered, payload: bytes, offset: float, sent: list[Any] | None = None) -> bytes:
    """
    Return the entry of what was gathered with *payload* as the last push, and begin anew.

    It is as log.lua takes it, and so that entries can stand one after the other: its time in ms,
    ttl in ms and four lengths, of eight bytes and four each; then as long "member:session", what
    goes into the log, the attributes, none if they are those of the entry before, and the card.

    Args:
        offset: seconds by which Redis's clock is ahead of ours.
        sent: the numbers of a push that is an entry of its own.
    """
    last = _decode(_ARRAY_OF_TWO + payload)
    at_ms = round((of.at + offset) * 1000)
    told = hash(last.attributes)
    attributes = b"" if told == of.told else last.attributes
    of.told = told
    of.payload = b""
    if attributes:
        of.lines = text_of(_decode_attributes(attributes)).encode()
    part = take_weighed(of.weighed, of.at)
    tally, _, stretches, counts = part
    worst, best = _take_extremes(of)
    add(of.totals, tally, worst, map(time_of, stretches), counts or (), 0)
    numbers = last.numbers
    if sent is not None:
        # What is said of the call is of all that is known.
        numbers = [*sent]
        numbers[VERDICT] = last.numbers[VERDICT]
    packed = encode(at_ms, numbers, worst, best, attributes or None, *part)
    return _item(of, at_ms, packed, attributes)


def make_card(of: Gathered, attributes: Mapping[int, Any], offset: float) -> bytes:
    """Return the card alone of a session without pushes, as log.lua takes it."""
    of.lines = text_of(attributes).encode()
    return _item(of, round((of.at + offset) * 1000), b"", b"")


def _item(of: Gathered, at_ms: int, packed: bytes, attributes: bytes) -> bytes:
    """Return what log.lua takes of a session."""
    name = f"{of.member}:{of.session}".encode()
    card = write_card(at_ms, of.totals, of.lines)
    sizes = len(name), len(packed), len(attributes), len(card)
    return _HEAD.pack(at_ms, of.ttl_ms, *sizes) + name + packed + attributes + card


def partition_of(entry: bytes) -> int:
    """Return the partition that *entry* goes to."""
    return _PARTITION_OF[entry[_HEAD.size]]


def name_of(entry: bytes) -> str:
    """Return whose *entry* is, "member:session"."""
    name_size = _HEAD.unpack_from(entry)[2]
    return entry[_HEAD.size : _HEAD.size + name_size].decode()


def _take_extremes(of: Gathered) -> tuple[list[int | None], list[int | None]]:
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
