"""
The keys in Redis, and the partition that each of them is in.

All keys of a partition begin alike, `jcmc:{03}:`: a Redis Cluster keeps in one place what stands in
the same braces, and so a script may touch all of it. In goes what a key is of, out comes the key.
What is below the keys is said by who writes it: participant.py, stays.lua, sessions/log.lua,
jmmc/states.py.
"""

from collections.abc import Sequence
from typing import Final

PARTITIONS: Final = 4
ALL_PARTITIONS: Final = tuple(range(PARTITIONS))
# A digest's first digit -> its partition. A sid begins with a digest.
PARTITION_OF: Final = {f"{digit:x}": digit % PARTITIONS for digit in range(16)}


class Keys:
    """
    The keys below one prefix.

    Attributes:
        bases: what the keys of each partition begin with.
    """

    __slots__ = ("bases",)

    def __init__(self, prefix: str) -> None:
        """Make the beginnings once: a push needs one each time."""
        self.bases = tuple(f"{prefix}:{{{number:02d}}}:" for number in range(PARTITIONS))

    def each(self, name: str, partitions: Sequence[int] = ALL_PARTITIONS) -> list[str]:
        """Return the key *name* of each of *partitions*, in their order."""
        return [self.bases[each] + name for each in partitions]

    def base_of(self, digest: str) -> str:
        """Return what the keys of *digest*, a member's, a conference's or a sid, begin with."""
        return self.bases[PARTITION_OF[digest[0]]]

    def jmmc(self, session_id: str) -> tuple[str, str]:
        """
        Return the key of a JMMC page's session, and that of the index which has it.

        Such an id is chance, so any two of its hex digits spread the sessions evenly.
        """
        index = f"{self.bases[int(session_id[:2], 16) % PARTITIONS]}jmmc"
        return f"{index}:{session_id}", index
