"""
Which series a receiver was told of, and which of them it is still to hear are over.

In go the series of one collection after the other, out come those that are told as over: they were
in an earlier one and are not in this. OTLP says it by a point without a value: a Collector's page
drops such a series, Prometheus marks it as stale. Without it a receiver shows the last value on.

Source: opentelemetry-proto, metrics.proto (DataPointFlags); OpenTelemetry specification,
metrics/data-model.md, "No recorded value".
"""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

# Whoever loses one request of ours after it was taken still hears of it.
TIMES: Final = 2
_NO_RECORDED_VALUE: Final = 1
# Kinds of metrics whose points are numbers; histograms of ours never end.
_NUMBERS: Final = ("gauge", "sum")


class Over(NamedTuple):
    """
    What is over of one metric.

    Attributes:
        head: what its points stand under, as the collection that had it last has told.
        series: each as bytes, in the caller's own form.
    """

    head: Any
    series: list[bytes]


class Told:
    """
    The series of one receiver.

    A collection begins, tells its metrics one by one, and ends with what became of it. What is over
    is told in so many collections that were taken as TIMES says, and no more once it is back.

    Concurrency: one collection at a time.
    """

    def __init__(self) -> None:
        """Begin with a receiver that was told nothing."""
        self.forget()

    def forget(self) -> None:
        """Begin anew: another process has told the receiver, or will."""
        self._told: dict[str, set[bytes]] = {}
        # Of the collection that has begun: what of each metric is new, and what is not there.
        self._now: dict[str, tuple[set[bytes], set[bytes]]] = {}
        # Metric -> series -> how often it is still to be told as over.
        self._owed: dict[str, dict[bytes, int]] = {}
        self._heads: dict[str, Any] = {}

    @property
    def any(self) -> bool:
        """Whether the receiver was told of something that is not over yet, as far as it knows."""
        return bool(self._heads)

    def begin(self) -> None:
        """Begin a collection."""
        self._now = {}

    def tell(self, name: str, head: Any, series: set[bytes]) -> list[bytes]:
        """Take note of the *series* of the metric *name*; return those of it that are over."""
        owed, before = self._owed.setdefault(name, {}), self._told.setdefault(name, set())
        gone = before - series
        owed |= dict.fromkeys(gone, TIMES)
        for each in owed.keys() & series:
            del owed[each]
        # Not the series themselves: there are half a million, and few of them are new.
        is_more = len(series) > len(before) - len(gone)
        self._now[name] = (series - before if is_more else set()), gone
        self._heads[name] = head
        return list(owed)

    def rest(self) -> Iterator[Over]:
        """Return what is over of each metric that this collection did not tell of."""
        for name in [each for each in self._heads if each not in self._now]:
            head = self._heads[name]
            if series := self.tell(name, head, set()):
                yield Over(head, series)

    def end(self, *, is_taken: bool) -> None:
        """End the collection: the receiver has taken all of it, or nobody knows how much."""
        for name, (new, gone) in self._now.items():
            self._told[name] |= new
            if is_taken:
                self._told[name] -= gone
                self._owed[name] = {each: n - 1 for each, n in self._owed[name].items() if n > 1}
                if not self._told[name] and not self._owed[name]:
                    del self._told[name], self._owed[name], self._heads[name]


def add_over(request: Any, told: Told, time_unix_nano: int) -> None:
    """Add to *request*, one collection of gauges and counters, what is over of them by *told*."""
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
    """Return the attributes of *point* as bytes, the same whatever their order."""
    only = type(point)()
    only.attributes.extend(sorted(point.attributes, key=lambda each: each.key))
    return bytes(only.SerializeToString(deterministic=True))


def _add(points: Any, series: list[bytes], time_unix_nano: int) -> None:
    for each in series:
        point = points.add()
        point.MergeFromString(each)
        point.time_unix_nano = time_unix_nano
        point.flags = _NO_RECORDED_VALUE
