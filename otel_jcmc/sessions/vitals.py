"""
Reads the three vitals (quality, packet loss, round trip) from the numbers of a push.

History keeps the worst and the best value of each vital in each interval. A session's span shows
how long each vital was beyond its threshold. The vitals do not decide whether a call is bad:
verdict/judge.py does. This file also names the counters that history adds up.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from otel_jcmc.catalogue.metrics import METRICS

_ID_OF: Final = {row.field: row.id for row in METRICS}
_QUALITY: Final = _ID_OF["connectionquality"] - 1
_LOSS: Final = _ID_OF["packetloss_total"] - 1
_LOSS_UP: Final = _ID_OF["packetloss_upload"] - 1
_LOSS_DOWN: Final = _ID_OF["packetloss_download"] - 1
_PATHS: Final = _ID_OF["transport_rtt"] - 1
_PAIR: Final = _ID_OF["round_trip_time"] - 1
# Counters, and their places among the numbers of a push. A push has the growth of each counter
# since the push before; a session has the sum of this growth.
COUNTED_FIELDS: Final = ("freezes", "freeze_time", "frames_dropped")
COUNTED: Final = [_ID_OF[field] - 1 for field in COUNTED_FIELDS]

# The names of the vitals; every list of vitals has this order.
VITALS: Final = ("quality", "loss", "round_trip")
LOWER_IS_WORSE: Final = (True, False, False)
# For each vital, how many of an entry's units make 1: an entry has quality in tenths, loss in
# hundredths of a percent, round trip in ms. The catalogue has the same decimals for loss and round
# trip.
VITAL_SCALES: Final = (10, 100, 1)
# A vital's tally in an entry: its mean (in units of VITAL_SCALES), and the tenths of a second in
# which it was known, and in which it was bad.
StoredTally = tuple[int, int, int]
Vitals = tuple[float | None, float | None, float | None]


class Thresholds(NamedTuple):
    """Quality is bad below its threshold; loss (percent) and round trip (ms) are bad above it."""

    quality: float
    loss: float
    round_trip: float


def vitals(numbers: Sequence[Any]) -> Vitals:
    """
    Return quality (0 to 100), loss (percent) and round trip (ms) from the *numbers* of a push.

    A vital that is not known is None. The loss is the higher one of upload loss and download loss;
    the verdict and the alerts use the same value. If neither is known, the loss is the loss of all
    packets. The round trip is the round trip of the slowest transport. If no transport has a round
    trip, it is the round trip of the candidate pair in use.
    """
    up, down, trips = numbers[_LOSS_UP], numbers[_LOSS_DOWN], numbers[_PATHS]
    if up is None:
        loss = numbers[_LOSS] if down is None else down
    else:
        loss = up if down is None or up > down else down
    if not trips:
        return numbers[_QUALITY], loss, numbers[_PAIR]
    if len(trips) == 1:
        # Nearly all participants have one transport.
        (trip,) = trips
        return numbers[_QUALITY], loss, numbers[_PAIR] if trip is None else trip
    # A push may name a transport whose round trip is not known.
    known = [each for each in trips if each is not None] or [numbers[_PAIR]]
    return numbers[_QUALITY], loss, max(known)
