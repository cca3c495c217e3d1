"""
Counts the durations of batches of pushes and of collections in histograms.

A caller records each duration in seconds. The histograms have the same form as the fleet's
histograms. The buckets are plain lists, because the SDK takes 6 µs to record one value.
"""

from bisect import bisect_left
from collections.abc import Sequence
from math import inf
from time import time_ns
from typing import Final

from otel_jcmc.catalogue.own import OWN_METRICS
from otel_jcmc.metrics.figures import Buckets, Tables, add_buckets, sum_buckets
from otel_jcmc.metrics.histograms import Distribution, Family

# Upper bounds in s: a push takes from 0.5 ms (on an idle machine) to 0.9 s (its deadline), and a
# collection of thousands of participants takes seconds.
BOUNDS: Final = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
# A list of buckets begins with the sum, so the first bucket has index 1. With a first bound below
# every value, `bisect` returns this index.
_PLACED: Final = (-inf, *BOUNDS)
_ROWS: Final = [row for row in OWN_METRICS if row.kind == "histogram"]


class Durations:
    """
    Counts the durations of one process.

    Concurrency: call `record` from one event loop. Call the other methods from any thread, also
    while `record` runs.
    """

    def __init__(self) -> None:
        """Begin with nothing counted."""
        self._since = time_ns()
        self._tables: Tables = {row.name: {} for row in _ROWS}

    def record(self, name: str, seconds: float, label: str = "") -> None:
        """Count *seconds* in the histogram *name*, under *label* if that histogram has a label."""
        table = self._tables[name]
        buckets = table.get(label)
        if buckets is None:
            buckets = table[label] = _zeros()
        buckets[bisect_left(_PLACED, seconds)] += 1
        buckets[0] += seconds

    def figures(self) -> Tables:
        """Return a copy of the counts: name of the histogram -> label -> buckets."""
        return {name: sum_buckets([table]) for name, table in self._tables.items()}

    def resume(self, left: Tables) -> None:
        """Continue from the counts that a former process has *left*."""
        for name, table in self._tables.items():
            add_buckets(table, left.get(name, {}))

    def collect(self, others: Sequence[Tables] = ()) -> list[Family]:
        """Add *others* to this process's histograms; return the sums that are not empty."""
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
    """Return a list with the sum and the counts of all buckets, each 0."""
    return [0] * (len(BOUNDS) + 2)
