"""
What was pushed, and the correct result: the ledger's own arithmetic, without the package.

A `Push` has the times at which it was sent and answered; the service took it in between. Where a
time decides, every possible result is allowed.
"""

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

# The settings of the services.
INTERVAL, EXPIRATION, GRACE = 1.0, 2.0, 2.0
BAD_LOSS = 5.0
# Closer to a limit than this, the result depends on how busy the machine is.
UNSURE = 0.3


@dataclass
class Push:
    """
    One push.

    Attributes:
        number: counts a participant's pushes; it is also their `bandwidth_upload`.
        vitals: quality, loss (the worse direction), round trip; None: a heartbeat without numbers.
        end: the reason of the last push.
        service: the service that it was sent to.
        status: of the answer; 0: none came.
    """

    number: int
    sent: float
    session: str
    vitals: tuple[float, float, float] | None = None
    freezes: int = 0
    freeze_time: int = 0
    region: str = ""
    network: str = ""
    interval: float = 0.0
    end: str = ""
    service: int = 0
    status: int = 0
    answered: float = 0.0

    @property
    def at(self) -> float:
        """The approximate time at which the service took it."""
        return (self.sent + self.answered) / 2

    @property
    def is_bad(self) -> bool | None:
        """Whether it was bad; None: not known."""
        return None if self.vitals is None else self.vitals[1] > BAD_LOSS


@dataclass
class Leg:
    """A leg of a session: its pushes, without the last one, which only told the end."""

    session: str
    number: int
    pushes: list[Push] = field(default_factory=list)
    reason: str = "expired"
    ended_by: Push | None = None

    @property
    def known(self) -> list[Push]:
        """Its pushes with numbers."""
        return [each for each in self.pushes if each.vitals is not None]

    def ended(self) -> tuple[float, float]:
        """Return the earliest and the latest possible time of its end."""
        last = self.ended_by or self.pushes[-1]
        return last.sent, last.answered

    def weights(self) -> list[float]:
        """
        Return for how many seconds each of the known pushes counts: the time since the one before.

        The limit is the time that the client says it covers or, if it says nothing, the distance
        before.
        The first push counts for what it says, otherwise as long as the second.
        """
        found: list[float] = []
        before: Push | None = None
        usual = 0.0
        for push in self.pushes:
            if before is None:
                weight = push.interval or (
                    self.pushes[1].at - push.at if len(self.pushes) > 1 else 1
                )
            else:
                since = push.at - before.at
                weight = min(since, push.interval or usual or since)
                usual = since
            before = push
            if push.vitals is not None:
                found.append(weight)
        return found

    def mean(self, index: int) -> float:
        """Return the mean of a vital over all pushes."""
        values = [each.vitals[index] for each in self.known if each.vitals]
        weights = self.weights()
        return sum(v * w for v, w in zip(values, weights, strict=True)) / sum(weights)

    def bad_share(self) -> float:
        """Return the share of the known time that was bad."""
        weights = self.weights()
        bad = sum(w for each, w in zip(self.known, weights, strict=True) if each.is_bad)
        return bad / sum(weights)

    def values(self, index: int) -> list[float]:
        """Return the known values of a vital."""
        return [each.vitals[index] for each in self.known if each.vitals]

    def crossings(self) -> list[tuple[str, Push]]:
        """Return each change of the state, `bad` or `good`, with its push."""
        found, state = [], False
        for push in self.known:
            if push.is_bad is not state:
                state = bool(push.is_bad)
                found.append(("bad" if state else "good", push))
        return found


class Person:
    """A participant: one client in one conference."""

    def __init__(self, name: str, room: str, client: str) -> None:
        self.name, self.room, self.client = name, room, client
        self.pushes: list[Push] = []
        self.lock = threading.Lock()

    def acknowledged(self) -> list[Push]:
        """Return the pushes that were answered 200."""
        return [each for each in self.pushes if each.status == 200]

    def legs(self) -> list[Leg]:
        """Return the legs of all sessions, in order."""
        return list(_legs(self.acknowledged()))


def _legs(pushes: Iterable[Push]) -> Iterator[Leg]:
    """Return the legs of *pushes*."""
    leg: Leg | None = None
    before: Push | None = None
    numbers: dict[str, int] = {}
    for push in pushes:
        if push.end:
            if leg is None or leg.session != push.session:
                # A failed join is the whole of its session.
                yield Leg(push.session, 1, [], push.end, push)
                continue
            leg.reason, leg.ended_by = push.end, push
            yield leg
            leg = None
            continue
        if leg is not None and before is not None:
            ttl = max(EXPIRATION, 3 * before.interval)
            gap = push.at - before.at
            if leg.session != push.session:
                assert abs(gap - ttl) > UNSURE
                if gap < ttl:
                    leg.reason, leg.ended_by = "replaced", push
                yield leg
                leg = None
            elif gap > ttl + GRACE - UNSURE:
                assert gap > ttl + GRACE + UNSURE, f"{gap} s: nobody can say whether that is a leg"
                yield leg
                leg = None
        if leg is None:
            numbers[push.session] = numbers.get(push.session, 0) + 1
            leg = Leg(push.session, numbers[push.session])
        leg.pushes.append(push)
        before = push
    if leg is not None:
        yield leg


def told(of: dict[str, Any], *path: str) -> Any:
    """Return what is at *path* in JSON; None: nothing."""
    found: Any = of
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found
