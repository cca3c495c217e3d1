"""How long things take, in plain lists of buckets: the SDK's histogram takes 6 µs for one value."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from math import inf
from time import time_ns
from typing import Final

from otel_jcmc.catalogue.own import OWN_METRICS
from otel_jcmc.metrics.figures import Buckets, add_buckets
from otel_jcmc.metrics.histograms import Distribution, Family

# From a push on an idle machine (0.5 ms) to the deadline (0.9 s), and a collection of thousands.
_SECONDS: Final = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
# In front of the bounds stands one that nothing is below, where the sum is.
_PLACED: Final = (-inf, *_SECONDS)
_ROWS: Final = [row for row in OWN_METRICS if row.kind == "histogram"]


class Durations:
    """
    The durations that one process has measured.

    Concurrency: `record` from one event loop; the rest from any thread, also meanwhile.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self._since = time_ns()
        self._counted: dict[str, dict[tuple[str, ...], list[float]]] = {
            row.name: {} for row in _ROWS
        }

    def record(self, name: str, seconds: float, *labels: str) -> None:
        """Count so many *seconds* of what has *name*, by the values of its labels."""
        counts = self._counted[name].get(labels)
        if counts is None:
            counts = self._counted[name][labels] = [0] * (len(_SECONDS) + 2)
        counts[bisect_left(_PLACED, seconds)] += 1
        counts[0] += seconds

    def buckets(self) -> dict[str, dict[tuple[str, ...], list[float]]]:
        """Return what was counted: the sum, and how many in each bucket."""
        return {name: dict(counted) for name, counted in self._counted.items()}

    def collect(self, others: Iterable[Mapping[str, Buckets]] = ()) -> list[Family]:
        """Return those of which something was counted, here or by *others*."""
        told = [self.buckets(), *others]
        families = []
        for row in _ROWS:
            counted = add_buckets([each.get(row.name, {}) for each in told])
            if counted:
                distributions = [
                    Distribution(
                        dict(zip(row.labels, key, strict=True)),
                        _SECONDS,
                        [int(each) for each in numbers[1:]],
                        numbers[0],
                    )
                    for key, numbers in counted.items()
                ]
                families.append(Family(row.name, row.unit, row.brief, self._since, distributions))
        return families
