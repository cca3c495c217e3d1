"""Reads the memory limit of a Redis, and its policy for the time when the limit is reached."""

from typing import NamedTuple

from otel_jcmc.store.info import info_of
from otel_jcmc.store.link import AnyLink


class Memory(NamedTuple):
    """
    The memory limit of a Redis.

    Attributes:
        most_bytes: Redis's setting `maxmemory`; 0: Redis has no limit.
        policy: Redis's setting `maxmemory-policy`.
    """

    most_bytes: int
    policy: str


async def memory_of(link: AnyLink) -> Memory | None:
    """
    Return the memory limit of the Redis at *link*; None if its INFO does not contain it.

    Raises:
        StoreUnavailable: Redis does not answer, or refuses the command.
    """
    lines = await info_of(link, "memory")
    if "maxmemory" not in lines:
        return None
    return Memory(int(lines["maxmemory"]), lines.get("maxmemory_policy", ""))
