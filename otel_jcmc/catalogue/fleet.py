"""
The histograms of the fleet, one row each: the distribution of the pushes of all participants.

metrics/histograms.py counts the pushes; scrape, OTLP and docs/metrics.md are made from these rows.
A histogram has the unit and the conversion of the metric whose values it counts.
"""

from typing import Final, NamedTuple

from otel_jcmc.catalogue.metrics import DOWN, METRICS, UP
from otel_jcmc.catalogue.rows import Metric

_ROW_OF: Final = {row.field: row for row in METRICS}


class Histogram(NamedTuple):
    """
    One histogram.

    Attributes:
        of: field of the metric whose values are counted.
        field: the histogram's name in the `jcmc` naming, after the prefix.
        otel_name: the histogram's name in the `otel` naming; rows with the same name have the same
            brief.
        bounds: upper bounds of the buckets, ascending, in the wire's unit.
        otel_attributes: fixed attributes that distinguish the rows of one `otel` name.
    """

    of: str
    field: str
    otel_name: str
    brief: str
    bounds: tuple[float, ...]
    otel_attributes: tuple[tuple[str, str], ...] = ()

    @property
    def metric(self) -> Metric:
        """The row of the metric whose values are counted."""
        return _ROW_OF[self.of]


_LOSS_BRIEF: Final = "Share of packets lost, one observation per push that reports it"
# Percent of packets lost, from an inaudible loss to a very bad loss. The bound 0 counts
# pushes without loss.
_LOSS: Final = (0, 0.5, 1, 2, 5, 10, 20, 50)
_ROUND_TRIP_MS: Final = (25, 50, 100, 150, 200, 300, 400, 600, 1_000, 2_000, 5_000)
# The bounds 4.34, 4.03, 3.60, 3.10 and 2.58 are from ITU-T G.107, annex B: below each bound, more
# users are dissatisfied than above it.
_MOS: Final = (1, 2, 2.58, 3.1, 3.6, 4.03, 4.2, 4.34)
# The bound 0 counts pushes without an outage.
_OUTAGE_MS: Final = (0, 5_000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000)


def histograms(bad_loss: float = 5, bad_round_trip_ms: float = 400) -> tuple[Histogram, ...]:
    """
    Return the histograms, with buckets for the thresholds of loss (percent) and round trip (ms).

    The operator sets the thresholds. Each threshold is the upper bound of a bucket. Half of each
    threshold, above which a call is fair, is a bound too. The buckets therefore say exactly how
    many pushes exceed a threshold.
    """
    loss = _with(_LOSS, bad_loss)
    return (
        Histogram(
            "packetloss_upload",
            "fleet_packetloss_upload",
            "jitsi.fleet.packet_loss.ratio",
            _LOSS_BRIEF,
            loss,
            (UP,),
        ),
        Histogram(
            "packetloss_download",
            "fleet_packetloss_download",
            "jitsi.fleet.packet_loss.ratio",
            _LOSS_BRIEF,
            loss,
            (DOWN,),
        ),
        Histogram(
            "round_trip_time",
            "fleet_round_trip_time",
            "jitsi.fleet.round_trip_time",
            "Round-trip time, one observation per push that reports it",
            _with(_ROUND_TRIP_MS, bad_round_trip_ms),
        ),
        Histogram(
            "audio_mos",
            "fleet_audio_mos",
            "jitsi.fleet.audio.mos",
            "How well the participant hears (estimate), one observation per push that allows it",
            _MOS,
        ),
        Histogram(
            "outage_down",
            "fleet_outage",
            "jitsi.fleet.outage.duration",
            "Length of the running outage, the longer of both directions, per push that reports it;"
            " 0: none",
            _OUTAGE_MS,
        ),
    )


def _with(bounds: tuple[float, ...], threshold: float) -> tuple[float, ...]:
    """Return *bounds*, *threshold* and half of *threshold*, in ascending order."""
    return tuple(sorted({*bounds, threshold, threshold / 2}))
