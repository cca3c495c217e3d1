"""
Checks that Redis remembers the same number of partitions, for commands that must know it first.

Settings come in; nothing goes out, or the error that every command prints.
"""

import asyncio
from contextlib import suppress

from otel_jcmc.catalogue.reasons import StoreUnavailable
from otel_jcmc.config.settings import Settings, to_text
from otel_jcmc.store.agreement import AgreedLink
from otel_jcmc.store.cluster import open_link


def check_partitions(settings: Settings) -> None:
    """
    Check that Redis has the number of partitions of *settings*; write nothing.

    An embedded store, or a Redis that is away, has none to compare.

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
