"""
Packs and unpacks items. An item is one write to a session's log and card, as bytes for log.lua.

gathering.py makes items and log.py sends them. If another process has written to the same session
since the item was made, merging.py makes a new item. Versions show whether another process has
written: each item has its own version, and also the version of the write on which the item builds.
"""

import secrets
import struct
from collections.abc import Iterator
from itertools import product
from string import ascii_letters, digits
from typing import Final, NamedTuple

import msgspec

# A version is ASCII text, because an earlier release of the service reads all fields of a session's
# hash as text.
VERSION_BYTES: Final = 6
TAG_BYTES: Final = 3
_DIGITS: Final = (ascii_letters + digits).encode()
# The version on which the first write of a session builds.
NONE: Final = b"-" * VERSION_BYTES
# Flags of an item. ALONE: the item's entry has only one push and is not merged with another entry.
# GUESSED: the time that the entry's pushes cover is a guess. REPLACES: the entry replaces the
# newest entry of the log, if the newest entry equals `other`. IS_WHOLE: if the log is empty,
# `other` is written instead of the entry. FORCED: the item is written even if it does not build on
# the newest write.
ALONE, GUESSED, REPLACES, IS_WHOLE, FORCED = 1, 2, 4, 8, 16

_HEAD: Final = struct.Struct(">QI6s6sBBIIIII")
# The sizes of the entry and of the attributes: the second and third of five sizes in the head.
_KEPT: Final = struct.Struct(">II")
_KEPT_AT: Final = _HEAD.size - 16


class Item(msgspec.Struct, gc=False):
    """
    One write to a session.

    Attributes:
        at_ms: when the last push in this write came, Unix time in ms by Redis's clock.
        ttl_ms: after how many ms without another push the participant expires.
        base: the version of the write on which this write builds.
        version: the version of this write.
        flags: the sum of flags, for example GUESSED + REPLACES.
        tries: how often merging.py has changed this item.
        name: "member:session".
        entry: the entry for the log; empty: only the card is written.
        attributes: the session's new attributes; empty: they have not changed.
        card: the session's new card (card.py); empty: the card is not changed.
        other: with REPLACES, the entry that *entry* replaces; with IS_WHOLE, the entry that is
            written if the log is empty; otherwise empty.
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
    The newest state of a session in Redis, which log.lua returns for an item that it refuses.

    Attributes:
        by: the versions of the writes that made the newest entry, in the order of these writes.
        card: the session's card; empty: it has none.
        entry: the newest entry in the session's log; empty: the log has none.
        attributes: the session's attributes; empty: Redis has none, or the item had none.
    """

    by: bytes
    card: bytes
    entry: bytes
    attributes: bytes


def pack(item: Item) -> bytes:
    """Return *item* as bytes; log.lua can read several packed items one after the other."""
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
    """Return the item for which `pack` returned *packed*."""
    *head, name, entry, attributes, card, other = _HEAD.unpack_from(packed)
    texts, start = [], _HEAD.size
    for size in (name, entry, attributes, card, other):
        texts.append(packed[start : start + size])
        start += size
    return Item(*head, *texts)


def digits_of(packed: bytes) -> str:
    """Return the first two hex digits of a packed item's member, which choose its partition."""
    return packed[_HEAD.size : _HEAD.size + 2].decode()


def kept_bytes(packed: bytes) -> int:
    """Return about how many bytes Redis needs for a packed item: its entry and its attributes."""
    entry, attributes = _KEPT.unpack_from(packed, _KEPT_AT)
    return int(entry + attributes)


def name_of(packed: bytes) -> str:
    """Return the name, "member:session", of a packed item."""
    size = _HEAD.unpack_from(packed)[6]
    return packed[_HEAD.size : _HEAD.size + size].decode()


def versions() -> Iterator[bytes]:
    """
    Return the versions that this process gives to its writes, one after the other.

    All these versions begin with the same random text. Another process nearly always has another
    random text, so its versions differ.
    """
    tag = bytes(secrets.choice(_DIGITS) for _ in range(TAG_BYTES))
    while True:
        for number in product(_DIGITS, repeat=VERSION_BYTES - TAG_BYTES):
            yield tag + bytes(number)
