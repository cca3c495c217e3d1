"""
Counts in buckets how long each batch of pushes and each collection took.

Seconds come in. Histograms go out, in the same form as the fleet's histograms. The buckets are
plain lists, because the SDK takes 6 µs to record one value.
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
# The first bound is below every value. `bisect` then returns a bucket's index in a list that begins
# with the sum.
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
        """Return a copy of the counts."""
        return {name: sum_buckets([table]) for name, table in self._tables.items()}

    def resume(self, left: Tables) -> None:
        """Continue from the counts that a former process has *left*."""
        for name, table in self._tables.items():
            add_buckets(table, left.get(name, {}))

    def collect(self, others: Sequence[Tables] = ()) -> list[Family]:
        """Return the sums of this process's and *others*' histograms, without empty histograms."""
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
