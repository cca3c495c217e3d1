"""What a Redis tells about its memory: the limit, and what it does when the limit is reached."""

from typing import NamedTuple

from otel_jcmc.store.info import info_of
from otel_jcmc.store.link import AnyLink


class Memory(NamedTuple):
    """
    The memory of a Redis.

    Attributes:
        most_bytes: its maxmemory; 0: none is set.
        policy: its maxmemory-policy.
    """

    most_bytes: int
    policy: str


async def memory_of(link: AnyLink) -> Memory | None:
    """
    Return the memory of the Redis that *link* leads to; None if it does not tell.

    Raises:
        StoreUnavailable: Redis does not answer, or refuses the command.
    """
    lines = await info_of(link, "memory")
    if "maxmemory" not in lines:
        return None
    return Memory(int(lines["maxmemory"]), lines.get("maxmemory_policy", ""))
