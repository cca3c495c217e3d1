"""
Sends commands on an open connection to Redis, and gives each caller the replies to its commands.

An exchange is a write with one or more packed commands, and a reply to each command. Several
exchanges may be under way: Redis answers in the order of the commands. Any failure ends the whole
connection, and every caller that waits gets an error. After a failure, a reply could not be matched
with its command.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

import hiredis
from redis._parsers import BaseParser
from redis.exceptions import ConnectionError as NoConnection

# A callback. It gets the replies of an exchange; a reply may be the error of its command. Or it
# gets the error because of which no replies came.
Told = Callable[[list[Any] | Exception], None]


class Wire(asyncio.Protocol):
    """One connection that redis-py has opened. Concurrency: use it from one event loop."""

    def __init__(self, transport: asyncio.Transport) -> None:
        """Become the protocol of *transport*, in place of redis-py's."""
        # redis-py's `parse_error` returns another class for errors of the whole connection than for
        # errors of one command.
        self._parser = hiredis.Reader(protocolError=NoConnection, replyError=BaseParser.parse_error)
        self._replies: list[Any] = []
        # For each exchange that is under way: the number of its replies, and the callback.
        self._asked: deque[tuple[int, Told]] = deque()
        self._lost: Exception | None = None
        self._transport = transport
        transport.set_protocol(self)

    def ask(self, packed: bytes, count: int, told: Told) -> None:
        """Write *packed*; *told* gets *count* replies, or an error if the connection is lost."""
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
            OSError, RedisError: the connection is closed, or Redis accepts no commands on it.
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
        """Read replies from *data*; call back for each complete exchange. The loop calls this."""
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
        """Give waiting callers an error; with TLS, `connection_lost` may be called much later."""
        self._end(NoConnection("closed by Redis"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Give waiting callers the error that the connection is lost; the loop calls this."""
        self._end(exc or NoConnection("closed by Redis"))

    def _end(self, why: Exception) -> None:
        """Give the error *why* to all waiting callers, and to callers that come later."""
        if self._lost is None:
            self._lost = why
        while self._asked:
            self._asked.popleft()[1](why)

    def abort(self) -> None:
        """Close at once, even with unwritten bytes; soon waiting callers get an error."""
        self._transport.abort()
