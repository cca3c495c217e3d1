"""
The secret that signs push tokens, the same in all replicas and after a restart.

It is the operator's own, or the first replica makes one and keeps it in Redis, where the others
find it. If Redis is away at the start, there is no secret yet; if Redis goes away later, the known
one stays. A Redis that comes back empty is given it again. intake/push_tokens.py holds it; its
tokens live for an hour.
"""

import asyncio
import secrets
from contextlib import suppress
from typing import Final

from otel_jcmc.catalogue.reasons import StoreUnavailable
from otel_jcmc.store.cluster import open_link

# As long as the output of HS256 (RFC 7518, section 3.2).
LEAST_BYTES: Final = 32
# How often Redis is asked without a secret, and with one: a Redis that was emptied is given it
# again before many pushes are refused.
SOON_SECONDS: Final = 1.0
LATER_SECONDS: Final = 5.0
# The key expires a day after the last replica has stopped, long after its last token.
KEEP_SECONDS: Final = 86_400


class SharedSecret:
    """
    The secret, as far as it is known.

    Attributes:
        value: empty until it is known. It may change: two replicas that start on an emptied Redis
            agree on the one that came first.
    """

    def __init__(self, url: str, key: str, value: bytes = b"") -> None:
        """Take the operator's *value*, otherwise the one that Redis at *url* has under *key*."""
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
        """Begin to ask again and again, unless that is under way; call it within an event loop."""
        if self._link is not None and self._keeping is None:
            self._keeping = asyncio.create_task(self._keep())

    async def _keep(self) -> None:
        """Keep the secret in Redis, and take the one that Redis has."""
        while True:
            with suppress(StoreUnavailable):
                await self._agree()
            await asyncio.sleep(LATER_SECONDS if self.value else SOON_SECONDS)

    async def _agree(self) -> None:
        """
        Offer Redis our secret, or a new one, and take the one that Redis has then.

        Raises:
            StoreUnavailable: Redis did not answer in time.
        """
        assert self._link is not None
        offer = self.value or secrets.token_hex(LEAST_BYTES).encode()
        _, found = await self._link.run(
            [
                ("SET", self._key, offer, "EX", KEEP_SECONDS, "NX"),
                ("GETEX", self._key, "EX", KEEP_SECONDS),
            ]
        )
        # An error of Redis, or a foreign text that is too short, is no secret.
        if isinstance(found, bytes) and len(found) >= LEAST_BYTES:
            self.value = found

    async def close(self) -> None:
        """Stop asking."""
        if self._keeping is not None:
            self._keeping.cancel()
        if self._link is not None:
            await self._link.close()
