"""
One connection to Redis that answers in time or says that it did not.

In go commands, out come their replies in order. redis-py opens the connection (URL, TLS, AUTH,
SELECT); then it is ours, because redis-py's read of one reply costs as much as all else that is
done for a push in the store. The client library's own defaults (10 retries, 5 s) would hold a push
for a minute, so there are none here: everything has one deadline, and after a time-out the
connection is dropped, because a reply that comes late would be taken for the next one's. It is also
dropped when a server says that it is no master any more, or Sentinels name another one: they, or
the name in the URL, then lead to the one that is. A node of a Redis Cluster has a part of the keys:
a URL that names one server is refused there, and cluster.py has a link to each node.
"""

import asyncio
import re
from collections.abc import Sequence
from typing import Any, Protocol

import hiredis
import redis.asyncio as redis
from redis._parsers import BaseParser
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import MasterNotFoundError
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as NoConnection
from redis.exceptions import MasterDownError, ReadOnlyError, RedisError

from otel_jcmc.catalogue.reasons import StoreCannotStart, StoreUnavailable
from otel_jcmc.store.deadline import Deadline
from otel_jcmc.store.sentinels import ASK_SECONDS, Address, Sentinels
from otel_jcmc.store.url import is_sentinel, parse_sentinel

CONNECT_SECONDS = 0.5
TIMEOUT_SECONDS = 0.5
# What a server says that is the master no more, or not for the most of them.
_DEMOTED = (ReadOnlyError, MasterDownError)
_DEMOTED_WORDS = ("NOREPLICAS", "UNBLOCKED")

# Error class of redis-py -> the word that Redis begins such an error with.
_CODE_OF = {
    each: code for code, each in BaseParser.EXCEPTION_CLASSES.items() if isinstance(each, type)
}
_CODE = re.compile(r"[A-Z]{2,20}\b")

# Its words, or the bytes that are sent for them.
Command = tuple[Any, ...] | bytes


# Whether the URL names a cluster -> what is said where the server is of the other kind.
_OF_THE_OTHER_KIND = {
    False: "REDIS_URL names one server, which is a node of a Redis Cluster:"
    " use redis+cluster://, or name a Redis or Valkey that has all keys",
    True: "REDIS_URL names a cluster, and a server that is no node of one: use redis://",
}


class Unfit(NoConnection):
    """What is there is not what the settings say, and no push can be taken; says what to do."""


class ClusterNode(Unfit):
    """A server is a node of a cluster and should be none, or the other way round; says which."""


class PartAway(NoConnection):
    """The reply to a command whose part of a cluster can't be had now; that of others can."""


class AnyLink(Protocol):
    """A way to Redis: Link, whose words these are, cluster.ClusterLink, agreement.AgreedLink."""

    @property
    def stood_still(self) -> bool:
        """Whether the loop did when the last replies were due, which came all the same."""

    @property
    def away(self) -> str:
        """Why a part of the keys can't be had now, by the last replies; empty if all can."""

    async def run(
        self, commands: Sequence[Command], timeout_seconds: float = TIMEOUT_SECONDS
    ) -> list[Any]:
        """See Link.run."""

    async def close(self) -> None:
        """Close what is open; a later `run` opens it anew."""


def code_of(error: Exception) -> str:
    """Return the word that Redis has begun *error* with: it repeats nothing of a command."""
    if code := _CODE_OF.get(type(error)):
        return code
    found = _CODE.match(str(error))
    return found[0] if found else "ERR"


def pack(command: Command) -> bytes:
    """Return what is sent for *command*."""
    return command if isinstance(command, bytes) else hiredis.pack_command(command)


def bulk(word: bytes) -> bytes:
    """Return what is sent for one *word* of a command."""
    return b"$%d\r\n%b\r\n" % (len(word), word)


def expect_all(replies: list[Any]) -> list[Any]:
    """
    Return *replies*, for who can do nothing with a part of them.

    Raises:
        StoreUnavailable: one of them is an error, which is its cause.
    """
    for reply in replies:
        if isinstance(reply, Exception):
            raise StoreUnavailable from reply
    return replies


class Link:
    """
    One connection, opened when it is needed; its commands run one batch after the other.

    Attributes:
        stood_still: whether the loop did when the last replies were due, which came all the same.
        away: empty, as one server has all keys; see AnyLink.

    Concurrency: any number of tasks of one event loop may call; a caller's deadline counts the
    time that it waits for the others.
    """

    away = ""

    def __init__(self, url: str, *, of_cluster: bool = False) -> None:
        """
        Prepare a connection to *url*; nothing is opened yet.

        redis://, rediss://, unix://, or as url.py has it for Sentinels. *of_cluster* says that
        the server is to be a node of a cluster, and else none.

        Raises:
            StoreCannotStart: *url* has options that redis-py does not know.
        """
        self._sentinels: Sentinels | None = None
        self._following: asyncio.Task[None] | None = None
        try:
            if is_sentinel(url):
                self._sentinels = Sentinels(*parse_sentinel(url), _options(None), CONNECT_SECONDS)
            # Kept, because a connection that asks Sentinel has only a weak reference to it.
            self._pool = self._sentinels.pool if self._sentinels else _pool(url)
            self._connection: Any = self._pool.make_connection()  # type: ignore[no-untyped-call]
        except (TypeError, ValueError, RedisError):
            # Not their message, which may repeat what was given, a password too.
            raise StoreCannotStart("REDIS_URL: an option after its ? is not known") from None
        self._of_cluster = of_cluster
        self._wire: _Wire | None = None
        self._lock = asyncio.Lock()
        self.stood_still = False

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
        packed = b"".join(map(pack, commands))
        self.stood_still = False
        try:
            async with Deadline(timeout_seconds) as deadline, self._lock:
                fresh = self._wire is None
                try:
                    replies = await self._exchange(packed, len(commands))
                except (RedisError, OSError):
                    if fresh:
                        raise
                    replies = await self._exchange(packed, len(commands))
                if any(_is_demoted(reply) for reply in replies):
                    await self._drop()
                self.stood_still = deadline.stood_still
                return replies
        except (RedisError, OSError, TimeoutError) as error:
            raise StoreUnavailable from error

    async def _exchange(self, packed: bytes, count: int) -> list[Any]:
        """Write *packed* and read *count* replies; on any trouble the connection is dropped."""
        complete = False
        try:
            wire = self._wire or await self._connect()
            replies = await wire.exchange(packed, count)
            complete = True
            return replies
        finally:
            if not complete:
                await self._drop()

    async def _connect(self) -> "_Wire":
        """Open the connection, and take it over from redis-py."""
        try:
            await self._connection.connect()
            self._wire = _Wire(self._connection._writer.transport)  # noqa: SLF001  # no other way
            is_master = self._sentinels is not None
            await _see_that_it_fits(self._wire, master=is_master, of_cluster=self._of_cluster)
        except BaseException as error:
            if self._sentinels is not None:
                self._sentinels.pass_over()
            if isinstance(error, MasterNotFoundError):
                # Its own message is a line for each Sentinel.
                raise NoConnection("no Sentinel names a master that is up") from error
            raise
        if self._sentinels is not None:
            self._following = asyncio.create_task(self._follow(self._wire, self._sentinels))
        return self._wire

    async def _follow(self, wire: "_Wire", sentinels: Sentinels) -> None:
        """Drop the connection by *wire* when *sentinels* name another master than it leads to."""
        here = self._connection.host, self._connection.port
        there: Address | None = here
        while there in (here, None):
            await asyncio.sleep(ASK_SECONDS)
            there = await sentinels.newest()
        async with self._lock:
            if self._wire is wire:
                self._following = None
                await self._drop()

    async def _drop(self) -> None:
        """Close the connection without waiting for the other side."""
        wire, self._wire = self._wire, None
        following, self._following = self._following, None
        if following is not None:
            following.cancel()
        if wire is not None:
            wire.abort()
        await self._connection.disconnect(nowait=True)

    async def close(self) -> None:
        """Close the connection; a later `run` opens it anew, in another event loop if need be."""
        await self._drop()
        self._lock = asyncio.Lock()
        if self._sentinels is not None:
            await self._sentinels.close()


def _options(connect_seconds: float | None) -> dict[str, Any]:
    """Return how we want redis-py to behave."""
    return {
        "retry": Retry(NoBackoff(), 0),
        "socket_timeout": None,  # the whole batch has one deadline, not each reply its own
        "socket_connect_timeout": connect_seconds,
        "protocol": 2,
    }


def _pool(url: str) -> redis.ConnectionPool:
    """Return what makes connections to *url*."""
    # A connection's own time-out would count a stall of the machine: the batch's deadline does not.
    return redis.ConnectionPool.from_url(url, **_options(None))


def _is_demoted(reply: Any) -> bool:
    """Say whether *reply* is that of a server which is not, or no more, the master."""
    return isinstance(reply, Exception) and (
        isinstance(reply, _DEMOTED) or str(reply).startswith(_DEMOTED_WORDS)
    )


async def _see_that_it_fits(wire: "_Wire", *, master: bool, of_cluster: bool) -> None:
    """
    Ask the server what it is: a node *of_cluster* or none, and where Sentinel names it a *master*.

    A Sentinel that was cut off names the former one.

    Raises:
        ClusterNode, NoConnection: it does not fit. Who may not ask (an ACL) believes that it does.
    """
    asked: Sequence[Command] = [("INFO", "cluster"), ("ROLE",)][: 1 + master]
    replies = await wire.exchange(b"".join(map(pack, asked)), len(asked))
    told = replies[0] if isinstance(replies[0], bytes) else b""
    if b"cluster_enabled:%d" % (not of_cluster) in told:
        raise ClusterNode(_OF_THE_OTHER_KIND[of_cluster])
    if master and isinstance(replies[1], list) and replies[1][0] != b"master":
        raise NoConnection("the server that Sentinel names is no master")


class _Wire(asyncio.Protocol):
    """An open connection: bytes go out, replies come back."""

    def __init__(self, transport: asyncio.Transport) -> None:
        """Take *transport* over from the protocol that it had."""
        # redis-py knows which error is of the connection and which of a command.
        self._parser = hiredis.Reader(protocolError=NoConnection, replyError=BaseParser.parse_error)
        self._replies: list[Any] = []
        self._count = 0
        self._told: asyncio.Future[list[Any]] | None = None
        self._transport = transport
        transport.set_protocol(self)

    def exchange(self, packed: bytes, count: int) -> asyncio.Future[list[Any]]:
        """
        Write *packed* and return its *count* replies; one exchange at a time.

        Raises:
            OSError, RedisError: the connection is closed, or not fit for commands.
        """
        self._replies, self._count = [], count
        self._told = asyncio.get_running_loop().create_future()
        if self._transport.is_closing():
            self._end(NoConnection("closed by Redis"))
        else:
            self._transport.write(packed)
        return self._told

    def data_received(self, data: bytes) -> None:
        """Gather replies; the loop calls this."""
        parser, replies = self._parser, self._replies
        parser.feed(data)
        try:
            while (reply := parser.gets()) is not False:
                if isinstance(reply, NoConnection):
                    raise reply
                replies.append(reply)
        except NoConnection as error:
            self._end(error)
        if len(replies) >= self._count:
            self._end(replies)

    def eof_received(self) -> None:
        """Wait no longer: over TLS the end of the connection may come much later."""
        self._end(NoConnection("closed by Redis"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Say so to who waits; the loop calls this."""
        self._end(exc or NoConnection("closed by Redis"))

    def _end(self, outcome: list[Any] | Exception) -> None:
        """Tell who waits how the exchange went, if somebody still does."""
        told = self._told
        if told is None or told.done():
            return
        if isinstance(outcome, Exception):
            told.set_exception(outcome)
        else:
            told.set_result(outcome)

    def abort(self) -> None:
        """Close at once, whatever is not written yet."""
        self._transport.abort()
