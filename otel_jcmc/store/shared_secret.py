"""
The secret that push tokens are signed with, the same in all replicas and after a restart.

The operator's own, or one that the first replica makes and keeps in Redis, where the others find
it. With Redis away at the start there is none yet; away later, the one that is known stays. A Redis
that comes back empty is given it again. Kept by intake/push_tokens.py, whose tokens live for an
hour.
"""

import asyncio
import secrets
from contextlib import suppress
from typing import Final

from otel_jcmc.catalogue.reasons import StoreUnavailable
from otel_jcmc.store.cluster import open_link

# As long as what HS256 makes of it (RFC 7518, section 3.2).
LEAST_BYTES: Final = 32
# Until there is one, and then: a Redis that was emptied is given it again before many are refused.
SOON_SECONDS: Final = 1.0
LATER_SECONDS: Final = 5.0
# Gone a day after the last replica has stopped, long after its last token.
KEEP_SECONDS: Final = 86_400


class SharedSecret:
    """
    The secret, as far as it is known.

    Attributes:
        value: empty until it is known. May become another one: two replicas that start on an
            emptied Redis agree on the one that came first.
    """

    def __init__(self, url: str, key: str, value: bytes = b"") -> None:
        """Take the operator's *value*, or else what Redis at *url* has under *key*."""
        self.value = value
        self._key = key
        self._link = None if value else open_link(url)
        self._keeping: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Ask Redis once, within its deadline, and from now on again and again."""
        if self._link is None:
            return
        with suppress(StoreUnavailable):
            await self._agree()
        self.want()

    def want(self) -> None:
        """Ask from now on again and again, if nobody does yet; from within an event loop."""
        if self._link is not None and self._keeping is None:
            self._keeping = asyncio.create_task(self._keep())

    async def _keep(self) -> None:
        """See to it that Redis has the secret, and that it is ours."""
        while True:
            with suppress(StoreUnavailable):
                await self._agree()
            await asyncio.sleep(LATER_SECONDS if self.value else SOON_SECONDS)

    async def _agree(self) -> None:
        """
        Offer Redis our secret, or a new one, and take the one that it has by then.

        Raises:
            StoreUnavailable: it did not answer in time.
        """
        assert self._link is not None
        offer = self.value or secrets.token_hex(LEAST_BYTES).encode()
        _, found = await self._link.run(
            [
                ("SET", self._key, offer, "EX", KEEP_SECONDS, "NX"),
                ("GETEX", self._key, "EX", KEEP_SECONDS),
            ]
        )
        # An error of Redis, or somebody else's text, is no secret.
        if isinstance(found, bytes) and len(found) >= LEAST_BYTES:
            self.value = found

    async def close(self) -> None:
        """Stop asking."""
        if self._keeping is not None:
            self._keeping.cancel()
        if self._link is not None:
            await self._link.close()
