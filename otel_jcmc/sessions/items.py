"""
What waits for its turn to be written of a session, as bytes: log.lua takes it as it is.

gathering.py makes an item, log.py sends it, and merging.py makes another one of it where a second
process has written of the same session meanwhile. That is told by versions: each write of a session
has one of its own, and says which it stands on.
"""

import secrets
import struct
from collections.abc import Iterator
from itertools import product
from string import ascii_letters, digits
from typing import Final, NamedTuple

import msgspec

# They are text, as all that a session's hash has: an earlier version reads it as such.
VERSION_BYTES: Final = 6
TAG_BYTES: Final = 3
_DIGITS: Final = (ascii_letters + digits).encode()
# Before the first write.
NONE: Final = b"-" * VERSION_BYTES
# Flags: its entry is one push, which stays as it was sent; for how long its pushes stand is a
# guess; it stands in the place of the entry `other`; `other` is the entry to write if it is the
# log's first; it is written whatever it stands on.
ALONE, GUESSED, REPLACES, IS_WHOLE, FORCED = 1, 2, 4, 8, 16

_HEAD: Final = struct.Struct(">QI6s6sBBIIIII")
# Of the last five, which are sizes, the second and the third.
_KEPT: Final = struct.Struct(">II")
_KEPT_AT: Final = _HEAD.size - 16


class Item(msgspec.Struct, gc=False):
    """
    One write of a session.

    Attributes:
        at_ms: its last push, by Redis's clock; *ttl_ms* how long that lives.
        base, version: of the write that it stands on, and its own; *tries* of it so far.
        name: "member:session".
        entry: what goes into the log; empty: the card alone is written.
        attributes: of the session from then on; empty: as before.
        card: see card.py; empty: it stays as it is.
        other: another entry, as the flags have it.
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
    What Redis has of a session.

    Attributes:
        by: the versions that have made the newest entry, in order.
        card, entry, attributes: the newest; empty: there is none, or it was not asked for.
    """

    by: bytes
    card: bytes
    entry: bytes
    attributes: bytes


def pack(item: Item) -> bytes:
    """Return *item* so that several can stand one after the other."""
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
    """Return the item that `pack` has made *packed* of."""
    *head, name, entry, attributes, card, other = _HEAD.unpack_from(packed)
    texts, start = [], _HEAD.size
    for size in (name, entry, attributes, card, other):
        texts.append(packed[start : start + size])
        start += size
    return Item(*head, *texts)


def digits_of(packed: bytes) -> str:
    """Return the first two digits of an item's digest, which tell the partition it goes to."""
    return packed[_HEAD.size : _HEAD.size + 2].decode()


def kept_bytes(packed: bytes) -> int:
    """Return how many bytes an item adds to what is kept of its session, about."""
    entry, attributes = _KEPT.unpack_from(packed, _KEPT_AT)
    return int(entry + attributes)


def name_of(packed: bytes) -> str:
    """Return whose an item is, "member:session"."""
    size = _HEAD.unpack_from(packed)[6]
    return packed[_HEAD.size : _HEAD.size + size].decode()


def versions() -> Iterator[bytes]:
    """Return the versions of one process: they begin alike, and as no other's, nearly always."""
    tag = bytes(secrets.choice(_DIGITS) for _ in range(TAG_BYTES))
    while True:
        for number in product(_DIGITS, repeat=VERSION_BYTES - TAG_BYTES):
            yield tag + bytes(number)
