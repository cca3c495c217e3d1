"""
Holds the sums of a session's present interval, and turns them into fields of an entry (entry.py).

`Weighed` holds a session's new pushes and its sums. weighing.py weighs the pushes: it multiplies
each value by the time for which the push counts, and adds the result to the sums. At the end of an
interval, `take_part` returns the sums as a `Part`, and begins the next interval.
"""

from math import inf
from typing import Any, Final

import msgspec

from otel_jcmc.sessions.pushes import MOST, bytes_of
from otel_jcmc.sessions.stretches import TENTH_MS, Key, Times, stretches_of
from otel_jcmc.sessions.vitals import VITAL_SCALES, StoredTally

_QUALITY_SCALE, _LOSS_SCALE, _TRIP_SCALE = VITAL_SCALES
# When an interval's pushes have this many bytes, `take_part` adds only the interval's last push to
# them: an entry has at most MOST pushes.
MOST_BYTES: Final = 2 * (MOST - 1)
# The values of a push that weighing.py uses, in this order:
# when the push came (seconds of our clock); the time that the push covers (ms; 0: not known);
# how long the outage has lasted (ms; None: the push is in no outage); the push's code (pushes.py);
# its state, cause and place; its three counters (vitals.COUNTED); its quality, loss and round trip.
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
# A vital in an interval: the sum of each value multiplied by its time in ms; for how many ms the
# vital was known; for how many ms it was worse than its bound; the lowest value; the highest value.
Vital = tuple[float, float, float, float, float]
# A sum for each counter of vitals.COUNTED; None: no push of the interval had this counter.
Counts = tuple[float | None, float | None, float | None]
_NOTHING: Final[Vital] = (0.0, 0.0, 0.0, inf, -inf)
_NO_COUNTS: Final[Counts] = (None, None, None)
# Each session begins an interval with this same empty dict, to save memory. It is never changed:
# `weigh` replaces it by a new dict.
_NO_TIMES: Final[Times] = {}


class Weighed:
    """
    The sums of the pushes of a session's present interval, and values kept for the next interval.

    Attributes:
        waiting: pushes that `weigh` has not yet added to the sums.
        quality, loss, trip: the sums of each vital in the interval.
        times: for how many ms of the interval the session had each state, cause and place.
        counts: the interval's sum of each counter of vitals.COUNTED.
        outages: how many outages began in the interval.
        is_guessed: whether a push of the interval did not say how much time it covers.
        pushes: the interval's pushes as bytes, in the form that an entry has (pushes.py).
        tick: when the last push in *pushes* came, in tenths of a second of our clock.
        beyond: None until *pushes* is full; then the time (as in *tick*) and the code of the
            interval's last push.
        before: when the session's last weighed push came, in seconds of our clock; 0: none yet.
        gap_ms: the time between the session's last two weighed pushes; 0: fewer than two pushes.
        first: the session's first push, if it does not say how much time it covers; None after the
            second push, which shows for how long the first push counts.
        is_out: whether the session's last weighed push was in an outage.
    """

    __slots__ = (
        *("before", "beyond", "counts", "first", "gap_ms", "is_guessed", "is_out", "loss"),
        *("outages", "pushes", "quality", "tick", "times", "trip", "waiting"),
    )

    def __init__(self) -> None:
        """Begin a session's first interval, without pushes."""
        self.waiting: list[Noted] = []
        self.tick = 0
        self.before = self.gap_ms = 0.0
        self.first: Noted | None = None
        self.is_out = False
        self.begin()

    def begin(self) -> None:
        """Set the sums to nothing, for a new interval."""
        self.quality = self.loss = self.trip = _NOTHING
        self.times = _NO_TIMES
        self.counts = _NO_COUNTS
        self.outages = 0
        self.is_guessed = False
        self.beyond: tuple[int, int] | None = None
        self.pushes = b""


class Part(msgspec.Struct, frozen=True, gc=False):
    """
    The sums of an interval, in the units of an entry.

    The first six fields are explained at the top of entry.py. `outages` is the number of outages
    that began in the interval; only the session's totals (totals.py) have it. `is_guessed` is as in
    `Weighed`.
    """

    tally: list[StoredTally | None]
    worst: list[int | None]
    best: list[int | None]
    stretches: list[list[Any]]
    counts: list[int | None] | None
    pushes: bytes
    outages: int
    is_guessed: bool


def take_part(of: Weighed) -> Part:
    """Return the sums in *of* as a `Part`, and set them to nothing for the next interval."""
    quality, low_quality, high_quality = _told(of.quality, _QUALITY_SCALE)
    loss, low_loss, high_loss = _told(of.loss, _LOSS_SCALE)
    trip, low_trip, high_trip = _told(of.trip, _TRIP_SCALE)
    counts: list[int | None] | None = None
    if of.counts != _NO_COUNTS:
        # Whole numbers are exact enough, and a float takes nine bytes in an entry.
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
    """Return the tally, the lowest and the highest value of a vital, in the units of an entry."""
    total, known, bad, low, high = of
    tally = None
    if known:
        # A vital is nearly always good for the whole interval.
        bad_tenths = int(bad) // TENTH_MS if bad else 0
        tally = round(total / known * scale), int(known) // TENTH_MS, bad_tenths
    if low > high:
        # The vital was not known in this interval.
        return tally, None, None
    low, high = low * scale, high * scale
    # Both values are nearly always whole numbers already, which need no rounding.
    return (
        tally,
        low if type(low) is int else round(low),
        high if type(high) is int else round(high),
    )
