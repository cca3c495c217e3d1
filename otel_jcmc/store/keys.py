"""
The keys in Redis, and the partition that each of them is in.

All keys of a partition begin alike, `jcmc:{03}:`: a Redis Cluster keeps in one place what stands in
the same braces, and so a script may touch all of it. In goes what a key is of, out comes the key.
How many partitions there are Redis remembers, agreement.py. What is below the keys is said by who
writes it: participant.py, stays.lua, sessions/log.lua, jmmc/states.py.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Final

# How many there may be. Each is a multiple of the one before, and so are the places in them.
NUMBERS: Final = (4, 16, 64)
DEFAULT_PARTITIONS: Final = NUMBERS[0]
_DIGITS: Final = "0123456789abcdef"


class Keys:
    """
    The keys below one prefix, in a number of partitions; it never changes.

    Attributes:
        prefix: what all keys begin with.
        partitions: how many there are, one of NUMBERS.
        every: all of them.
        bases: what the keys of each partition begin with.
        digits: how many digits of a digest tell its partition, 1 or 2.
        table: those digits -> the partition; a push looks there by itself.
        remembered: the key that has the number of partitions. In one of them, so that a cluster
            without it is one without a partition.
    """

    __slots__ = ("bases", "digits", "every", "partitions", "prefix", "remembered", "table")

    def __init__(self, prefix: str, partitions: int = DEFAULT_PARTITIONS) -> None:
        """Make what does not change; a push needs it each time."""
        self.prefix = prefix
        self.partitions = partitions
        self.every = tuple(range(partitions))
        self.bases = tuple(f"{prefix}:{{{number:02d}}}:" for number in self.every)
        self.digits, self.table = _placed(partitions)
        self.remembered = f"{self.bases[0]}partitions"

    def each(self, name: str, partitions: Sequence[int] | None = None) -> list[str]:
        """Return the key *name* of each of *partitions*, in their order; None: of all."""
        wanted = self.every if partitions is None else partitions
        return [self.bases[each] + name for each in wanted]

    def partition_of(self, digest: str) -> int:
        """Return the partition of *digest*: a member's, a conference's or a sid, which has one."""
        return self.table[digest[: self.digits]]

    def base_of(self, digest: str) -> str:
        """Return what the keys of *digest* begin with."""
        return self.bases[self.table[digest[: self.digits]]]

    def jmmc(self, session_id: str) -> tuple[str, str]:
        """
        Return the key of a JMMC page's session, and that of the index which has it.

        Such an id is chance, so any two of its hex digits spread the sessions evenly.
        """
        index = f"{self.bases[int(session_id[:2], 16) % self.partitions]}jmmc"
        return f"{index}:{session_id}", index


@cache
def _placed(partitions: int) -> tuple[int, Mapping[str, int]]:
    """Return how many digits of a digest tell which of *partitions* it is in, and which does."""
    if partitions <= len(_DIGITS):
        return 1, {digit: int(digit, 16) % partitions for digit in _DIGITS}
    # The first digit's place is the one of 16 that a partition here is a part of.
    places = {
        first + second: (int(first, 16) + 16 * int(second, 16)) % partitions
        for first in _DIGITS
        for second in _DIGITS
    }
    return 2, places


DEFAULT_KEYS: Final = Keys("jcmc")
