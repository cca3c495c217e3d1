"""
Merges the entries that two processes made of one session, if both took pushes of this session.

An item (items.py) adds an entry to a session. The item builds on the state of the session that its
process last knew. If another process has written to the session meanwhile, Redis has a newer state,
and refuses the item. `rebased` gets the refused items, each with the newer state, and changes these
items so that they build on the newer state. If both processes made an entry for the same time,
both.py merges the two entries into one. The session's totals then count the pushes of both
processes.
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

# If Redis has refused an item this many times, the item is written in any case, even if Redis has a
# newer state. This is rare: another process must write to the same session before each try.
MOST_TRIES: Final = 5
_decode_attributes = msgspec.msgpack.Decoder(dict[int, Any]).decode


class Rebased(NamedTuple):
    """
    An item, changed so that it builds on the newest state in Redis.

    Attributes:
        packed: the changed item, packed.
        member: the participant's member.
        former: the item's version before this change.
        version: the item's version after this change.
        totals: the packed totals of the session, including this item.
        lines: the lines of the session's card, including this item.
        attributes: the packed attributes of the session; empty: this item does not change them.
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
    Change the refused items of *conflicts*, in their order, so that they build on Redis's state.

    A conflict is a packed item and the state of the item's session that Redis had when it refused
    the item. Each changed item gets the next of *versions* as its version.
    """
    sessions: dict[bytes, _Session] = {}
    again = []
    told = [(items.unpack(packed), newest) for packed, newest in conflicts]
    # If a session has several conflicts, the last of them has the newest state.
    latest = {item.name: newest for item, newest in told}
    for item, _ in told:
        session = sessions.get(item.name)
        if session is None:
            session = sessions[item.name] = _Session(latest[item.name], interval_ms)
        again.append(session.take(item, next(versions)))
    return again


class _Session:
    """The state of one session in Redis; `take` adds refused items to it, one after the other."""

    def __init__(self, newest: Newest, interval_ms: int) -> None:
        """Unpack *newest*, the session's state that Redis returned last."""
        self._by = newest.by
        self._attributes = newest.attributes
        self._entry = _unpacked(newest.entry)
        self._bytes = newest.entry
        self._interval_ms = interval_ms
        try:
            self._last_ms, self._totals, self._lines = read_card(newest.card)
        except ValueError:
            # The session has no card, or a damaged one.
            self._last_ms, self._totals, self._lines = 0, new_totals(), {}

    def take(self, item: Item, version: bytes) -> Rebased:
        """
        Change *item* so that it builds on the present state, and add it to this state.

        Return the changed item, which now has *version*.
        """
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
        Merge the entry of *item* into the newest entry, or append it to the log.

        The session's totals then include the pushes of *item*.
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

        The process that made *own* must not have written to *other*, and both entries must be of
        the same time. An entry with the flag ALONE or FORCED is never merged.
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
    """Return the unpacked *entry*; None if *entry* is empty or damaged."""
    try:
        return unpack(entry) if entry else None
    except ValueError:
        return None


def _count(how: Any, totals: Totals, entry: Stored) -> None:
    """Call *how* (`add` or `take_away`) with *totals* and the sums of *entry*, without outages."""
    tally = [*(entry.tally or ()), *[None] * len(VITALS)][: len(VITALS)]
    times = [time_of(msgspec.structs.astuple(each)) for each in entry.stretches or ()]
    how(totals, tally, extreme_of(entry, entry.worst), times, entry.counts or ())
