"""
The keys in Redis, and the partition of each key.

All keys of a partition begin alike, for example `jcmc:{03}:`. A Redis Cluster keeps keys with the
same text in braces on one node, so a script may touch all keys of a partition. Redis remembers how
many partitions there are, see agreement.py. The files that write the values describe them:
participant.py, stays.lua, sessions/log.lua, jmmc/states.py.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Final

# The possible numbers of partitions. Each number is a multiple of the number before it. For
# example, each of 16 partitions has only keys that are in one of the 4.
NUMBERS: Final = (4, 16, 64)
DEFAULT_PARTITIONS: Final = NUMBERS[0]
_DIGITS: Final = "0123456789abcdef"


class Keys:
    """
    The names of all keys with one prefix, for a number of partitions. An object never changes.

    Attributes:
        prefix: the beginning of all keys.
        partitions: how many partitions there are, one of NUMBERS.
        every: the numbers of all partitions.
        bases: the beginning of the keys of each partition.
        digits: how many digits of a digest tell its partition, 1 or 2.
        table: those digits -> the partition; the code for pushes reads it directly.
        remembered: the key under which Redis has the number of partitions. It is in partition 0: a
            cluster that can't reach this key can't reach that partition either.
    """

    __slots__ = ("bases", "digits", "every", "partitions", "prefix", "remembered", "table")

    def __init__(self, prefix: str, partitions: int = DEFAULT_PARTITIONS) -> None:
        """Calculate all attributes once, because each push needs them."""
        self.prefix = prefix
        self.partitions = partitions
        self.every = tuple(range(partitions))
        self.bases = tuple(f"{prefix}:{{{number:02d}}}:" for number in self.every)
        self.digits, self.table = _placed(partitions)
        self.remembered = f"{self.bases[0]}partitions"

    def each(self, name: str, partitions: Sequence[int] | None = None) -> list[str]:
        """Return the key *name* of each of *partitions*, in their order; None: all partitions."""
        wanted = self.every if partitions is None else partitions
        return [self.bases[each] + name for each in wanted]

    def partition_of(self, digest: str) -> int:
        """Return the partition of *digest*, which is a member, a conference's digest or a sid."""
        return self.table[digest[: self.digits]]

    def base_of(self, digest: str) -> str:
        """Return the beginning of the keys of *digest*."""
        return self.bases[self.table[digest[: self.digits]]]

    def jmmc(self, session_id: str) -> tuple[str, str]:
        """
        Return the key of a JMMC page's session, and the key of the index that lists it.

        The id is random, so its first two hex digits spread the sessions evenly over partitions.
        """
        index = f"{self.bases[int(session_id[:2], 16) % self.partitions]}jmmc"
        return f"{index}:{session_id}", index


@cache
def _placed(partitions: int) -> tuple[int, Mapping[str, int]]:
    """Return how many digits of a digest tell its partition, and the table digits -> partition."""
    if partitions <= len(_DIGITS):
        return 1, {digit: int(digit, 16) % partitions for digit in _DIGITS}
    # With 16 partitions the first digit alone tells the partition. With more partitions, the second
    # digit divides each of these 16.
    places = {
        first + second: (int(first, 16) + 16 * int(second, 16)) % partitions
        for first in _DIGITS
        for second in _DIGITS
    }
    return 2, places


DEFAULT_KEYS: Final = Keys("jcmc")
