"""
Finds the slot of each command in a Redis Cluster, by the command's key, and each slot's master.

A command is a tuple of words, or the bytes that are sent for these words. The keys of each of our
commands are in one slot.
"""

from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from redis.crc import key_slot
from redis.exceptions import RedisError

from otel_jcmc.catalogue.reasons import StoreUnavailable
from otel_jcmc.store.commands import Command

SLOTS: Final = 16_384
# Host and port.
Address = tuple[str, int]

_KEYLESS: Final = {"PING", "TIME", "INFO", "ROLE", "ECHO", "CLIENT", "CONFIG", "CLUSTER", "SCRIPT"}
# Before a script's first key come the script itself and the number of keys.
_KEY_AT: Final = {"EVAL": 3, "EVALSHA": 3}
_BULK_END: Final = b"\r\n"
# Batches of pushes use few different keys.
_slot_of_key: Final = lru_cache(maxsize=256)(key_slot)


def slots_of(commands: Sequence[Command]) -> list[int | None]:
    """
    Return the slot of each of *commands*; if no command has a key, all slots are None.

    A command without a key gets the slot of the next command with a key. For example, TIME goes to
    the master whose keys the next command reads. If no command with a key follows, a command
    without a key gets the slot of the last command with a key before it.
    """
    slots = [_slot_of(command) for command in commands]
    if None not in slots:
        return slots
    behind: int | None = next((each for each in reversed(slots) if each is not None), None)
    for at in reversed(range(len(slots))):
        if slots[at] is None:
            slots[at] = behind
        behind = slots[at]
    return slots


def _slot_of(command: Command) -> int | None:
    """Return the slot of *command*'s key; None if the command has no key."""
    if isinstance(command, bytes):
        return _slot_of_key(_packed_key(command))
    name = command[0]
    if name in _KEYLESS:
        return None
    key = command[_KEY_AT.get(name, 1)]
    return key_slot(key if isinstance(key, bytes) else key.encode())


def _packed_key(packed: bytes) -> bytes:
    """Return the key of a *packed* command; the command must have a key."""
    # *3\r\n$3\r\nGET\r\n$1\r\nk\r\n...: the length before each word tells where the next word
    # begins.
    name, at = _word(packed, packed.index(b"$"))
    for _ in range(_KEY_AT.get(name.decode(), 1)):
        word, at = _word(packed, at)
    return word


def _word(packed: bytes, at: int) -> tuple[bytes, int]:
    """Return the word of *packed* whose length is at index *at*, and the next length's index."""
    end = packed.index(_BULK_END, at)
    start = end + 2
    stop = start + int(packed[at + 1 : end])
    return packed[start:stop], stop + 2


def show(address: Address) -> str:
    """Return *address* as host:port, with an IPv6 host in square brackets."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class SlotMap:
    """
    Knows which master has which slots.

    Attributes:
        masters: all masters.
        is_whole: whether each slot has a master.
    """

    __slots__ = ("_ends", "_masters", "_starts", "is_whole", "masters")

    def __init__(self, ranges: Sequence[tuple[int, int, Address]] = ()) -> None:
        """Make the map from *ranges*: (first slot, last slot, master)."""
        ordered = sorted(ranges)
        self._starts = [start for start, _, _ in ordered]
        self._ends = [end for _, end, _ in ordered]
        self._masters = [master for _, _, master in ordered]
        self.masters = dict.fromkeys(self._masters).keys()
        self.is_whole = sum(end - start + 1 for start, end, _ in ordered) == SLOTS

    @classmethod
    def from_reply(cls, reply: Any, asked: Address) -> "SlotMap":
        """
        Make the map from the *reply* of the node *asked* to CLUSTER SLOTS.

        Raises:
            StoreUnavailable: the node refuses, or the reply can't be read.
        """
        try:
            return cls(
                [
                    # A range without a host belongs to the node that was asked.
                    (int(start), int(end), ((host or b"").decode() or asked[0], int(port)))
                    for start, end, (host, port, *_), *_ in reply
                ]
            )
        except (TypeError, ValueError) as error:
            raise StoreUnavailable from (reply if isinstance(reply, RedisError) else error)

    def __bool__(self) -> bool:
        """Say whether the master of any slot is known."""
        return bool(self._starts)

    def master_of(self, slot: int) -> Address | None:
        """Return the master of *slot*; None if the slot has no master."""
        at = bisect_right(self._starts, slot) - 1
        return self._masters[at] if at >= 0 and slot <= self._ends[at] else None
