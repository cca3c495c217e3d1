"""
Reads what a Redis says of itself: one section of its INFO.

Source: the Redis and Valkey documentation, INFO.
"""

from otel_jcmc.store.commands import expect_all
from otel_jcmc.store.link import AnyLink


async def info_of(link: AnyLink, section: str) -> dict[str, str]:
    """
    Return the lines of a *section* of INFO, name -> text; in a cluster, of one of its nodes.

    Raises:
        StoreUnavailable: Redis does not answer, or refuses the command.
    """
    (told,) = expect_all(await link.run([("INFO", section)]))
    return dict(line.split(":", 1) for line in told.decode().splitlines() if ":" in line)


def run_of(info: dict[str, str]) -> str:
    """
    Return the server's run id, from *info*, its section `server`.

    It differs for each start of a server. It is empty for a node of a cluster.
    """
    return "" if info.get("redis_mode") == "cluster" else info.get("run_id", "")
