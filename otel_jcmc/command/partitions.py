"""
Checks that Redis uses the same number of partitions as the settings.

Commands call this check before they use Redis. If the numbers differ, it raises an error, which
the command prints.
"""

import asyncio
from contextlib import suppress

from otel_jcmc.catalogue.reasons import StoreUnavailable
from otel_jcmc.config.settings import Settings, to_text
from otel_jcmc.store.agreement import AgreedLink
from otel_jcmc.store.cluster import open_link


def check_partitions(settings: Settings) -> None:
    """
    Check that Redis has the number of partitions of *settings*; write nothing to Redis.

    Without REDIS_URL, or if Redis does not answer, nothing is checked.

    Raises:
        StoreCannotStart: Redis has another number of partitions.
    """
    if settings.redis_url is None:
        return

    async def ask() -> None:
        link = AgreedLink(open_link(to_text(settings.redis_url or "")), settings.keys)
        try:
            with suppress(StoreUnavailable):
                await link.check()
        finally:
            await link.close()

    asyncio.run(ask())
