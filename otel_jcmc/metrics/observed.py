"""
What a gauge's callback observes: many values, each with its label set.

A callback returns `Observed`, an iterable of the API's Observations, which is what it has to
return, so any provider takes it. Ours reads the columns behind it: 130,000 objects that are made
to be read once were a third of a scrape. Made by gauges.py, read by provider.py and the exporters.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Self

from opentelemetry.metrics import Observation

from otel_jcmc.store.packed import Packed, unpack


class Labels:
    """
    One label set, shared by the series that have it, and kept from collection to collection.

    It has room for what an exporter makes of it, and no dict: a participant has four or more.

    Attributes:
        names: none of them twice; one tuple for all sets that have the same.
        values: one for each name.
        text: what prometheus.py has made of it; empty before.
        encoded: what otlp/points.py has made of it; empty before.
    """

    __slots__ = ("encoded", "names", "text", "values")

    def __init__(self, names: tuple[str, ...], values: tuple[str, ...]) -> None:
        """Take *names* and their *values*."""
        self.names = names
        self.values = values
        self.text = ""
        self.encoded = b""

    @classmethod
    def of(cls, labels: Mapping[str, str]) -> Self:
        """Return the label set that has *labels*."""
        return cls(tuple(labels), tuple(labels.values()))

    @property
    def pairs(self) -> dict[str, str]:
        """Name -> value. Made anew each time."""
        return dict(zip(self.names, self.values, strict=True))


class Column:
    """
    Some observations side by side.

    Attributes:
        labels: the label sets, in the order of the values. May be shared with other columns.
    """

    __slots__ = ("_values", "labels")

    def __init__(self, values: Sequence[float | None] | Packed, labels: Sequence[Labels]) -> None:
        """Take *values* and *labels*, of the same length."""
        self._values = values
        self.labels = labels

    @property
    def values(self) -> Sequence[float | None]:
        """One number for each label set; None: that one is not observed. May be made anew."""
        if isinstance(self._values, Packed):
            return unpack(self._values, len(self.labels))
        return self._values

    def known(self) -> Iterator[tuple[float, Labels]]:
        """Go through those that are observed."""
        for value, labels in zip(self.values, self.labels, strict=True):
            if value is not None:
                yield value, labels


class Observed(Iterable[Observation]):
    """
    What one callback has observed.

    Attributes:
        columns: in the order of the snapshot; of a size that bounds how long one step takes.
    """

    __slots__ = ("columns",)

    def __init__(self, columns: list[Column]) -> None:
        """Take *columns*."""
        self.columns = columns

    def __iter__(self) -> Iterator[Observation]:
        """Go through all of it as the API has it."""
        for column in self.columns:
            for value, labels in column.known():
                yield Observation(value, labels.pairs)

    @classmethod
    def gather(cls, observations: Iterable[Observation]) -> "Observed":
        """Return any callback's *observations*."""
        if isinstance(observations, cls):
            return observations
        found = list(observations)
        labels = [
            Labels.of({name: str(value) for name, value in (each.attributes or {}).items()})
            for each in found
        ]
        return cls([Column([each.value for each in found], labels)])
