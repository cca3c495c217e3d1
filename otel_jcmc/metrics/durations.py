"""
How long things took that happen once a batch or once a collection, in buckets.

In come seconds, out come families of buckets as those of the fleet. Plain lists, because the SDK
takes 6 µs for one value.
"""

from bisect import bisect_left
from collections.abc import Sequence
from math import inf
from time import time_ns
from typing import Final

from otel_jcmc.catalogue.own import OWN_METRICS
from otel_jcmc.metrics.figures import Buckets, Tables, add_buckets, sum_buckets
from otel_jcmc.metrics.histograms import Distribution, Family

# From a push on an idle machine (0.5 ms) to the deadline (0.9 s), and a collection of thousands.
BOUNDS: Final = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
# No value is below the first: so buckets have the places that they have in a list with the sum.
_PLACED: Final = (-inf, *BOUNDS)
_ROWS: Final = [row for row in OWN_METRICS if row.kind == "histogram"]


class Durations:
    """
    The durations of one process.

    Concurrency: `record` from one event loop; the rest from any thread, also meanwhile.
    """

    def __init__(self) -> None:
        """Begin with nothing counted."""
        self._since = time_ns()
        self._tables: Tables = {row.name: {} for row in _ROWS}

    def record(self, name: str, seconds: float, label: str = "") -> None:
        """Count *seconds* of what has this *name* and, where it has one, *label*."""
        table = self._tables[name]
        buckets = table.get(label)
        if buckets is None:
            buckets = table[label] = _zeros()
        buckets[bisect_left(_PLACED, seconds)] += 1
        buckets[0] += seconds

    def figures(self) -> Tables:
        """Return a copy of what was counted."""
        return {name: sum_buckets([table]) for name, table in self._tables.items()}

    def resume(self, left: Tables) -> None:
        """Count on from what a former process has *left*."""
        for name, table in self._tables.items():
            add_buckets(table, left.get(name, {}))

    def collect(self, others: Sequence[Tables] = ()) -> list[Family]:
        """Return what was counted here and by *others*; what was counted nowhere is left out."""
        families = []
        for row in _ROWS:
            tables = [tables.get(row.name, {}) for tables in (self._tables, *others)]
            found = [
                Distribution(
                    dict.fromkeys(row.labels, label), BOUNDS, list(map(int, counts)), total
                )
                for label, (total, *counts) in sum_buckets(tables).items()
            ]
            if found:
                families.append(Family(row.name, row.unit, row.brief, self._since, found))
        return families


def _zeros() -> Buckets:
    """Return a sum and buckets with nothing in them."""
    return [0] * (len(BOUNDS) + 2)
