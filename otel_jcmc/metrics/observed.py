"""
Holds the observations of a gauge's callback: many values, each with its label set.

A callback returns `Observed`, an iterable of the API's Observations, so any provider can read it.
Our exporters read the columns in `Observed` instead. With 130,000 Observation objects, each read
once, making the objects took a third of the time of a scrape. gauges.py makes the columns.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Self

from opentelemetry.metrics import Observation

from otel_jcmc.store.packed import Packed, unpack


class Labels:
    """
    One label set. Several series share this object, and it is kept for later collections.

    The object keeps the label set in the forms of both exporters. It has slots and no dict, to save
    memory: a participant has four or more label sets. All of them begin with the same labels, so
    each has only the values that it adds to its base.

    Attributes:
        names: all names, without duplicates; sets with equal names share one tuple.
        added: the values of the last names, those that *base* does not have.
        base: the label set whose labels come first, at least one; None: there is none.
        text: the added labels in the form of prometheus.py; empty until made.
        encoded: the label set in the form of otlp/points.py; empty until made.
    """

    __slots__ = ("added", "base", "encoded", "names", "text")

    def __init__(
        self, names: tuple[str, ...], added: tuple[str, ...], base: "Labels | None" = None
    ) -> None:
        """Take all *names*, and the *added* values of those that *base* does not have."""
        self.names = names
        self.added = added
        self.base = base
        self.text = ""
        self.encoded = b""

    @classmethod
    def of(cls, labels: Mapping[str, str]) -> Self:
        """Return the label set that has *labels*."""
        return cls(tuple(labels), tuple(labels.values()))

    @property
    def values(self) -> tuple[str, ...]:
        """A value for each name."""
        return self.added if self.base is None else self.base.values + self.added

    @property
    def pairs(self) -> dict[str, str]:
        """The labels as a dict, name -> value. Each access makes a new dict."""
        return dict(zip(self.names, self.values, strict=True))


class Column:
    """
    Observations as two parallel lists: the values and their label sets.

    Attributes:
        labels: the label sets, in the order of the values. Other columns may share this list.
    """

    __slots__ = ("_values", "labels")

    def __init__(self, values: Sequence[float | None] | Packed, labels: Sequence[Labels]) -> None:
        """Take *values* and *labels*, of the same length."""
        self._values = values
        self.labels = labels

    @property
    def values(self) -> Sequence[float | None]:
        """The value for each label set; None: no value. Each access may make a new list."""
        if isinstance(self._values, Packed):
            return unpack(self._values, len(self.labels))
        return self._values

    def known(self) -> Iterator[tuple[float, Labels]]:
        """Yield each value that is not None, with its labels."""
        for value, labels in zip(self.values, self.labels, strict=True):
            if value is not None:
                yield value, labels


class Observed(Iterable[Observation]):
    """
    The observations of one callback.

    Attributes:
        columns: one for each part of the snapshot, in its order. A collection handles a column
            in one step, so a column's size limits the time of a step.
    """

    __slots__ = ("columns",)

    def __init__(self, columns: list[Column]) -> None:
        """Take *columns*."""
        self.columns = columns

    def __iter__(self) -> Iterator[Observation]:
        """Yield all observations in the API's form."""
        for column in self.columns:
            for value, labels in column.known():
                yield Observation(value, labels.pairs)

    @classmethod
    def gather(cls, observations: Iterable[Observation]) -> "Observed":
        """Convert the *observations* of any callback to columns."""
        if isinstance(observations, cls):
            return observations
        found = list(observations)
        labels = [
            Labels.of({name: str(value) for name, value in (each.attributes or {}).items()})
            for each in found
        ]
        return cls([Column([each.value for each in found], labels)])
