"""
Merges what two processes write about one session, if both processes took pushes of the session.

An item (items.py) is a change of a session that a process sends to Redis. Redis refuses the item if
another process has changed the session meanwhile, and returns the new state. `rebased` changes
refused items so that they build on the new state, and Redis takes them. If two processes have made
an entry for the same time, the two entries become one entry (both.py). The totals then count the
pushes of both processes.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

import msgspec

from otel_jcmc.sessions import items
from otel_jcmc.sessions.both import (
    extreme_of,
    is_of_one_time,
    merge,
    more_outages,
    scale,
    tenths_of,
)
from otel_jcmc.sessions.card import lines_text, read_card, write_card
from otel_jcmc.sessions.entry import EPOCH_MS, Stored, pack, unpack, with_told
from otel_jcmc.sessions.items import Item, Newest
from otel_jcmc.sessions.stretches import TENTH_MS, time_of
from otel_jcmc.sessions.totals import Totals, add, new_totals, take_away
from otel_jcmc.sessions.totals import pack as pack_totals
from otel_jcmc.sessions.vitals import VITALS

# If Redis has refused an item this often, Redis takes it without a check. Redis refuses an item
# again only if another process writes to the same session within milliseconds, which is rare.
MOST_TRIES: Final = 5
_decode_attributes = msgspec.msgpack.Decoder(dict[int, Any]).decode


class Rebased(NamedTuple):
    """
    An item, changed so that it builds on the newest state of its session in Redis.

    Attributes:
        packed: the item as bytes (items.py).
        former, version: the item's version before this change, and its new version.
        totals: the packed totals of the session, with this item counted.
        lines: the lines of the session's card.
        attributes: the session's attributes after this item; empty if this item changes none.
    """

    packed: bytes
    member: str
    former: bytes
    version: bytes
    totals: bytes
    lines: bytes
    attributes: bytes


def rebased(
    conflicts: Iterable[tuple[bytes, Newest]], versions: Iterator[bytes], interval_ms: int
) -> list[Rebased]:
    """
    Return the refused items, changed so that Redis takes them, in the same order.

    Args:
        conflicts: (item, newest state of its session in Redis) for each refused item.
        versions: yields a new version for each item.
        interval_ms: the length of an entry.
    """
    sessions: dict[bytes, _Session] = {}
    again = []
    told = [(items.unpack(packed), newest) for packed, newest in conflicts]
    # If a session has several refused items, the last one came with the newest state.
    latest = {item.name: newest for item, newest in told}
    for item, _ in told:
        session = sessions.get(item.name)
        if session is None:
            session = sessions[item.name] = _Session(latest[item.name], interval_ms)
        again.append(session.take(item, next(versions)))
    return again


class _Session:
    """The state of one session in Redis, to which `take` adds items one after the other."""

    def __init__(self, newest: Newest, interval_ms: int) -> None:
        """Begin with the *newest* state of the session."""
        self._by = newest.by
        self._attributes = newest.attributes
        self._entry = _unpacked(newest.entry)
        self._bytes = newest.entry
        self._interval_ms = interval_ms
        try:
            self._last_ms, self._totals, self._lines = read_card(newest.card)
        except ValueError:
            # The session has no card, or its card is damaged.
            self._last_ms, self._totals, self._lines = 0, new_totals(), {}

    def take(self, item: Item, version: bytes) -> Rebased:
        """Change *item* so that it builds on this state; add it to this state, and return it."""
        former = item.version
        item.base, item.version = self._by[-items.VERSION_BYTES :] or items.NONE, version
        item.tries += 1
        item.flags &= ~items.REPLACES
        if item.tries > MOST_TRIES:
            item.flags |= items.FORCED
        attributes = b""
        if item.attributes:
            attributes = self._attributes = with_told(
                self._attributes, _decode_attributes(item.attributes)
            )
            item.attributes = attributes
        if item.entry:
            self._put(item, attributes)
        at_ms = max(item.at_ms, self._last_ms)
        self._last_ms = at_ms
        if item.card:
            self._lines |= read_card(item.card).lines
            item.card = write_card(at_ms, self._totals, lines_text(self._lines))
        self._by = version
        totals = pack_totals(self._totals)
        member = item.name.partition(b":")[0].decode()
        lines = lines_text(self._lines)
        return Rebased(items.pack(item), member, former, version, totals, lines, attributes)

    def _put(self, item: Item, attributes: bytes) -> None:
        """
        Merge the entry of *item* into the newest entry of the session, or append it.

        The totals then count the pushes of *item*.
        """
        own = unpack(item.entry)
        if own.attributes is not None:
            own.attributes = attributes
        other = self._entry
        if other is not None and self._is_mergeable(item, own, other):
            _count(take_away, self._totals, other)
            allowed = None
            if item.flags & items.GUESSED:
                allowed = tenths_of(other) + max(0, own.at - other.at)
            whole = merge(other, own, allowed)
            item.flags |= items.REPLACES
            item.other = self._bytes
            item.at_ms = max(item.at_ms, EPOCH_MS + other.at * TENTH_MS)
            _count(add, self._totals, whole)
        else:
            if item.flags & items.GUESSED and self._last_ms:
                passed = max(0, own.at - (self._last_ms - EPOCH_MS) // TENTH_MS)
                scale(own, min(passed, tenths_of(own)))
            whole = own
            _count(add, self._totals, own)
        self._totals.outages += more_outages(other, own)
        self._entry, self._bytes = whole, pack(whole)
        item.entry = self._bytes

    def _is_mergeable(self, item: Item, own: Stored, other: Stored) -> bool:
        """
        Say whether *own* may be merged into *other*, the newest entry.

        This is so if other processes alone made *other*, and both entries are about the same time.
        """
        tag = item.version[: items.TAG_BYTES]
        tags = {
            self._by[at : at + items.TAG_BYTES]
            for at in range(0, len(self._by), items.VERSION_BYTES)
        }
        return (
            not item.flags & (items.ALONE | items.FORCED)
            and tag not in tags
            and is_of_one_time(own, other, self._interval_ms)
        )


def _unpacked(entry: bytes) -> Stored | None:
    """Return *entry* as `Stored`; None if it is empty or damaged."""
    try:
        return unpack(entry) if entry else None
    except ValueError:
        return None


def _count(how: Any, totals: Totals, entry: Stored) -> None:
    """Add *entry* to *totals* (*how* is `add`) or subtract it (`take_away`), without outages."""
    tally = [*(entry.tally or ()), *[None] * len(VITALS)][: len(VITALS)]
    times = [time_of(msgspec.structs.astuple(each)) for each in entry.stretches or ()]
    how(totals, tally, extreme_of(entry, entry.worst), times, entry.counts or ())
