"""
Remembers which series a receiver has, and for which ended series it still needs an end point.

The caller names the series of each collection. It gets back the series to end: those that were in
an earlier collection and are missing now. OTLP ends a series by a point without a value, here
called an end point: a Collector's Prometheus exporter then drops the series, and Prometheus marks
it as stale. Without an end point, a receiver continues to show the last value.

Source: opentelemetry-proto, metrics.proto (DataPointFlags); OpenTelemetry specification,
metrics/data-model.md, "No recorded value".
"""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

# Each end point is sent twice. So the receiver gets it even if it accepts a request and loses it.
TIMES: Final = 2
_NO_RECORDED_VALUE: Final = 1
# The kinds of metrics whose series may end. Our histograms never end.
_NUMBERS: Final = ("gauge", "sum")


class Over(NamedTuple):
    """
    The series of one metric that are over.

    Attributes:
        head: the metric without points, from the last collection that had this metric.
        series: each series as bytes, in the form that the caller gave to `tell`.
    """

    head: Any
    series: list[bytes]


class Told:
    """
    Remembers which series one receiver has from this process.

    For each collection call `begin`, then `tell` for each metric, then `rest`, then `end` with the
    outcome. An ended series is returned in each collection until the receiver has accepted TIMES of
    these collections, or until the series comes back.

    Concurrency: one collection at a time.
    """

    def __init__(self) -> None:
        """Begin without series: the receiver has none from this process."""
        self.forget()

    def forget(self) -> None:
        """Forget all series: another process sends them to the receiver now, or ends them."""
        self._told: dict[str, set[bytes]] = {}
        # For the current collection: metric -> its new series, and its missing series.
        self._now: dict[str, tuple[set[bytes], set[bytes]]] = {}
        # Metric -> series -> how many times its end point must still be sent.
        self._owed: dict[str, dict[bytes, int]] = {}
        self._heads: dict[str, Any] = {}

    @property
    def any(self) -> bool:
        """Whether the receiver has series from us that were not ended yet."""
        return bool(self._heads)

    def begin(self) -> None:
        """Begin a collection."""
        self._now = {}

    def tell(self, name: str, head: Any, series: set[bytes]) -> list[bytes]:
        """Note the *series* of the metric *name*; return its earlier series that are over."""
        owed, before = self._owed.setdefault(name, {}), self._told.setdefault(name, set())
        gone = before - series
        owed |= dict.fromkeys(gone, TIMES)
        for each in owed.keys() & series:
            del owed[each]
        # Only new series are kept here, to save memory: of half a million series, few are new.
        is_more = len(series) > len(before) - len(gone)
        self._now[name] = (series - before if is_more else set()), gone
        self._heads[name] = head
        return list(owed)

    def rest(self) -> Iterator[Over]:
        """Return the ended series of each metric that this collection does not have."""
        for name in [each for each in self._heads if each not in self._now]:
            head = self._heads[name]
            if series := self.tell(name, head, set()):
                yield Over(head, series)

    def end(self, *, is_taken: bool) -> None:
        """End the collection; *is_taken*: whether the receiver has certainly accepted all of it."""
        for name, (new, gone) in self._now.items():
            self._told[name] |= new
            if is_taken:
                self._told[name] -= gone
                self._owed[name] = {each: n - 1 for each, n in self._owed[name].items() if n > 1}
                if not self._told[name] and not self._owed[name]:
                    del self._told[name], self._owed[name], self._heads[name]


def add_over(request: Any, told: Told, time_unix_nano: int) -> None:
    """Add end points to *request*, a whole collection, for series that *told* knows to be over."""
    told.begin()
    scopes = [scope for of in request.resource_metrics for scope in of.scope_metrics]
    for metric in [metric for scope in scopes for metric in scope.metrics]:
        kind = metric.WhichOneof("data")
        if kind not in _NUMBERS:
            continue
        points = getattr(metric, kind).data_points
        series = {_series(point) for point in points}
        head = type(metric)()
        head.CopyFrom(metric)
        del getattr(head, kind).data_points[:]
        _add(points, told.tell(metric.name, head, series), time_unix_nano)
    if scopes:
        for over in told.rest():
            metric = scopes[-1].metrics.add()
            metric.CopyFrom(over.head)
            points = getattr(metric, metric.WhichOneof("data")).data_points
            _add(points, over.series, time_unix_nano)


def _series(point: Any) -> bytes:
    """Return the attributes of *point* as bytes; their order makes no difference."""
    only = type(point)()
    only.attributes.extend(sorted(point.attributes, key=lambda each: each.key))
    return bytes(only.SerializeToString(deterministic=True))


def _add(points: Any, series: list[bytes], time_unix_nano: int) -> None:
    for each in series:
        point = points.add()
        point.MergeFromString(each)
        point.time_unix_nano = time_unix_nano
        point.flags = _NO_RECORDED_VALUE
