"""
The sums of a session's present interval, and the parts of an entry made from them (entry.py).

Pushes wait until weighing.py weighs them. Once an interval the sums become the `Part` of an entry,
and the next interval begins.
"""

from math import inf
from typing import Any, Final

import msgspec

from otel_jcmc.sessions.pushes import MOST, bytes_of
from otel_jcmc.sessions.stretches import TENTH_MS, Key, Times, stretches_of
from otel_jcmc.sessions.vitals import VITAL_SCALES, StoredTally

_QUALITY_SCALE, _LOSS_SCALE, _TRIP_SCALE = VITAL_SCALES
# Most bytes of an interval's pushes; one more push fits behind them.
MOST_BYTES: Final = 2 * (MOST - 1)
# The values of a push that are weighed. First its time (seconds of our clock), the time that it
# covers (ms; 0: not known), and for a push in an outage how long the outage has lasted (ms). Then
# its code (pushes.py), its state, cause and place, its counters (vitals.COUNTED), and quality, loss
# and round trip.
Noted = tuple[
    float,
    float,
    float | None,
    int,
    Key,
    float | None,
    float | None,
    float | None,
    float | None,
    float | None,
    float | None,
]
# A vital in an interval: the sum of value times ms, the ms in which it was known, the ms in which
# it was beyond its bound, the lowest and the highest value.
Vital = tuple[float, float, float, float, float]
# A value for each of vitals.COUNTED; None: it was not told.
Counts = tuple[float | None, float | None, float | None]
_NOTHING: Final[Vital] = (0.0, 0.0, 0.0, inf, -inf)
_NO_COUNTS: Final[Counts] = (None, None, None)
# All sessions begin an interval with this dict, which nothing changes: `weigh` makes each its own.
_NO_TIMES: Final[Times] = {}


class Weighed:
    """
    The sums of a session's pushes that are in no entry yet, and values kept between intervals.

    Attributes:
        waiting: pushes that are not weighed yet; the sums count only weighed pushes.
        quality, loss, trip: the vitals in the interval.
        times: ms in the interval by state, cause and place.
        counts: the interval's sums of vitals.COUNTED.
        outages: how many outages began in the interval.
        is_guessed: whether some pushes of the interval did not say how much time they cover.
        pushes: the interval's pushes, in the form of an entry. *tick* is the time of the last of
            them, in tenths of a second of our clock. *beyond* has tick and code of the last push
            for which *pushes* had no room.
        before: when the session's last push came, in seconds of our clock; 0: no push yet.
        gap_ms: the time between the session's last two pushes; 0: fewer than two pushes.
        first: the session's first push, until the second comes, if it does not say how much time it
            covers.
        is_out: whether the session is in an outage.
    """

    __slots__ = (
        *("before", "beyond", "counts", "first", "gap_ms", "is_guessed", "is_out", "loss"),
        *("outages", "pushes", "quality", "tick", "times", "trip", "waiting"),
    )

    def __init__(self) -> None:
        """Begin before the first push."""
        self.waiting: list[Noted] = []
        self.tick = 0
        self.before = self.gap_ms = 0.0
        self.first: Noted | None = None
        self.is_out = False
        self.begin()

    def begin(self) -> None:
        """Begin an interval."""
        self.quality = self.loss = self.trip = _NOTHING
        self.times = _NO_TIMES
        self.counts = _NO_COUNTS
        self.outages = 0
        self.is_guessed = False
        self.beyond: tuple[int, int] | None = None
        self.pushes = b""


class Part(msgspec.Struct, frozen=True, gc=False):
    """The sums of an interval, in the form of an entry (entry.py) and of the session's totals."""

    tally: list[StoredTally | None]
    worst: list[int | None]
    best: list[int | None]
    stretches: list[list[Any]]
    counts: list[int | None] | None
    pushes: bytes
    outages: int
    is_guessed: bool


def take_part(of: Weighed) -> Part:
    """Return the sums of the interval in the form of an entry, and begin the next interval."""
    quality, low_quality, high_quality = _told(of.quality, _QUALITY_SCALE)
    loss, low_loss, high_loss = _told(of.loss, _LOSS_SCALE)
    trip, low_trip, high_trip = _told(of.trip, _TRIP_SCALE)
    counts: list[int | None] | None = None
    if of.counts != _NO_COUNTS:
        # Fractions of a ms mean nothing, and a float takes nine bytes.
        counts = [None if each is None else round(each) for each in of.counts]
    if of.beyond is not None:
        tick, code = of.beyond
        of.pushes += bytes_of(tick - of.tick, code)
    part = Part(
        [quality, loss, trip],
        [low_quality, high_loss, high_trip],
        [high_quality, low_loss, low_trip],
        stretches_of(of.times),
        counts,
        of.pushes,
        of.outages,
        of.is_guessed,
    )
    of.begin()
    return part


def _told(of: Vital, scale: int) -> tuple[StoredTally | None, int | None, int | None]:
    """Return tally, lowest and highest value of a vital in the form of an entry."""
    total, known, bad, low, high = of
    tally = None
    if known:
        # Nearly always a vital was good for the whole interval.
        bad_tenths = int(bad) // TENTH_MS if bad else 0
        tally = round(total / known * scale), int(known) // TENTH_MS, bad_tenths
    if low > high:
        # Without known values there is neither a lowest nor a highest.
        return tally, None, None
    low, high = low * scale, high * scale
    # Nearly always both values are whole already.
    return (
        tally,
        low if type(low) is int else round(low),
        high if type(high) is int else round(high),
    )
