"""
An item: the next write to a session's log and card, as the bytes that log.lua takes.

gathering.py makes items and log.py sends them. If another process has written to the same session
meanwhile, merging.py makes a new item. Versions show whether it has: each write to a session has
its own version, and names the version of the write that it builds on.
"""

import secrets
import struct
from collections.abc import Iterator
from itertools import product
from string import ascii_letters, digits
from typing import Final, NamedTuple

import msgspec

# Versions of writes are text, like all fields of a session's hash, because an earlier release of
# the service reads all fields as text.
VERSION_BYTES: Final = 6
TAG_BYTES: Final = 3
_DIGITS: Final = (ascii_letters + digits).encode()
# The version before the first write.
NONE: Final = b"-" * VERSION_BYTES
# Flags. ALONE: the entry is one push and is not merged. GUESSED: for how long its pushes count is a
# guess. REPLACES: the entry replaces the entry `other`. IS_WHOLE: `other` is written instead of the
# entry if it is the log's first. FORCED: the item is written whatever it builds on.
ALONE, GUESSED, REPLACES, IS_WHOLE, FORCED = 1, 2, 4, 8, 16

_HEAD: Final = struct.Struct(">QI6s6sBBIIIII")
# The second and third of the five sizes at the end of the head.
_KEPT: Final = struct.Struct(">II")
_KEPT_AT: Final = _HEAD.size - 16


class Item(msgspec.Struct, gc=False):
    """
    One write to a session.

    Attributes:
        at_ms: when its last push came, by Redis's clock; *ttl_ms* is that push's TTL.
        base, version: the version that it builds on, and its own; *tries* is how often merging.py
            has changed it.
        name: "member:session".
        entry: the entry for the log; empty: only the card is written.
        attributes: the session's attributes from then on; empty: unchanged.
        card: the session's new card (card.py); empty: unchanged.
        other: another entry, see the flags REPLACES and IS_WHOLE.
    """

    at_ms: int
    ttl_ms: int
    base: bytes
    version: bytes
    flags: int
    tries: int
    name: bytes
    entry: bytes = b""
    attributes: bytes = b""
    card: bytes = b""
    other: bytes = b""


class Newest(NamedTuple):
    """
    The state of a session in Redis.

    Attributes:
        by: the versions of the writes that made the newest entry, in order.
        card, entry, attributes: the newest of the session; empty: it has none, or the item had
            none.
    """

    by: bytes
    card: bytes
    entry: bytes
    attributes: bytes


def pack(item: Item) -> bytes:
    """Return *item* as bytes; several can stand one after the other."""
    name, entry, attributes = item.name, item.entry, item.attributes
    card, other = item.card, item.other
    head = _HEAD.pack(
        item.at_ms,
        item.ttl_ms,
        item.base,
        item.version,
        item.flags,
        item.tries,
        len(name),
        len(entry),
        len(attributes),
        len(card),
        len(other),
    )
    return head + name + entry + attributes + card + other


def unpack(packed: bytes) -> Item:
    """Return the item that `pack` made into *packed*."""
    *head, name, entry, attributes, card, other = _HEAD.unpack_from(packed)
    texts, start = [], _HEAD.size
    for size in (name, entry, attributes, card, other):
        texts.append(packed[start : start + size])
        start += size
    return Item(*head, *texts)


def digits_of(packed: bytes) -> str:
    """Return the first two digits of an item's digest, which tell its partition."""
    return packed[_HEAD.size : _HEAD.size + 2].decode()


def kept_bytes(packed: bytes) -> int:
    """Return about how many bytes an item adds to its session in Redis."""
    entry, attributes = _KEPT.unpack_from(packed, _KEPT_AT)
    return int(entry + attributes)


def name_of(packed: bytes) -> str:
    """Return the name "member:session" of an item."""
    size = _HEAD.unpack_from(packed)[6]
    return packed[_HEAD.size : _HEAD.size + size].decode()


def versions() -> Iterator[bytes]:
    """
    Return the versions that this process gives to its writes, one after the other.

    All begin with the same random tag, which nearly always differs between processes.
    """
    tag = bytes(secrets.choice(_DIGITS) for _ in range(TAG_BYTES))
    while True:
        for number in product(_DIGITS, repeat=VERSION_BYTES - TAG_BYTES):
            yield tag + bytes(number)
