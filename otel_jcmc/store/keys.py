"""
Makes the names of the keys in Redis, and finds the partition of each key.

All keys of a partition begin with the same text, for example `jcmc:{03}:`. A Redis Cluster keeps
keys with the same text in braces on one node, so a script may touch all keys of a partition. Redis
also stores the number of partitions, see agreement.py. The values of the keys are described in the
files that write them: participant.py, stays.lua, sessions/log.lua, jmmc/states.py.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Final

# The possible numbers of partitions. Each number is a multiple of the number before it: if a Redis
# has 16 partitions instead of 4, each of the 16 has keys of only one of the 4.
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
        digits: how many of a digest's first digits decide its partition, 1 or 2.
        table: these first digits -> the partition; the code for pushes reads this dict directly.
        remembered: the key under which Redis has the number of partitions. The key is in partition
            0, so it can be reached whenever partition 0 can be reached.
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
        """Return the key *name* in each of *partitions*, in their order; None: all partitions."""
        wanted = self.every if partitions is None else partitions
        return [self.bases[each] + name for each in wanted]

    def partition_of(self, digest: str) -> int:
        """Return the partition of *digest*, which is a member, a conference's digest or a sid."""
        return self.table[digest[: self.digits]]

    def base_of(self, digest: str) -> str:
        """Return the beginning of all keys in the partition of *digest*."""
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
    """Return how many digits decide a digest's partition, and the table digits -> partition."""
    if partitions <= len(_DIGITS):
        return 1, {digit: int(digit, 16) % partitions for digit in _DIGITS}
    # With 16 partitions the first digit alone decides the partition. With 64 partitions, the second
    # digit divides each of the 16 into four.
    places = {
        first + second: (int(first, 16) + 16 * int(second, 16)) % partitions
        for first in _DIGITS
        for second in _DIGITS
    }
    return 2, places


DEFAULT_KEYS: Final = Keys("jcmc")
