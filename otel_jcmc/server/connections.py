"""
Limits how many connections are open, and how long each may take for a head, a body, an answer.

A process has one `Connections`, which service/app.py makes. protocol.py asks it for a place and for
the limits, and keeps the times of its own connection. A push on a connection that is already open
asks nothing here.
"""

import logging
from enum import StrEnum
from heapq import nsmallest
from typing import Any, Final, NamedTuple, Protocol

from otel_jcmc.catalogue.trouble import Trouble
from otel_jcmc.server.whole import WholePushes

log = logging.getLogger(__name__)

# A browser sends about 16 header lines. A short one takes 17 times as much memory as on the wire.
MAX_HEADERS: Final = 100
# Extra places on the port that is not for browsers: a flood of browsers must not keep out the
# operator who investigates the flood.
ADMIN_PLACES: Final = 32
# File descriptors for other things than callers' connections: Redis, listeners, the log, children.
OTHER_DESCRIPTORS: Final = 32 + ADMIN_PLACES
# A new client normally sends its first request within this time, and then a push every 10 s.
_HURRY_SECONDS: Final = 1.0
_PUSHED_SECONDS: Final = 15.0
# How long to wait after a search that found no idle connection.
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
    """The parts of a connection from which `Connections` chooses the connection to close."""

    transport: Any

    def quiet_since(self) -> tuple[bool, float] | None:
        """Return whether it has sent a request, and since when it is idle; None while busy."""


class Connections:
    """
    The places for connections.

    Attributes:
        limits: the limits in force.
        pushes: reads pushes that arrive complete in one read.
        cut: reason -> connections ended so far, shared with the service's own metrics.

    Concurrency: for one event loop.
    """

    def __init__(self, limits: ConnectionLimits, cut: dict[str, int]) -> None:
        """Allow as many connections as *limits* say; count those cut by reason in *cut*."""
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
        """Return how many connections are open; None before the first, or in a host's server."""
        return None if self._everyone is None else len(self._everyone)

    def has_place(self, newcomer: Connection, everyone: set[Any], now: float, spare: int) -> bool:
        """
        Say whether *newcomer*, a connection that *everyone* already contains, may remain open.

        When more connections are open than the limit plus *spare*, one connection is closed: an
        idle one, or one that has sent no request. If all others are busy, the newcomer is closed.
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
        # Removed at once, not when the loop reports the loss: until then, each newcomer would have
        # one more connection closed for the same place.
        everyone.discard(gone)
        self.cut[Cut.IDLE if victim else Cut.REFUSED] += 1
        gone.transport.abort()
        return victim is not None

    def _next(self, newcomer: Connection, now: float) -> Connection | None:
        """Return the connection to close first; None if all others await an answer."""
        while True:
            while self._spare:
                noted, connection = self._spare.pop()
                if connection.quiet_since() == noted:
                    return connection
            if now < self._rests_until:
                return None
            self._look(newcomer, now)

    def _look(self, newcomer: Connection, now: float) -> None:
        """Find the next connections to close, 1 % of the limit, so that few newcomers search."""
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
    Return the rank of a connection among those to close; the one of the lowest rank closes first.

    Connections that send no request close first. Of the others, the newer ones close first, so that
    clients that were already connected stay connected.
    """
    has_asked, since = quiet
    if has_asked:
        return (1 if since <= now - _PUSHED_SECONDS else 3), since
    return (0 if since <= now - _HURRY_SECONDS else 2), since
