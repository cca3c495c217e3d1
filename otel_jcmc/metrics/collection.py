"""
Collects the gauges of participants and of levels from one snapshot.

The levels are the conferences, the bridges, the regions and the fleet. Their gauges count all
participants, even if the service exports series of only the worst participants.
"""

from collections.abc import Collection
from typing import Final

from otel_jcmc.catalogue.levels import Level
from otel_jcmc.catalogue.rows import Naming
from otel_jcmc.metrics.gauges import declare
from otel_jcmc.metrics.levels import Bounds, declare_levels
from otel_jcmc.metrics.provider import Collected, GaugeProvider
from otel_jcmc.metrics.snapshot import Snapshot, bound
from otel_jcmc.metrics.worst import Worst

_PARTICIPANTS: Final = "otel_jcmc.participants"
_LEVELS: Final = "otel_jcmc.levels"


class Gauges:
    """
    The gauges of one deployment.

    Attributes:
        errors: the gauge's name -> how many of its callbacks have failed since the start.
    """

    def __init__(
        self,
        naming: Naming,
        prefix: str,
        series: Collection[str],
        bounds: Bounds,
        most_participants: int = 0,
    ) -> None:
        """Declare the gauges of *series*; *most_participants* 0: export all participants."""
        self._provider = GaugeProvider()
        self.errors = self._provider.errors
        if Level.PARTICIPANTS in series:
            declare(self._provider.get_meter(_PARTICIPANTS), naming, prefix)
        self._worst = Worst(most_participants) if most_participants else None
        meter = self._provider.get_meter(_LEVELS)
        declare_levels(meter, naming, prefix, series, bounds)

    def collect(
        self, taken: Snapshot | None, *, participants: bool = True, levels: bool = True
    ) -> list[Collected]:
        """
        Return the gauges of *participants* and of *levels* with values from *taken*.

        Return an empty list if *taken* is None: the store could not be read.
        """
        found: list[Collected] = []
        if taken is None:
            return found
        if participants:
            with bound(self._worst.of(taken) if self._worst else taken):
                found += self._provider.collect(_PARTICIPANTS)
        # Levels count all participants: if a partition is unread, their counts would be too low.
        if levels and not taken.unread:
            with bound(taken):
                found += self._provider.collect(_LEVELS)
        return found
