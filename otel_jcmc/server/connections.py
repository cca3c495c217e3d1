"""
How many connections there may be, and how long each may take over a head, a body, an answer.

One `Connections` for all of a process, made by service/app.py; protocol.py asks it for a place and
for the limits, and keeps the times of its own connection. Nothing here is asked when a push comes
on a connection that is there already.
"""

import logging
from enum import StrEnum
from heapq import nsmallest
from typing import Any, Final, NamedTuple, Protocol

from otel_jcmc.catalogue.trouble import Trouble
from otel_jcmc.server.whole import WholePushes

log = logging.getLogger(__name__)

# A browser sends some 16. In memory a short line is seventeen times what it is on the wire.
MAX_HEADERS: Final = 100
# What may come beside the limit on the port that is not for browsers: a flood of theirs must not
# keep out who looks at it.
ADMIN_PLACES: Final = 32
# Descriptors that are not connections of callers: Redis, listeners, the log, what starts children.
OTHER_DESCRIPTORS: Final = 32 + ADMIN_PLACES
# Who means to ask does so by then, and who pushes has pushed again: every 10 s.
_HURRY_SECONDS: Final = 1.0
_PUSHED_SECONDS: Final = 15.0
# After a search that found nobody idle.
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
    """The limits of connections; 0 is none."""

    connections: int = 10_000
    head_bytes: int = 65_536
    head_seconds: int = 10
    body_seconds: int = 10
    answer_seconds: int = 60
    head_lines: int = MAX_HEADERS


class Connection(Protocol):
    """What must be known of a connection to choose which one has to go."""

    transport: Any

    def quiet_since(self) -> tuple[bool, float] | None:
        """Return whether it has asked anything yet, and when; None with a request under way."""


class Connections:
    """
    The places for connections.

    Attributes:
        limits: in force.
        pushes: reads what comes whole.
        cut: reason -> connections ended so far, shared with the service's own metrics.

    Concurrency: of one event loop.
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
            "connections: all %d places are taken (JCMC_LIMIT_CONNECTIONS): the longest idle are"
            " closed for newcomers, and with nobody idle the newcomers",
            "connections: there is room again",
        )
        self._rests_until = 0.0

    def count(self) -> int | None:
        """Return how many are open; None before the first one, or in a server that is not ours."""
        return None if self._everyone is None else len(self._everyone)

    def has_place(self, newcomer: Connection, everyone: set[Any], now: float, spare: int) -> bool:
        """
        Say whether *newcomer*, one of *everyone* since it is connected, may stay.

        When there are more than the limit and *spare*, one is closed for it that is idle or has
        asked nothing; with all of them busy it is the newcomer.
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
        # Not when it is lost: until then others would be closed for the same place.
        everyone.discard(gone)
        self.cut[Cut.IDLE if victim else Cut.REFUSED] += 1
        gone.transport.abort()
        return victim is not None

    def _next(self, newcomer: Connection, now: float) -> Connection | None:
        """Return the connection that can best be spared, None when each is owed an answer."""
        while True:
            while self._spare:
                noted, connection = self._spare.pop()
                if connection.quiet_since() == noted:
                    return connection
            if now < self._rests_until:
                return None
            self._look(newcomer, now)

    def _look(self, newcomer: Connection, now: float) -> None:
        """Note who can be spared, a hundredth of all: a newcomer pays for a part of a search."""
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
    Return the place of a connection among those to be closed, the first to go the lowest.

    Who does not use its place goes first, then who is newer: those already there go on.
    """
    has_asked, since = quiet
    if has_asked:
        return (1 if since <= now - _PUSHED_SECONDS else 3), since
    return (0 if since <= now - _HURRY_SECONDS else 2), since
