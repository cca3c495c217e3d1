"""
Gathers the pushes that a session gets in one interval, and makes the log's entry from them.

The session's pushes come in from recorder.py. `make_item` returns an item (items.py) with the entry
(entry.py) and the card. The item waits until log.py writes it. A process has thousands of sessions,
so it keeps little of each push: bytes and a few numbers. The last push is kept in its stored form,
and its numbers are decoded when the entry is made.
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
    """The payload of a push: attributes and numbers. They end a participant's value in Redis."""

    attributes: bytes
    numbers: list[Any]


_ARRAY_OF_TWO: Final = b"\x92"
# Gathered pushes are added to the sums (`weigh`) when an entry is made, or when this many wait. A
# client that pushes every two seconds sends about this many pushes in half a minute.
MOST_WAITING: Final = 16
_decode = msgspec.msgpack.Decoder(_Payload).decode
_decode_attributes = msgspec.msgpack.Decoder(dict[int, Any]).decode


class Gathered(Weighed):
    """
    One session, with the pushes that this process took since the session's last entry.

    This class extends `Weighed`, so that a session is one object. A process has thousands of
    sessions, and the processor must fetch each object that a push uses into its cache.

    Attributes:
        member, session: the participant's member and its session id.
        ttl_ms: after how many ms without a push the participant expires, by the last push.
        payload: the payload of the last push; empty: no push was gathered since the last entry.
        at: when the last push came, in seconds of this process's clock; 0: no push yet.
        known: the packed attributes of all pushes so far, with the newest value of each.
        heard: the hash of the attributes that were last added to *known*.
        count: how many attributes the last push had.
        is_told: whether the entries so far contain all attributes in *known*.
        lines: the lines of the session's card (lines.py).
        totals: the packed totals over all entries of the session so far, including entries of other
            processes if merging.py has added them.
        version: the version of the last write that *totals* include (items.py).
        address: the address that sends the pushes, in the form that shares.py uses; empty: not
            known.
        began: when this process first got a push of the session, in seconds of its clock.
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
    """
    Add a push to the session *of*.

    Args:
        payload: the payload of the push, in the form in which Redis has it.
        report: the same push, after `wire` has checked it.
        at: when the push came, in seconds of this process's clock.
        ttl_ms: after how many ms without another push the participant expires.
        bounds: the thresholds beyond which the vitals are bad.
    """
    of.waiting.append(noted(report, at))
    # The first push is weighed at once, alone. The time for which the first push counts is only
    # known when the second push comes; then `weigh` corrects this time.
    if not of.at or ttl_ms != of.ttl_ms or len(of.waiting) >= MOST_WAITING:
        of.ttl_ms = ttl_ms
        weigh(of, ttl_ms, bounds)
    of.at = at
    count = len(report.attributes)
    if count < of.count and of.payload:
        # This push has fewer attributes than the push before, for example because the client's
        # statistics have stopped. So the attributes of the push before are remembered now.
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
    Return an item with an entry of all gathered pushes, and begin to gather the next entry.

    Args:
        payload: the payload of the last push.
        offset: how many seconds Redis's clock is ahead of this process's clock.
        versions: gives the item its version.
        bounds: the thresholds beyond which the vitals are bad.
        sent: the numbers that the last push itself has, if the service took its other numbers from
            earlier pushes. The entry is then about this push alone. None: the last push has all
            numbers itself.
        is_whole: true: if the entry is the first of its log, it has all known numbers, not only
            those in *sent*.
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
        # The verdict was made from all known numbers, so *sent* does not contain it.
        numbers = [*sent]
        numbers[VERDICT] = last.numbers[VERDICT]
    entry = _entry(at_ms, numbers, part, attributes)
    card = write_card(at_ms, totals, of.lines)
    of.totals = packed_totals(card)
    return _item(of, at_ms, next(versions), flags, card, entry, attributes, other)


def make_card(
    of: Gathered, attributes: Mapping[int, Any], offset: float, versions: Iterator[bytes]
) -> bytes:
    """Return an item without an entry, with the card of a session that has no pushes."""
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
    """Return an item that builds on the session's last write; store *version* as the last write."""
    base, of.version = of.version, version
    name = f"{of.member}:{of.session}".encode()
    return items.pack(
        Item(at_ms, of.ttl_ms, base, version, flags, 0, name, entry, attributes, card, other)
    )


def _entry(at_ms: int, numbers: list[Any], part: Part, attributes: bytes) -> bytes:
    """Return the entry of an interval, with the sums in *part*; this changes *numbers*."""
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
    """Add the *attributes* of a push to `known`; attributes that the push leaves out stay there."""
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
