"""
One connection to Redis that answers in time or says that it did not.

In go commands, out come their replies in order; redis-py and hiredis do the protocol. The client
library's own defaults (10 retries, 5 s) would hold a push for a minute, so there are none here:
everything has one deadline, and after a time-out the connection is dropped, because a reply that
comes late would be taken for the next one's. Used by store.py and by what shares its keys.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import hiredis
import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from otel_jcmc.faults import StoreUnavailable

CONNECT_SECONDS = 0.5
TIMEOUT_SECONDS = 0.5

Command = tuple[Any, ...]


class Link:
    """
    One connection, opened when it is needed; its commands run one batch after the other.

    Concurrency: any number of tasks of one event loop may call; a caller's deadline counts the
    time that it waits for the others.
    """

    def __init__(self, url: str) -> None:
        """Prepare a connection to *url* (redis://, rediss:// or unix://); nothing is opened yet."""
        pool = redis.ConnectionPool.from_url(
            url,
            retry=Retry(NoBackoff(), 0),
            socket_timeout=None,  # the whole batch has one deadline, not each reply its own
            socket_connect_timeout=CONNECT_SECONDS,
            protocol=2,
        )
        self._connection: Any = pool.make_connection()  # type: ignore[no-untyped-call]
        self._lock = asyncio.Lock()

    async def run(
        self, commands: Sequence[Command], timeout_seconds: float = TIMEOUT_SECONDS
    ) -> list[Any]:
        """
        Send *commands* in one write and return their replies; a command's error is its reply.

        A connection that turns out to be closed is opened anew once, so that the first batch
        after Redis has been restarted works. A command may therefore run twice: send only what
        may.

        Raises:
            StoreUnavailable: no connection, or not all replies in time.
        """
        packed = b"".join(hiredis.pack_command(command) for command in commands)
        try:
            async with asyncio.timeout(timeout_seconds), self._lock:
                fresh = not self._connection.is_connected
                try:
                    return await self._exchange(packed, len(commands))
                except (RedisError, OSError):
                    await self._drop()
                    if fresh:
                        raise
                    return await self._exchange(packed, len(commands))
        except (RedisError, OSError, TimeoutError) as error:
            raise StoreUnavailable from error

    async def _exchange(self, packed: bytes, count: int) -> list[Any]:
        """Write *packed* and read *count* replies; on any trouble the connection is dropped."""
        connection = self._connection
        complete = False
        try:
            await connection.send_packed_command(packed, check_health=False)
            replies = [await self._reply() for _ in range(count)]
            complete = True
            return replies
        finally:
            if not complete:
                await self._drop()

    async def _reply(self) -> Any:
        """Read one reply; an error reply is returned, not raised."""
        try:
            return await self._connection.read_response()
        except ResponseError as error:
            return error

    async def _drop(self) -> None:
        """Close the connection without waiting for the other side."""
        await self._connection.disconnect(nowait=True)

    async def close(self) -> None:
        """Close the connection; a later `run` opens it anew."""
        await self._drop()
