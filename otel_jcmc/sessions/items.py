"""
An item, a session's next write as bytes: log.lua takes it as it is.

gathering.py makes items and log.py sends them. merging.py makes a new one if another process has
written to the same session meanwhile. Versions show this: each write of a session has its own
version, and names the version that it builds on.
"""

import secrets
import struct
from collections.abc import Iterator
from itertools import product
from string import ascii_letters, digits
from typing import Final, NamedTuple

import msgspec

# Versions are text, like all fields of a session's hash: an earlier version reads them so.
VERSION_BYTES: Final = 6
TAG_BYTES: Final = 3
_DIGITS: Final = (ascii_letters + digits).encode()
# The version before the first write.
NONE: Final = b"-" * VERSION_BYTES
# Flags. ALONE: the entry is one push, which stays as it was sent. GUESSED: how long its pushes
# stand is a guess. REPLACES: it replaces the entry `other`. IS_WHOLE: `other` is the entry to write
# if it is the log's first. FORCED: it is written whatever it builds on.
ALONE, GUESSED, REPLACES, IS_WHOLE, FORCED = 1, 2, 4, 8, 16

_HEAD: Final = struct.Struct(">QI6s6sBBIIIII")
# The second and third of the five sizes at the end.
_KEPT: Final = struct.Struct(">II")
_KEPT_AT: Final = _HEAD.size - 16


class Item(msgspec.Struct, gc=False):
    """
    One write of a session.

    Attributes:
        at_ms: its last push, by Redis's clock; *ttl_ms* is how long that push lives.
        base, version: the version that it builds on, and its own; *tries* counts the tries so far.
        name: "member:session".
        entry: the entry for the log; empty: only the card is written.
        attributes: of the session from then on; empty: as before.
        card: see card.py; empty: it stays as it is.
        other: another entry, see the flags.
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
        by: the versions that made the newest entry, in order.
        card, entry, attributes: the newest; empty: there is none, or it was not asked for.
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
    """Return about how many bytes an item adds to what is kept of its session."""
    entry, attributes = _KEPT.unpack_from(packed, _KEPT_AT)
    return int(entry + attributes)


def name_of(packed: bytes) -> str:
    """Return the name "member:session" of an item."""
    size = _HEAD.unpack_from(packed)[6]
    return packed[_HEAD.size : _HEAD.size + size].decode()


def versions() -> Iterator[bytes]:
    """Return the versions of one process; they nearly always begin unlike all others."""
    tag = bytes(secrets.choice(_DIGITS) for _ in range(TAG_BYTES))
    while True:
        for number in product(_DIGITS, repeat=VERSION_BYTES - TAG_BYTES):
            yield tag + bytes(number)
