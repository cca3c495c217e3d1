"""
What the processes of one service have counted, added up.

Each counts by itself, and tells the others by shared memory: twice a second it writes its figures
into a place of its own, which was made before any of them was forked. Who is asked adds up all of
them. A process that follows one that died goes on from what that one wrote last: no counter ever
goes backwards, and half a second of counts is lost at the most.
"""

import logging
import mmap
import zlib
from collections.abc import Callable, Iterable, Mapping
from struct import Struct
from time import monotonic
from typing import Final

import msgspec

log = logging.getLogger(__name__)

PUBLISH_SECONDS: Final = 0.5
# What a gauge says of a process that has not written for so long is not so any more.
FRESH_SECONDS: Final = 5.0
# A page of it costs memory once it is written to.
_PLACE_BYTES: Final = 1 << 20
_HALF_BYTES: Final = _PLACE_BYTES // 2
# Of each half: which one it is of all that were written, its length, its checksum.
_HEAD: Final = Struct("<QII")

# Values of labels -> how many.
Counts = Mapping[tuple[str, ...], int]
# Values of labels -> sum of all values, and how many in each bucket.
Buckets = Mapping[tuple[str, ...], list[float]]


class Figures(msgspec.Struct, array_like=True):
    """
    What one process has counted so far.

    Attributes:
        at: when it was told, by this machine's monotonic clock.
        counts: by the names of counters.
        levels: by the names of gauges, those that are known.
        buckets: by the names of histograms.
    """

    at: float = 0.0
    counts: dict[str, dict[tuple[str, ...], int]] = {}
    levels: dict[str, int] = {}
    buckets: dict[str, dict[tuple[str, ...], list[float]]] = {}

    @property
    def is_fresh(self) -> bool:
        """Whether who has told it is likely there still."""
        return monotonic() - self.at < FRESH_SECONDS


def add_counts(all_of: Iterable[Counts]) -> dict[tuple[str, ...], int]:
    """Return the sum of each count in *all_of*, in the order in which they come."""
    total: dict[tuple[str, ...], int] = {}
    for counts in all_of:
        for key, count in counts.items():
            total[key] = total.get(key, 0) + count
    return total


def add_buckets(all_of: Iterable[Buckets]) -> dict[tuple[str, ...], list[float]]:
    """Return the sum of each histogram in *all_of*."""
    total: dict[tuple[str, ...], list[float]] = {}
    for buckets in all_of:
        for key, numbers in buckets.items():
            before = total.get(key)
            total[key] = (
                [*numbers]
                if before is None
                else [a + b for a, b in zip(before, numbers, strict=True)]
            )
    return total


def _add(one: Figures, other: Figures) -> Figures:
    """Return what two processes in turn, *other* the latter, have counted in one place."""
    return Figures(
        other.at,
        {
            name: add_counts([one.counts.get(name, {}), other.counts.get(name, {})])
            for name in {**one.counts, **other.counts}
        },
        other.levels,
        {
            name: add_buckets([one.buckets.get(name, {}), other.buckets.get(name, {})])
            for name in {**one.buckets, **other.buckets}
        },
    )


class _Memory:
    """
    One place: what was written last, whole, at whichever moment its writer was killed.

    Two halves are written in turn; the newer one counts whose checksum is right.
    """

    def __init__(self) -> None:
        """Begin with nothing written."""
        self._memory = mmap.mmap(-1, _PLACE_BYTES)

    def number(self) -> int:
        """Return how much was written so far; 0: nothing."""
        numbers: list[int] = [_HEAD.unpack_from(self._memory, half)[0] for half in (0, _HALF_BYTES)]
        return max(numbers)

    def read(self) -> bytes:
        """Return what was written last, empty if there is nothing."""
        halves = [(_HEAD.unpack_from(self._memory, half), half) for half in (0, _HALF_BYTES)]
        for (number, size, checksum), half in sorted(halves, reverse=True):
            start = half + _HEAD.size
            told = self._memory[start : start + size] if size <= _HALF_BYTES - _HEAD.size else b""
            if number and zlib.crc32(told, number) == checksum:
                return told
        return b""

    def write(self, told: bytes) -> bool:
        """Write what is *told*; False: it is too much."""
        if len(told) > _HALF_BYTES - _HEAD.size:
            return False
        number = self.number() + 1
        half = number % 2 * _HALF_BYTES
        start = half + _HEAD.size
        self._memory[start : start + len(told)] = told
        _HEAD.pack_into(self._memory, half, number, len(told), zlib.crc32(told, number))
        return True


class Published:
    """The places of all processes of a service; to be made before any of them is forked."""

    def __init__(self, processes: int) -> None:
        """Make places for so many *processes*."""
        self._places = [_Memory() for _ in range(processes)]

    def at(self, slot: int) -> "Publisher":
        """Return what the process number *slot* tells by; to be called in that process."""
        others = [each for number, each in enumerate(self._places) if number != slot]
        return Publisher(self._places[slot], others)


class Publisher:
    """What one process tells, and what it hears of the others."""

    def __init__(self, mine: _Memory, others: list[_Memory]) -> None:
        """Go on from what is in the place that is *mine*."""
        self._mine = mine
        # Who had this place is gone: its gauges say nothing any more.
        self._before = msgspec.structs.replace(_read(mine), at=0.0, levels={})
        self._others = others
        # Number of what was written -> what it says, of each of the others.
        self._known = [(0, Figures()) for _ in others]
        self._is_too_large = False

    def publish(self, figures: Figures) -> None:
        """Tell the others of *figures*, those of this process alone."""
        told = msgspec.msgpack.encode(_add(self._before, figures))
        if not self._mine.write(told) and not self._is_too_large:
            self._is_too_large = True
            log.error("figures: %d bytes are too many to be told to the other processes", len(told))

    def hear(self) -> list[Figures]:
        """Return those of all others, and of whoever had this place before."""
        for at, other in enumerate(self._others):
            number = other.number()
            if number != self._known[at][0]:
                self._known[at] = number, _read(other)
        return [self._before, *(figures for _, figures in self._known)]


def _read(memory: _Memory) -> Figures:
    """Return the figures in *memory*, none if there is nothing."""
    told = memory.read()
    return msgspec.msgpack.decode(told, type=Figures) if told else Figures()


Hear = Callable[[], list[Figures]]
