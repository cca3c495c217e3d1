"""
Counts the figures of each push in histograms, by the region of its bridge.

intake/intake.py calls `count` for each push that Redis has stored. The scrape (prometheus.py) and
OTLP (otlp/histograms.py) export the histograms, in the chosen naming. The histograms' rows are in
catalogue/fleet.py. Each process counts its own pushes, from its start, or from the counts of an
earlier process in its place. It counts in plain lists: for a push, all five histograms take 0.6 µs,
and the SDK would take 4 µs for one value. Browsers choose the region's text, so each process counts
only a limited number of regions separately.
"""

from bisect import bisect_left
from collections.abc import Sequence
from math import inf
from time import time_ns
from typing import Any, Final, NamedTuple

from otel_jcmc.catalogue.attributes import REGION
from otel_jcmc.catalogue.fleet import Histogram, histograms
from otel_jcmc.catalogue.levels import OTEL_LABELS, OTHER, Label
from otel_jcmc.catalogue.metrics import LIST_ID, METRICS, MOS_ID
from otel_jcmc.catalogue.rows import Naming
from otel_jcmc.metrics.figures import Buckets, Tables, add_buckets, sum_buckets
from otel_jcmc.verdict.judge import slowest
from otel_jcmc.wire.push import Report

_AT: Final = {row.field: row.id - 1 for row in METRICS}
_LOSS_UP, _LOSS_DOWN = _AT["packetloss_upload"], _AT["packetloss_download"]
_TRIP, _MOS, _PATHS = _AT["round_trip_time"], MOS_ID - 1, LIST_ID - 1
_OUTAGE_DOWN, _OUTAGE_UP = _AT["outage_down"], _AT["outage_up"]
_BITRATE_DOWN: Final = _AT["bitrate_download"]
_REGION: Final = REGION.id


class Distribution(NamedTuple):
    """
    The counts of one histogram in one region.

    Attributes:
        bounds: upper bounds of all buckets except the last, which has none.
        counts: number of values in each bucket, without those of lower buckets; one more than
            bounds.
        total: sum of the values; the value that is just being counted may be missing.
    """

    labels: dict[str, str]
    bounds: tuple[float, ...]
    counts: list[int]
    total: float


class Family(NamedTuple):
    """
    One histogram to export: its name, unit and description, and the counts of each region.

    Attributes:
        since_unix_nano: Unix time in ns at which the counting began.
    """

    name: str
    unit: str
    description: str
    since_unix_nano: int
    distributions: list[Distribution]


class Histograms:
    """
    Counts the fleet's histograms in one process.

    Concurrency: call `count` from one event loop, and `collect` from any thread, also while
    `count` runs.
    """

    def __init__(
        self,
        naming: Naming = Naming.JCMC,
        prefix: str = "jitsi_jcmc_",
        bad_loss: float = 5,
        bad_round_trip_ms: float = 400,
        most_regions: int = 50,
    ) -> None:
        """
        Begin with nothing counted.

        Args:
            prefix: begins each name in the `jcmc` naming.
            most_regions: number of regions that are counted separately; further regions are counted
                as `other`; 0: no limit.
        """
        self._rows = histograms(bad_loss, bad_round_trip_ms)
        self._naming, self._prefix = naming, prefix
        self._most_regions = most_regions
        self._since = time_ns()
        # A list of buckets begins with the sum, so the first bucket has index 1. With a first bound
        # below every value, `bisect` returns this index.
        placed = [(-inf, *row.bounds) for row in self._rows]
        self._loss, _, self._trips, self._scores, self._outages = placed
        self._sizes = [len(bounds) + 1 for bounds in placed]
        # Region -> its counts; `other` for regions beyond the limit, an empty name for pushes
        # without a region.
        self._counted: dict[str, list[Buckets]] = {}

    def count(self, report: Report) -> None:
        """Count the values that *report* itself has, without values kept from earlier pushes."""
        numbers = report.numbers if report.sent is None else report.sent
        up, down, trip = numbers[_LOSS_UP], numbers[_LOSS_DOWN], numbers[_TRIP]
        if not report.session.id:
            up, down, trip = _of_original(numbers)
        region = report.attributes.get(_REGION, "")
        ups, downs, trips, scores, outages = self._counted.get(region) or self._begin(region)
        # Each histogram has its own lines, because a loop over the histograms takes twice the time.
        if up is not None:
            ups[bisect_left(self._loss, up)] += 1
            ups[0] += up
        if down is not None:
            downs[bisect_left(self._loss, down)] += 1
            downs[0] += down
        if trip is not None:
            trips[bisect_left(self._trips, trip)] += 1
            trips[0] += trip
        if (score := numbers[_MOS]) is not None:
            scores[bisect_left(self._scores, score)] += 1
            scores[0] += score
        outage, other = numbers[_OUTAGE_DOWN], numbers[_OUTAGE_UP]
        if outage is None or (other is not None and other > outage):
            outage = other
        if outage is not None:
            outages[bisect_left(self._outages, outage)] += 1
            outages[0] += outage

    def _begin(self, region: str) -> list[Buckets]:
        """Return the counts for a new *region*: its own, or those of `other` at the limit."""
        named = self._counted.keys() - {"", OTHER}
        if region and 0 < self._most_regions <= len(named):
            region = OTHER
        return self._counted.setdefault(region, [[0] * size for size in self._sizes])

    def figures(self) -> Tables:
        """Return a copy of the counts: field of the histogram's row -> region -> counts."""
        return {
            row.field: sum_buckets([self._table(place)]) for place, row in enumerate(self._rows)
        }

    def resume(self, left: Tables) -> None:
        """Continue from the counts that a former process has *left*."""
        for place, row in enumerate(self._rows):
            for region, buckets in left.get(row.field, {}).items():
                counted = self._counted.get(region) or self._begin(region)
                add_buckets({region: counted[place]}, {region: buckets})

    def collect(self, others: Sequence[Tables] = ()) -> list[Family]:
        """Add *others* to this process's histograms; return the sums that are not empty."""
        families: dict[str, Family] = {}
        for place, row in enumerate(self._rows):
            tables = [self._table(place), *(other.get(row.field, {}) for other in others)]
            found = [
                self._distribution(row, region, buckets)
                for region, buckets in sum_buckets(tables).items()
                if any(buckets)
            ]
            if found:
                family = self._family(row)
                families.setdefault(family.name, family).distributions.extend(found)
        return list(families.values())

    def _table(self, place: int) -> dict[str, Buckets]:
        """Return region -> buckets of the row at *place*, no copies: `count` adds to them."""
        # Another thread may add regions. A copy of the dict is safe, because it is one step of the
        # interpreter. A list of the dict's items is not safe: it makes tuples, which may start a
        # garbage collection, and then another thread may run.
        return {region: counted[place] for region, counted in self._counted.copy().items()}

    def _family(self, row: Histogram) -> Family:
        """Return the histogram of *row* without any counts."""
        if self._naming is Naming.JCMC:
            # No unit: a Collector would add it to the name.
            return Family(self._prefix + row.field, "", row.brief, self._since, [])
        return Family(row.otel_name, row.metric.otel_unit, row.brief, self._since, [])

    def _distribution(self, row: Histogram, region: str, counts: Buckets) -> Distribution:
        """Return *counts* of *row* with the unit and the labels of the naming."""
        total, *buckets = counts
        labels: dict[str, str] = {}
        bounds = row.bounds
        if self._naming is Naming.OTEL:
            times, per = row.metric.times, row.metric.per
            bounds = tuple(bound * times / per for bound in bounds)
            total = total * times / per
            labels.update(row.otel_attributes)
        if region:
            is_ours = self._naming is Naming.JCMC
            labels[Label.REGION if is_ours else OTEL_LABELS[Label.REGION]] = region
        return Distribution(labels, bounds, [int(each) for each in buckets], total)


def _of_original(numbers: list[Any]) -> tuple[float | None, float | None, float | None]:
    """
    Return loss up, loss down and round trip in a push of the original JCMC; None: not known.

    The original's page always reports a loss up of 0, so this value is not known. If no media
    arrives, it reports a loss down of 0 and repeats its last round trip; then no value is known.
    """
    if not numbers[_BITRATE_DOWN]:
        return None, None, None
    trip = numbers[_TRIP]
    return None, numbers[_LOSS_DOWN], slowest(numbers[_PATHS]) if trip is None else trip
