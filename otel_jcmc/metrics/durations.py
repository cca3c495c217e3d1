"""
Durations, in buckets, of what happens once per batch or once per collection.

Seconds come in, families of buckets go out, in the form of the fleet's. Plain lists, because the
SDK takes 6 µs for one value.
"""

from bisect import bisect_left
from collections.abc import Sequence
from math import inf
from time import time_ns
from typing import Final

from otel_jcmc.catalogue.own import OWN_METRICS
from otel_jcmc.metrics.figures import Buckets, Tables, add_buckets, sum_buckets
from otel_jcmc.metrics.histograms import Distribution, Family

# From a push on an idle machine (0.5 ms) to the deadline (0.9 s), and to a collection of thousands.
BOUNDS: Final = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
# No value is below the first bound: a bucket then has the place that it has in a list that begins
# with the sum.
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
        """Count *seconds* for *name* and, if it has one, *label*."""
        table = self._tables[name]
        buckets = table.get(label)
        if buckets is None:
            buckets = table[label] = _zeros()
        buckets[bisect_left(_PLACED, seconds)] += 1
        buckets[0] += seconds

    def figures(self) -> Tables:
        """Return a copy of the counts."""
        return {name: sum_buckets([table]) for name, table in self._tables.items()}

    def resume(self, left: Tables) -> None:
        """Continue from the counts that a former process has *left*."""
        for name, table in self._tables.items():
            add_buckets(table, left.get(name, {}))

    def collect(self, others: Sequence[Tables] = ()) -> list[Family]:
        """Return the counts of this process and of *others*, without empty ones."""
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
    """Return an empty sum and empty buckets."""
    return [0] * (len(BOUNDS) + 2)
