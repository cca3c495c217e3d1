"""
One connection to Redis that answers in time or says that it did not.

In go commands, out come their replies in order: `run` is awaited, `send` calls back, with no task,
for who asks all the time. redis-py opens the connection (URL, TLS, AUTH, SELECT); then it is ours
(wire.py), because redis-py's read of one reply costs as much as all else that is done for a push in
the store. The client library's own defaults (10 retries, 5 s) would hold a push for a minute, so
there are none here: everything has one deadline, and after a time-out the connection is dropped,
because a reply that comes late would be taken for the next one's. It is also dropped when a server
says that it is no master any more, or Sentinels name another one: they, or the name in the URL,
then lead to the one that is. A node of a Redis Cluster has a part of the keys: a URL that names one
server is refused there, and cluster.py has a link to each node.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, Final, Protocol

import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import MasterNotFoundError
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as NoConnection
from redis.exceptions import MasterDownError, ReadOnlyError, RedisError

from otel_jcmc.catalogue.reasons import StoreCannotStart, StoreUnavailable
from otel_jcmc.store.commands import ClusterNode, Command, pack
from otel_jcmc.store.deadline import Deadline, Timer
from otel_jcmc.store.sentinels import ASK_SECONDS, Address, Sentinels
from otel_jcmc.store.url import is_sentinel, parse_sentinel
from otel_jcmc.store.wire import Told, Wire

CONNECT_SECONDS = 0.5
TIMEOUT_SECONDS = 0.5
# What a server says that is the master no more, or not for the most of them.
_DEMOTED = (ReadOnlyError, MasterDownError)
_DEMOTED_WORDS = ("NOREPLICAS", "UNBLOCKED")
# Whether the URL names a cluster -> what is said where the server is of the other kind.
_OF_THE_OTHER_KIND = {
    False: "REDIS_URL names one server, which is a node of a Redis Cluster:"
    " use redis+cluster://, or name a Redis or Valkey that has all keys",
    True: "REDIS_URL names a cluster, and a server that is no node of one: use redis://",
}


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

    def send(self, commands: Sequence[bytes], timeout_seconds: float, told: Told) -> None:
        """See Link.send."""

    async def close(self) -> None:
        """Close what is open; a later `run` opens it anew."""


# A task that nobody holds may go before its time.
_running: Final[set[asyncio.Task[list[Any]]]] = set()


def tell(told: Told, replies: Coroutine[Any, Any, list[Any]]) -> None:
    """Await *replies* in a task; *told* hears them, or why there are none."""

    def end(task: asyncio.Task[list[Any]]) -> None:
        _running.discard(task)
        if task.cancelled():
            told(StoreUnavailable())
        elif isinstance(error := task.exception(), Exception):
            told(error)
        else:
            told(task.result())

    task = asyncio.get_running_loop().create_task(replies)
    _running.add(task)
    task.add_done_callback(end)


class Link:
    """
    One connection, opened when it is needed.

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
        self._wire: Wire | None = None
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
                self.hear(replies)
                self.stood_still = deadline.stood_still
                return replies
        except (RedisError, OSError, TimeoutError) as error:
            raise StoreUnavailable from error

    def send(self, commands: Sequence[bytes], timeout_seconds: float, told: Told) -> None:
        """
        Do what `run` does with *commands*, which are packed; *told* hears the replies.

        Or it hears StoreUnavailable, perhaps before this returns. It must not raise. As long as
        the connection is open this takes no task and waits for nobody.
        """
        if self._wire is None:
            tell(told, self.run(commands, timeout_seconds))
        else:
            _Sent(self, self._wire, commands, timeout_seconds, told)

    def hear(self, replies: list[Any]) -> None:
        """Drop the connection if *replies* are those of a server that is the master no more."""
        for reply in replies:
            if isinstance(reply, Exception) and _is_demoted(reply):
                self.drop()
                return

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
                self.drop()

    async def _connect(self) -> Wire:
        """Open the connection, and take it over from redis-py."""
        wire = None
        try:
            # Of the former connection it still has what we have dropped.
            await self._connection.disconnect(nowait=True)
            await self._connection.connect()
            wire = Wire(self._connection._writer.transport)  # noqa: SLF001  # no other way
            is_master = self._sentinels is not None
            await _see_that_it_fits(wire, master=is_master, of_cluster=self._of_cluster)
        except BaseException as error:
            if wire is not None:
                wire.abort()
            if self._sentinels is not None:
                self._sentinels.pass_over()
            if isinstance(error, MasterNotFoundError):
                # Its own message is a line for each Sentinel.
                raise NoConnection("no Sentinel names a master that is up") from error
            raise
        self._wire = wire
        if self._sentinels is not None:
            self._following = asyncio.create_task(self._follow(wire, self._sentinels))
        return wire

    async def _follow(self, wire: Wire, sentinels: Sentinels) -> None:
        """Drop the connection by *wire* when *sentinels* name another master than it leads to."""
        here = self._connection.host, self._connection.port
        there: Address | None = here
        while there in (here, None):
            await asyncio.sleep(ASK_SECONDS)
            there = await sentinels.newest()
        async with self._lock:
            if self._wire is wire:
                self._following = None
                self.drop()

    def drop(self) -> None:
        """Close the connection without waiting for the other side; who waits is told so."""
        wire, self._wire = self._wire, None
        following, self._following = self._following, None
        if following is not None:
            following.cancel()
        if wire is not None:
            wire.abort()

    def drop_wire(self, wire: Wire) -> None:
        """Drop the connection if it is still that by *wire*."""
        if self._wire is wire:
            self.drop()

    async def close(self) -> None:
        """Close the connection; a later `run` opens it anew, in another event loop if need be."""
        self.drop()
        await self._connection.disconnect(nowait=True)
        self._lock = asyncio.Lock()
        if self._sentinels is not None:
            await self._sentinels.close()


class _Sent:
    """An exchange that calls back; what does not come in time is told as away."""

    __slots__ = ("_commands", "_link", "_timer", "_told", "_wire")

    def __init__(
        self, link: Link, wire: Wire, commands: Sequence[bytes], seconds: float, told: Told
    ) -> None:
        """Send *commands* by *wire*, the open one of *link*; *told* hears of it in *seconds*."""
        self._link, self._wire, self._commands = link, wire, commands
        self._told: Told | None = told
        self._timer = Timer(asyncio.get_running_loop(), max(0.0, seconds), self._late)
        wire.ask(b"".join(commands), len(commands), self._hear)

    def _hear(self, outcome: list[Any] | Exception) -> None:
        """Pass the replies on; who has lost the connection tries once more on a new one."""
        told, self._told = self._told, None
        if told is None:
            return
        timer, link = self._timer, self._link
        timer.cancel()
        if isinstance(outcome, Exception):
            link.drop_wire(self._wire)
            tell(told, link.run(self._commands, timer.left))
            return
        link.stood_still = timer.stood_still or timer.is_over
        link.hear(outcome)
        told(outcome)

    def _late(self) -> None:
        """Give up: a reply that comes late would be taken for the next one's."""
        told, self._told = self._told, None
        self._link.drop_wire(self._wire)
        if told is not None:
            away = StoreUnavailable()
            away.__cause__ = TimeoutError()
            told(away)


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


async def _see_that_it_fits(wire: Wire, *, master: bool, of_cluster: bool) -> None:
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
