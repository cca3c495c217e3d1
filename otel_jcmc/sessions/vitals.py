"""
Reads the vitals of a push: quality, packet loss and round trip, which show how good a call is.

This file also names the counters that sessions add up. It finds all numbers of a push by their
catalogue ids. History keeps the worst and the best vitals of each interval. A session's span says
for which share of the time each vital was beyond its threshold. verdict/judge.py decides whether a
call is bad.
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
# The counters, and their positions among the numbers of a push. A push has the growth of a counter
# since the previous push; a session has the sum of these numbers.
COUNTED_FIELDS: Final = ("freezes", "freeze_time", "frames_dropped")
COUNTED: Final = [_ID_OF[field] - 1 for field in COUNTED_FIELDS]

# The names of the vitals. All lists of vitals have this order.
VITALS: Final = ("quality", "loss", "round_trip")
LOWER_IS_WORSE: Final = (True, False, False)
# An entry stores each vital multiplied by this number, as an integer. For loss and round trip, the
# number follows from the decimals in the catalogue.
VITAL_SCALES: Final = (10, 100, 1)
# A tally in an entry: (mean, tenths of a second in which the vital was known, and was bad).
StoredTally = tuple[int, int, int]
Vitals = tuple[float | None, float | None, float | None]


class Thresholds(NamedTuple):
    """
    The values at which vitals become bad.

    Quality (0 to 100) is bad below its threshold. Loss (percent) and round trip (ms) are bad above
    their thresholds.
    """

    quality: float
    loss: float
    round_trip: float


def vitals(numbers: Sequence[Any]) -> Vitals:
    """
    Return quality (0 to 100), loss (percent) and round trip (ms) of *numbers*; None: not known.

    The loss is the larger of the losses of upload and download, as for verdicts and alerts. If the
    push has neither, it is the loss of all packets. The round trip is that of the slowest
    transport. If no transport has a round trip, it is that of the candidate pair in use.
    """
    up, down, trips = numbers[_LOSS_UP], numbers[_LOSS_DOWN], numbers[_PATHS]
    if up is None:
        loss = numbers[_LOSS] if down is None else down
    else:
        loss = up if down is None or up > down else down
    if not trips:
        return numbers[_QUALITY], loss, numbers[_PAIR]
    if len(trips) == 1:
        # Nearly all participants have one transport, so this case is handled first.
        (trip,) = trips
        return numbers[_QUALITY], loss, numbers[_PAIR] if trip is None else trip
    # Some transports may have no round trip.
    known = [each for each in trips if each is not None] or [numbers[_PAIR]]
    return numbers[_QUALITY], loss, max(known)
