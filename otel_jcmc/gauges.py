"""
The catalogue's rows as OpenTelemetry observable gauges, in one naming or the other.

`declare` takes any Meter and declares one gauge for each series name. The callbacks read the
current snapshot and return observations, nothing else: what is not in the snapshot is not
observed, and so is gone from the very next collection. Series that would have the same labels
become one, with the worst value.

A snapshot has a column of numbers for each metric, and here it gets one of label sets for each way
to label, so that a callback handles thousands of values in a few steps.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from opentelemetry.metrics import CallbackOptions, Meter

from otel_jcmc.catalogue import INFO_BRIEF, INFO_NAME, METRICS, Metric, Naming
from otel_jcmc.labels import LabelSets, labels_of, place_of
from otel_jcmc.observations import Column, Labels
from otel_jcmc.snapshot import Snapshot, current


@dataclass(frozen=True, slots=True)
class Instrument:
    """One gauge: its rows of the catalogue and how it is named."""

    name: str
    unit: str
    description: str
    rows: tuple[Metric, ...]


def instruments(naming: Naming, prefix: str = "jitsi_jcmc_") -> list[Instrument]:
    """Return the gauges of *naming*; *prefix* stands before the names in the `jcmc` naming."""
    if naming is Naming.JCMC:
        # No unit: a Collector would add it to names that dashboards know without it.
        return [Instrument(prefix + row.field, "", row.brief, (row,)) for row in METRICS]
    rows_of: dict[str, list[Metric]] = {}
    for row in METRICS:
        rows_of.setdefault(row.otel_name, []).append(row)
    made = [
        Instrument(name, rows[0].otel_unit, _common_brief(rows), tuple(rows))
        for name, rows in rows_of.items()
    ]
    return [*made, Instrument(INFO_NAME, "", INFO_BRIEF, ())]


def declare(meter: Meter, naming: Naming, prefix: str = "jitsi_jcmc_") -> None:
    """Declare every gauge of *naming* on *meter*; what its callbacks read is `snapshot.current`."""
    for instrument in instruments(naming, prefix):
        meter.create_observable_gauge(
            instrument.name,
            [partial(_observe, naming, row) for row in instrument.rows] or [_observe_info],
            instrument.unit,
            instrument.description,
        )


def _common_brief(rows: list[Metric]) -> str:
    """Return one line for the *rows* that share a name in the `otel` naming."""
    return rows[0].brief if len(rows) == 1 else f"{rows[0].panel}, by its attributes"


def _observe(naming: Naming, row: Metric, _options: CallbackOptions) -> Column:
    """Return the observations of one *row* in the current snapshot."""
    snapshot = current()
    known = snapshot.numbers[row.id - 1]
    if row.is_list:
        column = _paths(row, known, snapshot.derive(_LABEL_SETS[naming]))
    else:
        column = Column(known, snapshot.derive(_LABELS[naming, place_of(naming, row)]))
    if naming is Naming.JCMC:
        return column
    if snapshot.derive(_has_twins):
        column = _one_each(column, row)
    return Column(_scaled(column.values, row), column.labels)


def _observe_info(_options: CallbackOptions) -> Column:
    """Return a 1 for each participant, with what describes it; twins have one between them."""
    snapshot = current()
    labels = snapshot.derive(_LABELS[Naming.OTEL, -1])
    if snapshot.derive(_has_twins):
        # Two would fail every query that joins on the identity.
        labels = list(dict(zip(_identities(snapshot), labels, strict=True)).values())
    return Column([1] * len(labels), labels)


def _paths(row: Metric, known: list[Any], sets: list[LabelSets]) -> Column:
    """Return one observation for each transport that has labels of its own."""
    values: list[float | None] = []
    labels: list[Labels] = []
    for here, made in zip(known, sets, strict=True):
        if here:
            column = Column(here, made.paths[row.id])
            if len(here) > 1:
                column = _one_each(column, row)
            values += column.values
            labels += column.labels
    return Column(values, labels)


def _scaled(values: Sequence[float | None], row: Metric) -> Sequence[float | None]:
    """Return wire *values* in the unit of the `otel` naming."""
    times, per = row.times, row.per
    if times == per:
        return values
    if per == 1:  # whole numbers stay whole
        return [None if value is None else value * times for value in values]
    return [None if value is None else value * times / per for value in values]


def _one_each(column: Column, row: Metric) -> Column:
    """Return *column* with one observation for each label set, the worst."""
    worst = min if row.lower_is_worse else max
    found: dict[frozenset[tuple[str, str]], tuple[float, Labels]] = {}
    for value, labels in column.known():
        key = frozenset(labels.items())
        before = found.get(key, (value, labels))
        found[key] = (worst(before[0], value), labels)
    values, sets = zip(*found.values(), strict=True) if found else ((), ())
    return Column(values, sets)


def _label_sets(naming: Naming, snapshot: Snapshot) -> list[LabelSets]:
    """Return the label sets of each participant."""
    return [labels_of(naming, stay) for stay in snapshot.stays]


def _labels(naming: Naming, place: int, snapshot: Snapshot) -> list[Labels]:
    """Return the label set of each participant at one *place* among its sets."""
    return [each.sets[place] for each in snapshot.derive(_LABEL_SETS[naming])]


def _has_twins(snapshot: Snapshot) -> bool:
    """
    Say whether two participants have the same labels in the `otel` naming.

    It has no client id, so a forged session id can do that. In the `jcmc` naming it can't be: the
    labels are what makes the key.
    """
    return len(set(_identities(snapshot))) < len(snapshot.stays)


def _identities(snapshot: Snapshot) -> list[tuple[str, ...]]:
    """Return the labels that all series of each participant have, in the `otel` naming."""
    return [tuple(each.values()) for each in snapshot.derive(_LABELS[Naming.OTEL, 0])]


# One object for each, because a snapshot derives by it.
_LABEL_SETS: Final = {naming: partial(_label_sets, naming) for naming in Naming}
_LABELS: Final = {
    (naming, place): partial(_labels, naming, place)
    for naming in Naming
    for place in {-1, *(place_of(naming, row) for row in METRICS)}
}
