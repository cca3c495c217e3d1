"""
One connection to Redis: it returns the replies in time, or raises StoreUnavailable.

A caller gives commands and gets their replies in the same order. Most callers await `run`. Callers
that send very often, such as the writer of pushes, use `send`, which calls back and needs no task.

The library redis-py opens the connection (URL, TLS, AUTH, SELECT). Then wire.py takes the
connection over: with redis-py, reading one reply takes as long as all other work of `store` for a
push. With the library's defaults (10 retries, 5 s) a push could wait a minute, so they are not
used: each exchange has one deadline.

After a time-out this file drops the connection, because a late reply would look like the reply to
the next command. It also drops the connection when the server answers that it is no longer the
master, or when Sentinels name another master. The next connection then leads to the present master.
A node of a Redis Cluster has only some of the keys. Therefore a URL that names one server must not
name such a node; cluster.py has a link to each master of a cluster.
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
# Errors of a server that is no longer the master, or that has too few replicas left.
_DEMOTED = (ReadOnlyError, MasterDownError)
_DEMOTED_WORDS = ("NOREPLICAS", "UNBLOCKED")
# Whether the URL names a cluster -> the error if the server is of the other kind.
_OF_THE_OTHER_KIND = {
    False: "REDIS_URL names one server, which is a node of a Redis Cluster:"
    " use redis+cluster://, or name a Redis or Valkey that has all keys",
    True: "REDIS_URL names a cluster, but the server is not a node of one: use redis://",
}


class AnyLink(Protocol):
    """A way to Redis: Link (documented there), cluster.ClusterLink, agreement.AgreedLink."""

    @property
    def stood_still(self) -> bool:
        """Whether the event loop stood still when the last replies were due, and read them late."""

    @property
    def away(self) -> str:
        """Why some keys are unreachable, as the last replies showed; empty: all are reachable."""

    async def run(
        self, commands: Sequence[Command], timeout_seconds: float = TIMEOUT_SECONDS
    ) -> list[Any]:
        """See Link.run."""

    def send(self, commands: Sequence[bytes], timeout_seconds: float, told: Told) -> None:
        """See Link.send."""

    async def close(self) -> None:
        """Close the connections; a later `run` opens them again."""


# The event loop has only weak references to tasks. This set keeps the tasks until they end.
_running: Final[set[asyncio.Task[list[Any]]]] = set()


def tell(told: Told, replies: Coroutine[Any, Any, list[Any]]) -> None:
    """Await *replies* in a task; then call *told* with the replies or with the error."""

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
    One connection to Redis, opened by the first command.

    Attributes:
        stood_still: whether the event loop stood still when the last replies were due; they came
            late, but they were accepted.
        away: always empty, because one server has all keys; see AnyLink.

    Concurrency: any number of tasks of one event loop may call. A caller's deadline includes the
    time for which the caller waits for other callers.
    """

    away = ""

    def __init__(self, url: str, *, of_cluster: bool = False) -> None:
        """
        Prepare a connection to *url*; nothing is opened yet.

        *url* begins with redis://, rediss:// or unix://, or names Sentinels as url.py describes.
        With *of_cluster* the server must be a node of a cluster, otherwise it must not be a node.

        Raises:
            StoreCannotStart: *url* has options that redis-py does not know.
        """
        self._sentinels: Sentinels | None = None
        self._following: asyncio.Task[None] | None = None
        try:
            if is_sentinel(url):
                self._sentinels = Sentinels(*parse_sentinel(url), _options(None), CONNECT_SECONDS)
            # This object keeps the pool: a connection by Sentinels has only a weak reference to it.
            self._pool = self._sentinels.pool if self._sentinels else _pool(url)
            self._connection: Any = self._pool.make_connection()  # type: ignore[no-untyped-call]
        except (TypeError, ValueError, RedisError):
            # The error's own message is left out: it may contain the URL with a password.
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

        If Redis has closed the connection, it is opened again once, and the commands are sent
        again. So the first batch after a restart of Redis works. Send only commands that do no harm
        when they run twice.

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
        Send packed *commands* as `run` does, and call *told* with the replies.

        After a failure *told* gets StoreUnavailable, perhaps before `send` returns. *told* must not
        raise. While the connection is open, `send` starts no task and does not wait for other
        callers.
        """
        if self._wire is None:
            tell(told, self.run(commands, timeout_seconds))
        else:
            _Sent(self, self._wire, commands, timeout_seconds, told)

    def hear(self, replies: list[Any]) -> None:
        """Drop the connection if *replies* show that the server is no longer the master."""
        for reply in replies:
            if isinstance(reply, Exception) and _is_demoted(reply):
                self.drop()
                return

    async def _exchange(self, packed: bytes, count: int) -> list[Any]:
        """Write *packed* and read *count* replies; any failure drops the connection."""
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
            # redis-py's object does not know that we have dropped the former connection.
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
                # A short message replaces redis-py's, which has a line for each Sentinel.
                raise NoConnection("no Sentinel names a master that is up") from error
            raise
        self._wire = wire
        if self._sentinels is not None:
            self._following = asyncio.create_task(self._follow(wire, self._sentinels))
        return wire

    async def _follow(self, wire: Wire, sentinels: Sentinels) -> None:
        """Drop the connection by *wire* when *sentinels* name another master."""
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
        """Close the connection without waiting for Redis; callers that wait get an error."""
        wire, self._wire = self._wire, None
        following, self._following = self._following, None
        if following is not None:
            following.cancel()
        if wire is not None:
            wire.abort()

    def drop_wire(self, wire: Wire) -> None:
        """Drop the connection, unless a new connection has replaced *wire* already."""
        if self._wire is wire:
            self.drop()

    async def close(self) -> None:
        """Close the connection; a later `run` opens it again, also in another event loop."""
        self.drop()
        await self._connection.disconnect(nowait=True)
        self._lock = asyncio.Lock()
        if self._sentinels is not None:
            await self._sentinels.close()


class _Sent:
    """
    One call of `Link.send`: it calls back once, with the replies or with an error.

    If the replies do not come in time, the error is StoreUnavailable.
    """

    __slots__ = ("_commands", "_link", "_timer", "_told", "_wire")

    def __init__(
        self, link: Link, wire: Wire, commands: Sequence[bytes], seconds: float, told: Told
    ) -> None:
        """Send *commands* by *wire*, *link*'s open connection; call *told* within *seconds*."""
        self._link, self._wire, self._commands = link, wire, commands
        self._told: Told | None = told
        self._timer = Timer(asyncio.get_running_loop(), max(0.0, seconds), self._late)
        wire.ask(b"".join(commands), len(commands), self._hear)

    def _hear(self, outcome: list[Any] | Exception) -> None:
        """Call back with the replies; if the connection was lost, send again on a new one."""
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
        """Call back with a time-out; drop the connection, because its replies may still come."""
        told, self._told = self._told, None
        self._link.drop_wire(self._wire)
        if told is not None:
            away = StoreUnavailable()
            away.__cause__ = TimeoutError()
            told(away)


def _options(connect_seconds: float | None) -> dict[str, Any]:
    """Return the options for redis-py's connections; None: no time-out for opening them."""
    return {
        "retry": Retry(NoBackoff(), 0),
        "socket_timeout": None,  # each batch has one deadline for all its replies
        "socket_connect_timeout": connect_seconds,
        "protocol": 2,
    }


def _pool(url: str) -> redis.ConnectionPool:
    """Return the pool that makes connections to *url*."""
    # The pool has no time-out, because redis-py would also count time in which the machine stood
    # still. Our deadline does not count that time.
    return redis.ConnectionPool.from_url(url, **_options(None))


def _is_demoted(reply: Any) -> bool:
    """Say whether *reply* shows that its server is not, or no longer, the master."""
    return isinstance(reply, Exception) and (
        isinstance(reply, _DEMOTED) or str(reply).startswith(_DEMOTED_WORDS)
    )


async def _see_that_it_fits(wire: Wire, *, master: bool, of_cluster: bool) -> None:
    """
    Check that the server is a node of a cluster (or is not), as *of_cluster* says.

    With *master*, check also that the server is a master: a Sentinel that was cut off may name the
    former master. If an ACL of Redis forbids these questions, the server is used without a check.

    Raises:
        ClusterNode: the server is a node of a cluster and should not be, or the reverse.
        NoConnection: the server is not a master.
    """
    asked: Sequence[Command] = [("INFO", "cluster"), ("ROLE",)][: 1 + master]
    replies = await wire.exchange(b"".join(map(pack, asked)), len(asked))
    told = replies[0] if isinstance(replies[0], bytes) else b""
    if b"cluster_enabled:%d" % (not of_cluster) in told:
        raise ClusterNode(_OF_THE_OTHER_KIND[of_cluster])
    if master and isinstance(replies[1], list) and replies[1][0] != b"master":
        raise NoConnection("the server that Sentinel names is not a master")
