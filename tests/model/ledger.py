"""
What was pushed, and the correct result: the ledger's own arithmetic, without the package.

A `Push` has the times at which it was sent and answered; the service took it in between. Where a
time decides, every possible result is allowed.
"""

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

# What the services are told.
INTERVAL, EXPIRATION, GRACE = 1.0, 2.0, 2.0
BAD_LOSS = 5.0
# Nearer to a bound than this nobody can say what a busy machine made of it.
UNSURE = 0.3


@dataclass
class Push:
    """
    One push.

    Attributes:
        number: counts a person's pushes; it is also their `bandwidth_upload`.
        vitals: quality, loss (the worse direction), round trip; None: a heartbeat without numbers.
        end: the reason of the last push.
        service: which of the services was asked.
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
        """About when the service took it."""
        return (self.sent + self.answered) / 2

    @property
    def is_bad(self) -> bool | None:
        """Whether it was bad; None: that is not known."""
        return None if self.vitals is None else self.vitals[1] > BAD_LOSS


@dataclass
class Leg:
    """A leg of a session: its pushes, without the last one that said so."""

    session: str
    number: int
    pushes: list[Push] = field(default_factory=list)
    reason: str = "expired"
    ended_by: Push | None = None

    @property
    def known(self) -> list[Push]:
        """Its pushes that had numbers."""
        return [each for each in self.pushes if each.vitals is not None]

    def ended(self) -> tuple[float, float]:
        """Return the earliest and latest time at which it ended."""
        last = self.ended_by or self.pushes[-1]
        return last.sent, last.answered

    def weights(self) -> list[float]:
        """
        Return for how many seconds each of the known pushes stands: the time since the one before.

        For no more than the page says that it covers, or where it says nothing than it was before
        that; the first of them for as long as it says, else for as long as the next.
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
        """Return what was told of a vital."""
        return [each.vitals[index] for each in self.known if each.vitals]

    def crossings(self) -> list[tuple[str, Push]]:
        """Return each change of the state, `bad` or `good`, with the push that told it."""
        found, state = [], False
        for push in self.known:
            if push.is_bad is not state:
                state = bool(push.is_bad)
                found.append(("bad" if state else "good", push))
        return found


class Person:
    """Who pushes: one participant of one client in one conference."""

    def __init__(self, name: str, room: str, client: str) -> None:
        self.name, self.room, self.client = name, room, client
        self.pushes: list[Push] = []
        self.lock = threading.Lock()

    def acknowledged(self) -> list[Push]:
        """Return the pushes that were answered 200."""
        return [each for each in self.pushes if each.status == 200]

    def legs(self) -> list[Leg]:
        """Return the legs of all sessions, as they followed each other."""
        return list(_legs(self.acknowledged()))


def _legs(pushes: Iterable[Push]) -> Iterator[Leg]:
    """Return the legs that *pushes* are of."""
    leg: Leg | None = None
    before: Push | None = None
    numbers: dict[str, int] = {}
    for push in pushes:
        if push.end:
            if leg is None or leg.session != push.session:
                # A join that failed is all there is of its session.
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
    """Return what stands at *path* in JSON, None where nothing does."""
    found: Any = of
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found
