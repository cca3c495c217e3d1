"""
What a Redis says of itself: INFO, a section at a time.

Source: the Redis and Valkey documentation, INFO.
"""

from otel_jcmc.store.commands import expect_all
from otel_jcmc.store.link import AnyLink


async def info_of(link: AnyLink, section: str) -> dict[str, str]:
    """
    Return the lines of a *section*, by name; of a cluster one node's.

    Raises:
        StoreUnavailable: it does not answer, or refuses to say.
    """
    (told,) = expect_all(await link.run([("INFO", section)]))
    return dict(line.split(":", 1) for line in told.decode().splitlines() if ":" in line)


def run_of(info: dict[str, str]) -> str:
    """Return what tells the server of the section `server` from others; empty: a cluster's node."""
    return "" if info.get("redis_mode") == "cluster" else info.get("run_id", "")
