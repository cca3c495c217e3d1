"""
Keeps the sums of a session's present interval, and makes fields of an entry from them (entry.py).

Pushes wait until weighing.py adds them to the sums. Once an interval, `take_part` makes a `Part`
from the sums, and the next interval begins with empty sums.
"""

from math import inf
from typing import Any, Final

import msgspec

from otel_jcmc.sessions.pushes import MOST, bytes_of
from otel_jcmc.sessions.stretches import TENTH_MS, Key, Times, stretches_of
from otel_jcmc.sessions.vitals import VITAL_SCALES, StoredTally

_QUALITY_SCALE, _LOSS_SCALE, _TRIP_SCALE = VITAL_SCALES
# The most bytes of the pushes of an interval. One further push, the last, is appended to them.
MOST_BYTES: Final = 2 * (MOST - 1)
# The values of a push that weighing.py uses, in this order: the time of the push (seconds of the
# process's clock), the time that it covers (ms; 0: not known), the length of the outage so far (ms;
# None: no outage), its code (pushes.py), its state, cause and place, its counters
# (vitals.COUNTED), quality, loss, and round trip.
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
# The sums of a vital in an interval: the sum of value times ms, the ms in which the vital was
# known, the ms in which it was bad, its lowest value and its highest value.
Vital = tuple[float, float, float, float, float]
# The sum of each counter of vitals.COUNTED; None: no push had the counter.
Counts = tuple[float | None, float | None, float | None]
_NOTHING: Final[Vital] = (0.0, 0.0, 0.0, inf, -inf)
_NO_COUNTS: Final[Counts] = (None, None, None)
# All sessions begin an interval with this empty dict, to save memory. No code changes it: `weigh`
# makes a new dict for the session.
_NO_TIMES: Final[Times] = {}


class Weighed:
    """
    The sums of a session's pushes that are in no entry yet, and values kept between intervals.

    Attributes:
        waiting: pushes that are not weighed yet; the sums count only weighed pushes.
        quality, loss, trip: the sums of the vitals in the interval.
        times: (state, cause, place) -> ms that the session spent in it in the interval.
        counts: the sums of the counters vitals.COUNTED in the interval.
        outages: the number of outages that began in the interval.
        is_guessed: whether a push of the interval did not say how much time it covers.
        pushes: the pushes of the interval, in the form that an entry has.
        tick: the time of the last push in *pushes*, in tenths of a second of the process's clock.
        beyond: tick and code of the last push, if *pushes* had no room for it; otherwise None.
        before: the time of the session's last push, in seconds of the process's clock; 0: no push
            yet.
        gap_ms: the time between the session's last two pushes; 0: fewer than two pushes.
        first: the session's first push, if it does not say how much time it covers; None once the
            second push has come.
        is_out: whether the session has an outage at its last push.
    """

    __slots__ = (
        *("before", "beyond", "counts", "first", "gap_ms", "is_guessed", "is_out", "loss"),
        *("outages", "pushes", "quality", "tick", "times", "trip", "waiting"),
    )

    def __init__(self) -> None:
        """Begin a session without pushes."""
        self.waiting: list[Noted] = []
        self.tick = 0
        self.before = self.gap_ms = 0.0
        self.first: Noted | None = None
        self.is_out = False
        self.begin()

    def begin(self) -> None:
        """Begin an interval with empty sums."""
        self.quality = self.loss = self.trip = _NOTHING
        self.times = _NO_TIMES
        self.counts = _NO_COUNTS
        self.outages = 0
        self.is_guessed = False
        self.beyond: tuple[int, int] | None = None
        self.pushes = b""


class Part(msgspec.Struct, frozen=True, gc=False):
    """The sums of an interval in the units of an entry (entry.py); totals.py adds them up too."""

    tally: list[StoredTally | None]
    worst: list[int | None]
    best: list[int | None]
    stretches: list[list[Any]]
    counts: list[int | None] | None
    pushes: bytes
    outages: int
    is_guessed: bool


def take_part(of: Weighed) -> Part:
    """Return the sums of the interval in the units of an entry, and begin the next interval."""
    quality, low_quality, high_quality = _told(of.quality, _QUALITY_SCALE)
    loss, low_loss, high_loss = _told(of.loss, _LOSS_SCALE)
    trip, low_trip, high_trip = _told(of.trip, _TRIP_SCALE)
    counts: list[int | None] | None = None
    if of.counts != _NO_COUNTS:
        # Fractions of a ms are not needed, and a float would take nine bytes.
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
    """Return the tally, the lowest and the highest value of a vital in the units of an entry."""
    total, known, bad, low, high = of
    tally = None
    if known:
        # In nearly all intervals, a vital was never bad: this saves a division.
        bad_tenths = int(bad) // TENTH_MS if bad else 0
        tally = round(total / known * scale), int(known) // TENTH_MS, bad_tenths
    if low > high:
        # If the vital was never known, it has neither a lowest nor a highest value.
        return tally, None, None
    low, high = low * scale, high * scale
    # In nearly all intervals, both values are integers already: this saves the rounding.
    return (
        tally,
        low if type(low) is int else round(low),
        high if type(high) is int else round(high),
    )
