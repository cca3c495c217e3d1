"""
An open connection to Redis: commands go out, replies come back, exchange after exchange.

An exchange is some commands, packed into one write, and as many replies. Several may be under way:
Redis answers in the order in which it was asked. Whatever goes wrong ends the whole connection, and
everybody who waits is told of it, because no later reply could be told from an earlier one.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

import hiredis
from redis._parsers import BaseParser
from redis.exceptions import ConnectionError as NoConnection

# Hears the replies of an exchange, a command's error among them, or why there are none.
Told = Callable[[list[Any] | Exception], None]


class Wire(asyncio.Protocol):
    """One connection, taken over when it is open. Concurrency: of one event loop."""

    def __init__(self, transport: asyncio.Transport) -> None:
        """Take *transport* over from the protocol that it had."""
        # redis-py knows which error is of the connection and which of a command.
        self._parser = hiredis.Reader(protocolError=NoConnection, replyError=BaseParser.parse_error)
        self._replies: list[Any] = []
        # How many replies each exchange is to have that is under way, and who hears them.
        self._asked: deque[tuple[int, Told]] = deque()
        self._lost: Exception | None = None
        self._transport = transport
        transport.set_protocol(self)

    def ask(self, packed: bytes, count: int, told: Told) -> None:
        """Write *packed*; *told* hears its *count* replies, at once if there can be none."""
        if self._lost is None and self._transport.is_closing():
            self._end(NoConnection("closed by Redis"))
        if self._lost is not None:
            told(self._lost)
            return
        self._asked.append((count, told))
        self._transport.write(packed)

    async def exchange(self, packed: bytes, count: int) -> list[Any]:
        """
        Write *packed* and return its *count* replies.

        Raises:
            OSError, RedisError: the connection is closed, or not fit for commands.
        """
        future: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()

        def tell(outcome: list[Any] | Exception) -> None:
            if future.done():
                return
            if isinstance(outcome, Exception):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

        self.ask(packed, count, tell)
        return await future

    def data_received(self, data: bytes) -> None:
        """Gather replies; the loop calls this."""
        parser, asked = self._parser, self._asked
        parser.feed(data)
        try:
            while (reply := parser.gets()) is not False:
                if isinstance(reply, NoConnection):
                    raise reply
                self._replies.append(reply)
                if asked and len(self._replies) >= asked[0][0]:
                    replies, self._replies = self._replies, []
                    asked.popleft()[1](replies)
        except NoConnection as error:
            self._end(error)

    def eof_received(self) -> None:
        """Wait no longer: over TLS the end of the connection may come much later."""
        self._end(NoConnection("closed by Redis"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Say so to who waits; the loop calls this."""
        self._end(exc or NoConnection("closed by Redis"))

    def _end(self, why: Exception) -> None:
        """Tell who waits, and who comes, that the connection is of no use any more."""
        if self._lost is None:
            self._lost = why
        while self._asked:
            self._asked.popleft()[1](why)

    def abort(self) -> None:
        """Close at once, whatever is not written yet; who waits is told so in the next turn."""
        self._transport.abort()
