"""
Reads one section of the answer of Redis to INFO.

Source: the Redis and Valkey documentation, INFO.
"""

from otel_jcmc.store.commands import expect_all
from otel_jcmc.store.link import AnyLink


async def info_of(link: AnyLink, section: str) -> dict[str, str]:
    """
    Return the lines of a *section* of INFO, name -> text; in a cluster, one node answers.

    Raises:
        StoreUnavailable: Redis does not answer, or refuses the command.
    """
    (told,) = expect_all(await link.run([("INFO", section)]))
    return dict(line.split(":", 1) for line in told.decode().splitlines() if ":" in line)


def run_of(info: dict[str, str]) -> str:
    """
    Return the server's run id, from *info*, its section `server`.

    A server has a new run id after each start. For a node of a cluster, return an empty text.
    """
    return "" if info.get("redis_mode") == "cluster" else info.get("run_id", "")
