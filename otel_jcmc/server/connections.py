"""
How many connections may be open, and how long each may take over a head, a body, an answer.

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

# A browser sends about 16. A short line takes seventeen times as much in memory as on the wire.
MAX_HEADERS: Final = 100
# Extra places on the port that is not for browsers: a flood of browsers must not keep out the
# operator who looks at it.
ADMIN_PLACES: Final = 32
# Descriptors that are not callers' connections: Redis, listeners, the log, starting children.
OTHER_DESCRIPTORS: Final = 32 + ADMIN_PLACES
# A client that means to ask does so within this time; a client that pushes, pushes every 10 s.
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
    """What must be known of a connection to choose the one to close."""

    transport: Any

    def quiet_since(self) -> tuple[bool, float] | None:
        """Return whether it has asked anything yet, and since when; None while it is busy."""


class Connections:
    """
    The places for connections.

    Attributes:
        limits: the limits in force.
        pushes: reads pushes that come whole.
        cut: reason -> connections ended so far, shared with the service's own metrics.

    Concurrency: for one event loop.
    """

    def __init__(self, limits: ConnectionLimits, cut: dict[str, int]) -> None:
        """Give places as *limits* say."""
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
        """Return how many are open; None before the first one, or in a server that is not ours."""
        return None if self._everyone is None else len(self._everyone)

    def has_place(self, newcomer: Connection, everyone: set[Any], now: float, spare: int) -> bool:
        """
        Say whether *newcomer*, which *everyone* already contains, may stay.

        When more connections are open than the limit and *spare* allow, one is closed: an idle one
        or one that has asked nothing. If all are busy, the newcomer is closed.
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
        # At once, not when the loss is reported: until then others would be closed for the same
        # place.
        everyone.discard(gone)
        self.cut[Cut.IDLE if victim else Cut.REFUSED] += 1
        gone.transport.abort()
        return victim is not None

    def _next(self, newcomer: Connection, now: float) -> Connection | None:
        """Return the connection that is easiest to spare, None if all await an answer."""
        while True:
            while self._spare:
                noted, connection = self._spare.pop()
                if connection.quiet_since() == noted:
                    return connection
            if now < self._rests_until:
                return None
            self._look(newcomer, now)

    def _look(self, newcomer: Connection, now: float) -> None:
        """Note what to spare, up to 1 % of the limit: each newcomer pays for a part of a search."""
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
    Return the rank of a connection among those to close; the lowest closes first.

    Connections that do not use their place go first, then the newer ones: clients that were already
    there go on.
    """
    has_asked, since = quiet
    if has_asked:
        return (1 if since <= now - _PUSHED_SECONDS else 3), since
    return (0 if since <= now - _HURRY_SECONDS else 2), since
