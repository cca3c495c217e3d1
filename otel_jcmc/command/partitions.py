"""
Whether the number of partitions is the one that Redis remembers, for commands that ask before all.

Settings come in; nothing goes out, or the one line that every command says.
"""

import asyncio
from contextlib import suppress

from otel_jcmc.catalogue.reasons import StoreUnavailable
from otel_jcmc.config.settings import Settings, to_text
from otel_jcmc.store.agreement import AgreedLink
from otel_jcmc.store.cluster import open_link


def check_partitions(settings: Settings) -> None:
    """
    See whether Redis has the number of partitions that *settings* have; nothing is written.

    Raises:
        StoreCannotStart: it has another one. An embedded store, or a Redis that is away, has none.
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
