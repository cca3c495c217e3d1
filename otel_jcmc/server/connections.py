"""
Limits how many connections are open; has the limits on the time and size of heads and bodies.

Each process has one `Connections`, which service/app.py makes. For each new connection, protocol.py
asks here whether it may stay open, and reads the limits. protocol.py itself measures the times of
its connection. A push on a connection that is already open needs no call of this module.
"""

import logging
from enum import StrEnum
from heapq import nsmallest
from typing import Any, Final, NamedTuple, Protocol

from otel_jcmc.catalogue.trouble import Trouble
from otel_jcmc.server.whole import WholePushes

log = logging.getLogger(__name__)

# A browser sends about 16 header lines. A short header line takes 17 times as many bytes of memory
# as it has bytes on the wire.
MAX_HEADERS: Final = 100
# How many connections more than the limit are allowed on the port that is not for browsers: during
# a flood of browsers, the operator must still be able to connect.
ADMIN_PLACES: Final = 32
# File descriptors besides those of clients' connections: for Redis, listening sockets, the log and
# child processes, and for the extra connections of operators.
OTHER_DESCRIPTORS: Final = 32 + ADMIN_PLACES
# A client normally sends its first request within _HURRY_SECONDS, and its next push within
# _PUSHED_SECONDS, because it pushes every 10 s. Connections of slower clients are closed first.
_HURRY_SECONDS: Final = 1.0
_PUSHED_SECONDS: Final = 15.0
# How long to wait before the next search if a search found no idle connection.
_REST_SECONDS: Final = 0.5


class Cut(StrEnum):
    """Why a connection was ended early; the `reason` of otel_jcmc_connections_cut_total."""

    REFUSED = "refused"
    IDLE = "idle"
    HEAD_TOO_LARGE = "head_too_large"
    HEAD_TOO_SLOW = "head_too_slow"
    BODY_TOO_SLOW = "body_too_slow"
    ANSWER_TOO_SLOW = "answer_too_slow"


class ConnectionLimits(NamedTuple):
    """The limits of connections; 0 means no limit."""

    connections: int = 10_000
    head_bytes: int = 65_536
    head_seconds: int = 10
    body_seconds: int = 10
    answer_seconds: int = 60
    head_lines: int = MAX_HEADERS


class Connection(Protocol):
    """The part of a connection that `Connections` uses to choose which connection to close."""

    transport: Any

    def quiet_since(self) -> tuple[bool, float] | None:
        """Return whether a request has come, and since when the connection is idle; None: busy."""


class Connections:
    """
    Limits the number of open connections of one process.

    Attributes:
        limits: the limits that all connections use.
        pushes: reads pushes that come whole in one read (whole.py).
        cut: reason -> number of connections that were ended for it; own metrics read this dict.

    Concurrency: use it from one event loop.
    """

    def __init__(self, limits: ConnectionLimits, cut: dict[str, int]) -> None:
        """Apply *limits*; count the connections that are ended early in *cut*, by reason."""
        self.limits = limits
        self.pushes = WholePushes(limits.head_lines)
        self.cut = cut
        for reason in Cut:
            cut.setdefault(reason, 0)
        self._everyone: set[Any] | None = None
        self._spare: list[tuple[tuple[bool, float], Connection]] = []
        self._full = Trouble(
            log,
            "connections: all %d places are taken (JCMC_LIMIT_CONNECTIONS): for each newcomer the"
            " longest idle connection is closed; if none is idle, the newcomer is",
            "connections: there is room again",
        )
        self._rests_until = 0.0

    def count(self) -> int | None:
        """Return how many connections are open; None if this server has had no connection yet."""
        return None if self._everyone is None else len(self._everyone)

    def has_place(self, newcomer: Connection, everyone: set[Any], now: float, spare: int) -> bool:
        """
        Say whether *newcomer*, a connection that *everyone* already contains, may remain open.

        *spare* is the number of connections by which this newcomer may exceed the limit. If still
        more connections are open, one is closed: an idle connection, or a connection that has sent
        no request. If all connections except *newcomer* are busy, *newcomer* is closed.
        """
        self._everyone = everyone
        most = self.limits.connections + spare
        if len(everyone) <= most or not self.limits.connections:
            if self._full.what and len(everyone) < most * 0.9:
                self._full.update("")
            return True
        self._full.update(self.limits.connections)
        victim = self._next(newcomer, now)
        gone = victim or newcomer
        # Remove the closed connection now. The loop reports its end only later, and until then each
        # further newcomer would close one more connection, although there is room for it.
        everyone.discard(gone)
        self.cut[Cut.IDLE if victim else Cut.REFUSED] += 1
        gone.transport.abort()
        return victim is not None

    def _next(self, newcomer: Connection, now: float) -> Connection | None:
        """Return the next connection to close; None if all except *newcomer* are busy."""
        while True:
            while self._spare:
                noted, connection = self._spare.pop()
                if connection.quiet_since() == noted:
                    return connection
            if now < self._rests_until:
                return None
            self._look(newcomer, now)

    def _look(self, newcomer: Connection, now: float) -> None:
        """Choose the next connections to close, 1 % of the limit at once, so searches are rare."""
        assert self._everyone is not None
        found = (
            (_rank(quiet, now), quiet, each)
            for each in self._everyone
            if each is not newcomer and (quiet := each.quiet_since()) is not None
        )
        most = max(1, self.limits.connections // 100)
        chosen = nsmallest(most, found, key=lambda each: each[0])
        self._spare = [(quiet, connection) for _, quiet, connection in reversed(chosen)]
        if not chosen:
            self._rests_until = now + _REST_SECONDS


def _rank(quiet: tuple[bool, float], now: float) -> tuple[int, float]:
    """
    Return the rank of an idle connection; the connection with the lowest rank is closed first.

    The order is: connections without a request that are older than 1 s; connections whose last
    answer is older than 15 s; newer connections without a request; all others. With equal rank, the
    connection that has been idle longest is closed first.
    """
    has_asked, since = quiet
    if has_asked:
        return (1 if since <= now - _PUSHED_SECONDS else 3), since
    return (0 if since <= now - _HURRY_SECONDS else 2), since
