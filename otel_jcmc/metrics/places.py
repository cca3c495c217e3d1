"""
Shares counts between processes: each process publishes its counts in its own place in memory.

Make the places before forking, so that all processes share the memory:

    places = Places(3)                     # in the process that forks
    place = places[slot]                   # in the process whose number is slot
    telemetry = Telemetry(resource, process=READER, others=places.others(slot), ...)
    take_over(place, telemetry)            # before the process counts anything, or may fail
    task = asyncio.create_task(keep_publishing(place, telemetry.figures))    # in the running loop

A process that exports metrics gets the counts of all other processes by `others`; other processes
need no `others`. If a process ends, the next process in its place continues from its counts, so no
counter goes backwards. A killed process loses the counts of at most PUBLISH_SECONDS.

A place has two halves. A process writes to one half, and the next time to the other. Each half has
a content, a sequence number, a time, the content's length, and a checksum over all of these. While
a process writes a half, the checksum of this half is wrong, in whatever order the processor writes.
If the process is killed during the write, the checksum remains wrong. The other half is complete.
"""

import asyncio
import logging
import mmap
import struct
from collections.abc import Callable
from time import monotonic
from typing import Final, NamedTuple
from zlib import crc32

from msgspec.structs import replace

from otel_jcmc.catalogue.trouble import Trouble
from otel_jcmc.metrics.figures import Figures, pack, unpack
from otel_jcmc.metrics.own import Telemetry

log = logging.getLogger(__name__)

PUBLISH_SECONDS: Final = 0.5
# If a process has published nothing for this long, it has ended or is stuck, and its gauges are
# ignored.
FRESH_SECONDS: Final = 5.0
# Each half has room for 50 regions with the longest names. Memory that is never written to takes no
# room in the machine.
PLACE_BYTES: Final = 1 << 22
# Sequence number, time of publishing by the monotonic clock, and length of the content. In memory
# the checksum stands before these three.
_HEAD: Final = struct.Struct("<QdQ")
_SUM: Final = struct.Struct("<I")
_BEFORE: Final = _SUM.size + _HEAD.size
# How many times a reader tries to read. A try fails if the process writes during it. If two tries
# fail, the process has published twice, which takes at least half a second.
_READS: Final = 5


class _Half(NamedTuple):
    """One half as it was read: sequence number, time of publishing, packed figures."""

    sequence: int
    published: float
    packed: bytes


class Place:
    """
    The memory in which one process publishes its figures.

    Concurrency: one process at a time publishes; any number of processes and threads may read.
    """

    def __init__(self, size: int, clock: Callable[[], float]) -> None:
        """Take *size* bytes of memory, shared with processes that are forked later."""
        self._memory = mmap.mmap(-1, size)
        self._half_bytes = size // 2
        self._clock = clock
        self._read: tuple[_Half, Figures] | None = None
        self._trouble = Trouble(
            log,
            "figures: the memory that processes share is too small for all labels; those that came"
            " last are missing from %s",
            "figures: all labels are shared again",
        )

    def publish(self, figures: Figures) -> None:
        """Write *figures* over the older half."""
        packed, cut = pack(figures, self._half_bytes - _BEFORE)
        self._trouble.update(", ".join(cut))
        newest = self._newest()
        sequence = newest.sequence + 1 if newest else 1
        head = _HEAD.pack(sequence, self._clock(), len(packed))
        whole = _SUM.pack(crc32(packed, crc32(head))) + head + packed
        start = self._start(sequence)
        self._memory[start : start + len(whole)] = whole

    def read(self) -> Figures | None:
        """Return the last published figures; the caller must not change them. None: none yet."""
        read = self._read_newest()
        return read and read[1]

    def read_fresh(self) -> Figures | None:
        """Return the last published figures, without gauges if older than FRESH_SECONDS."""
        read = self._read_newest()
        if read is None:
            return None
        half, figures = read
        is_fresh = self._clock() - half.published <= FRESH_SECONDS
        return figures if is_fresh else replace(figures, gauges={})

    def _read_newest(self) -> tuple[_Half, Figures] | None:
        """Return the newest complete half and its figures; None if nothing was published."""
        newest, read = self._newest(), self._read
        if newest and (read is None or newest.sequence > read[0].sequence):
            read = self._read = newest, unpack(newest.packed)
        return read

    def _newest(self) -> _Half | None:
        """Return the newest half with a right checksum; None if there is no such half."""
        for _ in range(_READS):
            sequences = [self._sequence(number) for number in (0, 1)]
            if not any(sequences):
                return None
            for number in sorted((0, 1), key=sequences.__getitem__, reverse=True):
                if half := self._half(number):
                    return half
        return None

    def _start(self, number: int) -> int:
        """Return the offset of half 0 if *number* is even, of half 1 if *number* is odd."""
        return number % 2 * self._half_bytes

    def _sequence(self, number: int) -> int:
        """Return the sequence number in half *number* (0 or 1); 0 if it was never written."""
        sequence: int = _HEAD.unpack_from(self._memory, self._start(number) + _SUM.size)[0]
        return sequence

    def _half(self, number: int) -> _Half | None:
        """Return half *number*; None if it was never written, or if its checksum is wrong."""
        start = self._start(number)
        before = self._memory[start : start + _BEFORE]
        head = before[_SUM.size :]
        sequence, published, length = _HEAD.unpack(head)
        if not sequence or length > self._half_bytes - _BEFORE:
            return None
        packed = self._memory[start + _BEFORE : start + _BEFORE + length]
        is_whole = _SUM.unpack_from(before)[0] == crc32(packed, crc32(head))
        return _Half(sequence, published, packed) if is_whole else None


class Places:
    """Has the places of all processes; make this object before the first fork."""

    def __init__(
        self, count: int, size: int = PLACE_BYTES, clock: Callable[[], float] = monotonic
    ) -> None:
        """Make *count* places of *size* bytes each; all processes share *clock*."""
        self._places = [Place(size, clock) for _ in range(count)]

    def __getitem__(self, slot: int) -> Place:
        """Return the place of the process with the number *slot*."""
        return self._places[slot]

    def others(self, slot: int) -> Callable[[], list[Figures]]:
        """Return a function that returns the published figures of all processes except *slot*."""
        others = [place for number, place in enumerate(self._places) if number != slot]
        return lambda: [figures for place in others if (figures := place.read_fresh())]


def take_over(place: Place, telemetry: Telemetry) -> None:
    """
    Let *telemetry* continue from the counts in *place*, and publish that this process has started.

    So other processes count the start even if this process ends early. The gauges are not published
    here, because this process has no values for them yet.
    """
    if left := place.read():
        telemetry.resume(left)
    place.publish(replace(telemetry.figures(), gauges={}))


async def keep_publishing(place: Place, collect: Callable[[], Figures]) -> None:
    """Publish the figures from *collect* again and again, and a last time when cancelled."""
    try:
        while True:
            place.publish(collect())
            await asyncio.sleep(PUBLISH_SECONDS)
    finally:
        place.publish(collect())
