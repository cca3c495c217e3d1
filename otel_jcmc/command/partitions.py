"""
Checks the number of partitions against the number that Redis remembers, before a command works.

Settings come in. Nothing goes out if both agree, otherwise the same error line for every command.
"""

import asyncio
from contextlib import suppress

from otel_jcmc.catalogue.reasons import StoreUnavailable
from otel_jcmc.config.settings import Settings, to_text
from otel_jcmc.store.agreement import AgreedLink
from otel_jcmc.store.cluster import open_link


def check_partitions(settings: Settings) -> None:
    """
    Check that Redis has the number of partitions that *settings* have; write nothing.

    An embedded store, or a Redis that does not answer, passes.

    Raises:
        StoreCannotStart: Redis has another number.
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
