"""
The secret that signs push tokens, the same in all replicas and after a restart.

The operator sets the secret. Otherwise the first replica makes a secret and stores it in Redis,
where the other replicas find it. If Redis is away at the start, the service has no secret yet. If
Redis goes away later, the service keeps the secret that it knows, and stores it again if Redis
comes back empty. intake/push_tokens.py signs tokens with the secret; a token is valid for an hour.
"""

import asyncio
import secrets
from contextlib import suppress
from typing import Final

from otel_jcmc.catalogue.reasons import StoreUnavailable
from otel_jcmc.store.cluster import open_link

# The least length of a secret: as long as the output of HS256 (RFC 7518, section 3.2).
LEAST_BYTES: Final = 32
# How often the service asks Redis while it does not know the secret (SOON), and after that (LATER).
# With LATER, an emptied Redis gets the secret again before many pushes are refused.
SOON_SECONDS: Final = 1.0
LATER_SECONDS: Final = 5.0
# The key expires a day after the last replica has stopped, long after its last token.
KEEP_SECONDS: Final = 86_400


class SharedSecret:
    """
    Has the secret, and runs the task that keeps it in Redis.

    Attributes:
        value: empty until it is known. It may change: two replicas that start on an emptied Redis
            agree on the secret that was stored first.
    """

    def __init__(self, url: str, key: str, value: bytes = b"") -> None:
        """Use the operator's *value*; if it is empty, the secret under *key* in Redis at *url*."""
        self.value = value
        self._key = key
        self._link = None if value else open_link(url)
        self._keeping: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Ask Redis for the secret once, and start the task that asks again and again."""
        if self._link is None:
            return
        with suppress(StoreUnavailable):
            await self._agree()
        self.want()

    def want(self) -> None:
        """Start the task that asks again and again, unless it runs; call it in an event loop."""
        if self._link is not None and self._keeping is None:
            self._keeping = asyncio.create_task(self._keep())

    async def _keep(self) -> None:
        """Offer Redis the secret, and take the secret that Redis has, again and again."""
        while True:
            with suppress(StoreUnavailable):
                await self._agree()
            await asyncio.sleep(LATER_SECONDS if self.value else SOON_SECONDS)

    async def _agree(self) -> None:
        """
        Store our secret, or a new one, if Redis has none; then take the secret that Redis has.

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
        # `found` may also be an error of Redis, or a text of another program that is too short.
        if isinstance(found, bytes) and len(found) >= LEAST_BYTES:
            self.value = found

    async def close(self) -> None:
        """Stop the task, and close the connection to Redis."""
        if self._keeping is not None:
            self._keeping.cancel()
        if self._link is not None:
            await self._link.close()
