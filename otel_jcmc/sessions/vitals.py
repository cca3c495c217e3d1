"""
The vitals, three numbers that show how a call is: quality, loss, round trip; and some counters.

They are read from a push's numbers by catalogue id. History keeps the worst and best vitals of each
interval; a session's span has the time for which each vital was beyond its threshold.
verdict/judge.py decides whether a call is bad.
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
# Counters and their places among the numbers. A push has the growth since the push before; a
# session has the sums.
COUNTED_FIELDS: Final = ("freezes", "freeze_time", "frames_dropped")
COUNTED: Final = [_ID_OF[field] - 1 for field in COUNTED_FIELDS]

# The vitals, in the order that all lists of vitals have.
VITALS: Final = ("quality", "loss", "round_trip")
LOWER_IS_WORSE: Final = (True, False, False)
# For each vital, how many of an entry's units make 1: for loss and round trip by the decimals of
# their catalogue rows.
VITAL_SCALES: Final = (10, 100, 1)
# A tally as an entry has it: mean, and tenths of a second known and bad.
StoredTally = tuple[int, int, int]
Vitals = tuple[float | None, float | None, float | None]


class Thresholds(NamedTuple):
    """A vital is bad beyond these: quality below, loss (percent) and round trip (ms) above."""

    quality: float
    loss: float
    round_trip: float


def vitals(numbers: Sequence[Any]) -> Vitals:
    """
    Return quality (0 to 100), loss (percent) and round trip (ms) of *numbers*; None: not known.

    The loss is the loss of the worse direction, by which calls are judged and alerts fire; if the
    push has no direction's loss, it is the loss of all packets. The round trip is that of the
    slowest transport; if no transport has a round trip, that of the candidate pair in use.
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
    # A transport may be known without its round trip.
    known = [each for each in trips if each is not None] or [numbers[_PAIR]]
    return numbers[_QUALITY], loss, max(known)
