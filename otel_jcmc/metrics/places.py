"""
Memory that processes share: each publishes its counts in a place of its own.

Make the places before forking, so that all processes share the memory:

    places = Places(3)                     # in the process that forks
    place = places[slot]                   # in a process, of which slot is the number
    telemetry = Telemetry(resource, process=READER, others=places.others(slot), ...)
    take_over(place, telemetry)            # before anything is counted, or may fail
    task = asyncio.create_task(keep_publishing(place, telemetry.figures))    # when it has begun

A process that shows metrics gets the counts of all other processes by `others`; a process that
shows none needs no `others`. A successor in a place continues from the counts there, so no counter
goes backwards. A killed process loses the counts of at most PUBLISH_SECONDS.

A place has two halves, written in turn. Each has a sequence number, a length and a checksum over
both and the content. A half that is being written, or whose writer was killed, has a wrong
checksum, at any instant and in any order of the processor's writes. The other half is whole.
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
# A process that has published nothing for this long is gone, or stuck.
FRESH_SECONDS: Final = 5.0
# Each half has room for 50 regions with the longest names. Untouched pages take no memory.
PLACE_BYTES: Final = 1 << 22
# Sequence number, time of publishing by the monotonic clock, and length of the content. The
# checksum stands before them.
_HEAD: Final = struct.Struct("<QdQ")
_SUM: Final = struct.Struct("<I")
_BEFORE: Final = _SUM.size + _HEAD.size
# A writer that overtakes a reader twice is at least half a second ahead.
_READS: Final = 5


class _Half(NamedTuple):
    """The content of one half."""

    sequence: int
    published: float
    packed: bytes


class Place:
    """
    The place where one process publishes.

    Concurrency: one process at a time publishes; any number reads, from any thread.
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
        """Publish *figures* over the older half."""
        packed, cut = pack(figures, self._half_bytes - _BEFORE)
        self._trouble.update(", ".join(cut))
        newest = self._newest()
        sequence = newest.sequence + 1 if newest else 1
        head = _HEAD.pack(sequence, self._clock(), len(packed))
        whole = _SUM.pack(crc32(packed, crc32(head))) + head + packed
        start = self._start(sequence)
        self._memory[start : start + len(whole)] = whole

    def read(self) -> Figures | None:
        """Return the last published figures, None if there are none; do not change them."""
        read = self._read_newest()
        return read and read[1]

    def read_fresh(self) -> Figures | None:
        """Return the last published figures, without gauges if they are old; None: none."""
        read = self._read_newest()
        if read is None:
            return None
        half, figures = read
        is_fresh = self._clock() - half.published <= FRESH_SECONDS
        return figures if is_fresh else replace(figures, gauges={})

    def _read_newest(self) -> tuple[_Half, Figures] | None:
        """Return the newest half and its figures, unpacked once."""
        newest, read = self._newest(), self._read
        if newest and (read is None or newest.sequence > read[0].sequence):
            read = self._read = newest, unpack(newest.packed)
        return read

    def _newest(self) -> _Half | None:
        """Return the newest half that is whole."""
        for _ in range(_READS):
            sequences = [self._sequence(number) for number in (0, 1)]
            if not any(sequences):
                return None
            for number in sorted((0, 1), key=sequences.__getitem__, reverse=True):
                if half := self._half(number):
                    return half
        return None

    def _start(self, number: int) -> int:
        """Return the offset of the half for this *number* in the sequence."""
        return number % 2 * self._half_bytes

    def _sequence(self, number: int) -> int:
        """Return the sequence number in a half; 0 before it is written."""
        sequence: int = _HEAD.unpack_from(self._memory, self._start(number) + _SUM.size)[0]
        return sequence

    def _half(self, number: int) -> _Half | None:
        """Return a half, None if it is not whole."""
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
    """The places of all processes; make them before the first fork."""

    def __init__(
        self, count: int, size: int = PLACE_BYTES, clock: Callable[[], float] = monotonic
    ) -> None:
        """Make *count* places of *size* bytes each; all processes share *clock*."""
        self._places = [Place(size, clock) for _ in range(count)]

    def __getitem__(self, slot: int) -> Place:
        """Return the place of the process with the number *slot*."""
        return self._places[slot]

    def others(self, slot: int) -> Callable[[], list[Figures]]:
        """Return a function for the published figures of all processes except *slot*."""
        others = [place for number, place in enumerate(self._places) if number != slot]
        return lambda: [figures for place in others if (figures := place.read_fresh())]


def take_over(place: Place, telemetry: Telemetry) -> None:
    """
    Let *telemetry* continue from the counts in *place*, and publish this process's start.

    The start is then known even if the process ends early. Its gauges are not published, because
    they have no values yet.
    """
    if left := place.read():
        telemetry.resume(left)
    place.publish(replace(telemetry.figures(), gauges={}))


async def keep_publishing(place: Place, collect: Callable[[], Figures]) -> None:
    """Publish what *collect* returns in *place* until cancelled, and once more then."""
    try:
        while True:
            place.publish(collect())
            await asyncio.sleep(PUBLISH_SECONDS)
    finally:
        place.publish(collect())
