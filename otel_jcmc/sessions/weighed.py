"""
What weighing.py has of a session's interval so far, and what an entry has of it (entry.py).

Out come, once an interval, the tally, the worst and the best, the stretches, the counts and the
pushes of its entry; then the next interval begins.
"""

from typing import Any, NamedTuple

import msgspec

from otel_jcmc.sessions.stretches import TENTH_MS, Key, Times, stretches_of
from otel_jcmc.sessions.vitals import VITAL_SCALES, StoredTally, Vitals

_QUALITY_SCALE, _LOSS_SCALE, _TRIP_SCALE = VITAL_SCALES


class First(NamedTuple):
    """A session's first push, until it is known for how long it stands."""

    found: Vitals
    key: Key


class Vital:
    """
    One vital in one interval so far.

    Attributes:
        sum, known, bad: value by ms, ms known, ms beyond its bound.
        low, high: of its values; low None: there were none.
    """

    __slots__ = ("bad", "high", "known", "low", "sum")

    def __init__(self) -> None:
        """Begin with nothing known."""
        self.sum = self.known = self.bad = 0.0
        self.low: float | None = None
        self.high = 0.0

    def add(self, value: float, weight_ms: float) -> None:
        """Let *value* stand for so long; whether it is bad is the caller's to say."""
        self.sum += value * weight_ms
        self.known += weight_ms
        if self.low is None:
            self.low = self.high = value
        elif value < self.low:
            self.low = value
        elif value > self.high:
            self.high = value


class Weighed:
    """
    One interval so far, and what of it lasts longer.

    A class of Python's own, because its attributes are set several times faster than a Struct's.

    Attributes:
        quality, loss, trip: the vitals in the interval.
        times: in it, for how long which state and cause, and where; but for what goes on now.
        key, key_ms: what goes on now, and for how long it was so in the interval; None: nothing.
        counts: in it, of each of vitals.COUNTED; None: none was told.
        outages: how many began in it.
        is_guessed: some of its pushes did not say how much time they are about.
        pushes: of it, as an entry has them.
        tick, last, before: the last push, in tenths of a second of our clock; where it begins
            among them, and when the one before was.
        first: the session's first push, which does not say how much time it is about.
        gap_ms: the time between the last two pushes; 0: there were none.
        is_out: it is in an outage.
    """

    __slots__ = (
        *("before", "counts", "first", "gap_ms", "is_guessed", "is_out", "key", "key_ms", "last"),
        *("loss", "outages", "pushes", "quality", "tick", "times", "trip"),
    )

    def __init__(self) -> None:
        """Begin before the first push."""
        self.pushes = bytearray()
        self.tick = self.last = self.before = 0
        self.first: First | None = None
        self.gap_ms = 0.0
        self.is_out = False
        self.quality, self.loss, self.trip = Vital(), Vital(), Vital()
        self.times: Times = {}
        self.key: Key | None = None
        self.key_ms = 0.0
        self.counts: list[float | None] | None = None
        self.outages = 0
        self.is_guessed = False

    def all_times(self) -> Times:
        """Return for how long it was how in the interval, with what goes on now."""
        if self.key is not None:
            self.times[self.key] = self.key_ms
        return self.times

    def turn_to(self, key: Key) -> None:
        """Let *key* be what goes on now."""
        self.key_ms = self.all_times().get(key, 0.0)
        self.key = key


class Part(msgspec.Struct, frozen=True, gc=False):
    """What an entry has of an interval, see entry.py; and what its session's totals have of it."""

    tally: list[StoredTally | None]
    worst: list[int | None]
    best: list[int | None]
    stretches: list[list[Any]]
    counts: list[int | None] | None
    pushes: bytes
    outages: int
    is_guessed: bool


def take_weighed(weighed: Weighed) -> Part:
    """Return what an entry has of the interval, and begin the next one."""
    quality, low_quality, high_quality = _take(weighed.quality, _QUALITY_SCALE)
    loss, low_loss, high_loss = _take(weighed.loss, _LOSS_SCALE)
    trip, low_trip, high_trip = _take(weighed.trip, _TRIP_SCALE)
    counts: list[int | None] | None = None
    if weighed.counts is not None:
        # Of ms no more is known, and a float takes nine bytes.
        counts = [None if each is None else round(each) for each in weighed.counts]
        weighed.counts = None
    part = Part(
        [quality, loss, trip],
        [low_quality, high_loss, high_trip],
        [high_quality, low_loss, low_trip],
        stretches_of(weighed.all_times()),
        counts,
        bytes(weighed.pushes),
        weighed.outages,
        weighed.is_guessed,
    )
    weighed.times, weighed.key, weighed.outages, weighed.is_guessed = {}, None, 0, False
    weighed.pushes.clear()
    return part


def _take(of: Vital, scale: int) -> tuple[StoredTally | None, int | None, int | None]:
    """Return tally, lowest and highest of a vital as an entry has them, and begin anew."""
    known, low, high = of.known, of.low, of.high
    tally = None
    if known:
        # Nearly all are good.
        bad = int(of.bad) // TENTH_MS if of.bad else 0
        tally = round(of.sum / known * scale), int(known) // TENTH_MS, bad
    of.sum = of.known = of.bad = 0.0
    if low is None:
        # Of what was not known there is neither.
        return tally, None, None
    of.low = None
    return tally, _whole(low * scale), _whole(high * scale)


def _whole(value: float) -> int:
    """Return *value* as a whole number, which it is already nearly always."""
    return value if type(value) is int else round(value)
