"""
Remembers which series a receiver has, and which ended series it must still be told about.

The series of each collection come in. The series to end go out: those of an earlier collection that
the new collection lacks. OTLP ends a series by a point without a value: a Collector's Prometheus
exporter then drops the series, and Prometheus marks it as stale. Without such a point, a receiver
goes on showing the last value.

Source: opentelemetry-proto, metrics.proto (DataPointFlags); OpenTelemetry specification,
metrics/data-model.md, "No recorded value".
"""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

# Each end is sent twice: a receiver that loses one request after taking it still gets the end.
TIMES: Final = 2
_NO_RECORDED_VALUE: Final = 1
# Kinds of metrics whose points are numbers; our histograms never end.
_NUMBERS: Final = ("gauge", "sum")


class Over(NamedTuple):
    """
    The series of one metric that are over.

    Attributes:
        head: the metric without points, from the last collection that had it.
        series: each as bytes, in the caller's own form.
    """

    head: Any
    series: list[bytes]


class Told:
    """
    The series that one receiver has from us.

    A collection begins, tells its metrics one by one, and ends with its outcome. The end of a
    series is told in TIMES collections that the receiver takes, unless the series comes back.

    Concurrency: one collection at a time.
    """

    def __init__(self) -> None:
        """Begin with a receiver that has no series from us."""
        self.forget()

    def forget(self) -> None:
        """Forget all series: another process sends them to the receiver now, or ends them."""
        self._told: dict[str, set[bytes]] = {}
        # For the current collection: metric -> its new series, and its missing series.
        self._now: dict[str, tuple[set[bytes], set[bytes]]] = {}
        # Metric -> series -> how often its end must still be told.
        self._owed: dict[str, dict[bytes, int]] = {}
        self._heads: dict[str, Any] = {}

    @property
    def any(self) -> bool:
        """Whether the receiver has a series from us that it does not know to be over."""
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
        # Only new series are kept here: of half a million series, few are new.
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
        """End the collection; *is_taken*: the receiver has all of it; otherwise that is unknown."""
        for name, (new, gone) in self._now.items():
            self._told[name] |= new
            if is_taken:
                self._told[name] -= gone
                self._owed[name] = {each: n - 1 for each, n in self._owed[name].items() if n > 1}
                if not self._told[name] and not self._owed[name]:
                    del self._told[name], self._owed[name], self._heads[name]


def add_over(request: Any, told: Told, time_unix_nano: int) -> None:
    """Add the ends of series by *told* to *request*, one collection of gauges and counters."""
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
    """Return the attributes of *point* as bytes, which are the same in any order."""
    only = type(point)()
    only.attributes.extend(sorted(point.attributes, key=lambda each: each.key))
    return bytes(only.SerializeToString(deterministic=True))


def _add(points: Any, series: list[bytes], time_unix_nano: int) -> None:
    for each in series:
        point = points.add()
        point.MergeFromString(each)
        point.time_unix_nano = time_unix_nano
        point.flags = _NO_RECORDED_VALUE
