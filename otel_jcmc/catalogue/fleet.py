"""
The histograms of the fleet, one row each: how the pushes of all participants are spread.

metrics/histograms.py counts them; scrape, OTLP and docs/metrics.md are made of the rows. Unit and
conversion are those of the metric whose values are counted.
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
        field: its name in the `jcmc` naming, behind the prefix.
        otel_name: its name in the `otel` naming; rows that share one have one brief.
        bounds: upper bounds of the buckets, the least first, in the wire's unit.
        otel_attributes: fixed attributes that tell the rows of one `otel` name apart.
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


_LOSS_BRIEF: Final = "Packets lost, of each push that knows it"
# From what nobody hears to what nobody bears; 0 has a bucket of its own.
_LOSS: Final = (0, 0.5, 1, 2, 5, 10, 20, 50)
_ROUND_TRIP_MS: Final = (25, 50, 100, 150, 200, 300, 400, 600, 1_000, 2_000, 5_000)
# ITU-T G.107, annex B: under 4.34, 4.03, 3.60, 3.10 and 2.58 ever more users are dissatisfied.
_MOS: Final = (1, 2, 2.58, 3.1, 3.6, 4.03, 4.2, 4.34)
# No outage has a bucket of its own.
_OUTAGE_MS: Final = (0, 5_000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000)


def histograms(bad_loss: float = 5, bad_round_trip_ms: float = 400) -> tuple[Histogram, ...]:
    """
    Return the histograms for the operator's thresholds of loss (percent) and round trip (ms).

    Each threshold and half of it, from where on a call is fair, are bounds: how many are beyond is
    then counted and not guessed.
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
            "Round-trip time, of each push that knows it",
            _with(_ROUND_TRIP_MS, bad_round_trip_ms),
        ),
        Histogram(
            "audio_mos",
            "fleet_audio_mos",
            "jitsi.fleet.audio.mos",
            "How well the participant hears, of each push by which that can be estimated",
            _MOS,
        ),
        Histogram(
            "outage_down",
            "fleet_outage",
            "jitsi.fleet.outage.duration",
            "For how long an outage runs, the longer way, of each push that knows it; 0: none",
            _OUTAGE_MS,
        ),
    )


def _with(bounds: tuple[float, ...], threshold: float) -> tuple[float, ...]:
    """Return *bounds* and those that a *threshold* makes."""
    return tuple(sorted({*bounds, threshold, threshold / 2}))
