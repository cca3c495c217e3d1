"""
Declares the catalogue's rows as OpenTelemetry observable gauges, in the `jcmc` or `otel` naming.

`declare` takes any Meter and declares one gauge for each series name. The callbacks only read the
current snapshot and return observations. A participant that has left is not in the snapshot, so its
series end at the next collection. If several series have equal labels, one series is exported, with
the worst of their values.

A snapshot has a column of numbers for each metric. This module adds columns with the label set of
each participant, so that a callback handles thousands of values in a few steps.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any, Final

from opentelemetry.metrics import CallbackOptions, Meter

from otel_jcmc.catalogue.metrics import (
    CAUSE_ID,
    INFO_BRIEF,
    INFO_FIELD,
    INFO_NAME,
    METRICS,
    ROLE_BRIEF,
    ROLE_NAME,
    STATE_ID,
    VERDICT_BRIEF,
    VERDICT_FIELD,
    VERDICT_NAME,
)
from otel_jcmc.catalogue.rows import Metric, Naming
from otel_jcmc.metrics.labels import LabelSets, labels_of, place_of
from otel_jcmc.metrics.observed import Column, Labels, Observed
from otel_jcmc.metrics.seen import who_is
from otel_jcmc.metrics.snapshot import Part, Snapshot, current
from otel_jcmc.verdict.reach import Reach
from otel_jcmc.verdict.record import Look
from otel_jcmc.verdict.rules import DOWNLINK_OR_RECEIVED, UNKNOWN, WORD_OF
from otel_jcmc.verdict.standing import sender_name


@dataclass(frozen=True, slots=True)
class Instrument:
    """The name, unit and description of one gauge, and the catalogue's rows that it exports."""

    name: str
    unit: str
    description: str
    rows: tuple[Metric, ...]


def instruments(naming: Naming, prefix: str = "jitsi_jcmc_") -> list[Instrument]:
    """Return the gauges of *naming*; *prefix* begins each name in the `jcmc` naming."""
    if naming is Naming.JCMC:
        # No unit, because a Collector would add a unit to the names, and dashboards use the names
        # without units.
        made = [Instrument(prefix + row.field, "", row.brief, (row,)) for row in METRICS]
        made.append(Instrument(prefix + INFO_FIELD, "", INFO_BRIEF, ()))
        made.append(Instrument(prefix + VERDICT_FIELD, "", VERDICT_BRIEF, ()))
        return [*made, Instrument(prefix + ROLE_NAME, "", ROLE_BRIEF, ())]
    rows_of: dict[str, list[Metric]] = {}
    for row in METRICS:
        rows_of.setdefault(row.otel_name, []).append(row)
    made = [
        Instrument(name, rows[0].otel_unit, _common_brief(rows), tuple(rows))
        for name, rows in rows_of.items()
    ]
    made.append(Instrument(VERDICT_NAME, "", VERDICT_BRIEF, ()))
    return [*made, Instrument(INFO_NAME, "", INFO_BRIEF, ())]


def declare(meter: Meter, naming: Naming, prefix: str = "jitsi_jcmc_") -> None:
    """Declare every gauge of *naming* on *meter*; their callbacks read `snapshot.current`."""
    for instrument in instruments(naming, prefix):
        meter.create_observable_gauge(
            instrument.name,
            [partial(_observe, naming, row) for row in instrument.rows]
            or [_OTHERS[instrument.description](naming)],
            instrument.unit,
            instrument.description,
        )


def _common_brief(rows: list[Metric]) -> str:
    """Return the description of the gauge of *rows*, which share a name in the `otel` naming."""
    return rows[0].brief if len(rows) == 1 else f"{rows[0].panel}, by its attributes"


def _observe(naming: Naming, row: Metric, _options: CallbackOptions) -> Observed:
    """Return the observations of one *row* in the current snapshot."""
    snapshot = current()
    columns = [column for part in snapshot.parts if (column := _column(naming, row, part))]
    if naming is Naming.JCMC:
        return Observed(columns)
    if snapshot.derive(_has_twins):
        columns = [_one_each(columns, row)]
    return Observed([Column(_scaled(each.values, row), each.labels) for each in columns])


def _observe_info(naming: Naming, _options: CallbackOptions) -> Observed:
    """Return the value 1 with its attributes for each participant, once for each identity."""
    snapshot = current()
    labels = [part.derive(_LABELS[naming, -1]) for part in snapshot.parts]
    if naming is Naming.OTEL and snapshot.derive(_has_twins):
        # With two series of one identity, every query that joins on the identity would fail.
        who = chain.from_iterable(part.derive(_identities) for part in snapshot.parts)
        labels = [list(dict(zip(who, chain.from_iterable(labels), strict=True)).values())]
    return Observed([Column([1] * len(each), each) for each in labels])


def _observe_role(_options: CallbackOptions) -> Observed:
    """Return the value 1, labelled with the role, for each participant that has a role."""
    parts = [part.derive(_roles) for part in current().parts]
    return Observed([Column([1] * len(labels), labels) for labels in parts if labels])


def _observe_verdict(naming: Naming, _options: CallbackOptions) -> Observed:
    """Return the value 1, with cause and scope, for each participant whose call is not good."""
    snapshot = current()
    reach = Reach(snapshot.look.entries) if snapshot.look else None
    columns = []
    for part in snapshot.parts:
        if any(part.column(STATE_ID)):
            labels = _verdicts(naming, part, snapshot.look, reach)
            columns.append(Column([1] * len(labels), labels))
    if naming is Naming.OTEL and snapshot.derive(_has_twins):
        who = chain.from_iterable(each.known() for each in columns)
        once = {(labels.names, labels.values): labels for _, labels in who}
        columns = [Column([1] * len(once), list(once.values()))]
    return Observed(columns)


def _verdicts(naming: Naming, part: Part, look: Look | None, reach: Reach | None) -> list[Labels]:
    """Return the label sets of the participants of *part* whose call is not good."""
    verdict_names = _VERDICT_LABELS[naming]
    states, causes = part.column(STATE_ID), part.column(CAUSE_ID)
    found = []
    for state, cause, stay, identity in zip(
        states, causes, part.stays, part.derive(_LABELS[naming, 0]), strict=True
    ):
        if not state:
            continue
        who = who_is(stay)
        settled, scope = cause, UNKNOWN
        if look is not None and reach is not None:
            if cause == DOWNLINK_OR_RECEIVED.id:
                name = sender_name(stay.conference, who.participant)
                settled = look.causes.get(name, cause)
            scope = reach.of(who.place, who.participant, settled or 0, who.source).value
        names = identity.names + verdict_names
        found.append(Labels(names, (WORD_OF.get(settled, UNKNOWN), scope), identity))
    return found


def _roles(part: Part) -> list[Labels]:
    """Return the label sets of the participants of *part* that have a role."""
    return [each.role for each in part.derive(_LABEL_SETS[Naming.JCMC]) if each.role is not None]


def _column(naming: Naming, row: Metric, part: Part) -> Column | None:
    """Return the column of *row* in *part*; None if no participant has a value."""
    known = part.packed(row.id)
    if not known:
        return None
    if row.is_list:
        return _paths(row, part.column(row.id), part.derive(_LABEL_SETS[naming]))
    return Column(known, part.derive(_LABELS[naming, place_of(naming, row)]))


def _paths(row: Metric, known: Sequence[Any], sets: list[LabelSets]) -> Column:
    """Return a value for each transport; of transports with equal labels, only the worst value."""
    values: list[float | None] = []
    labels: list[Labels] = []
    for here, made in zip(known, sets, strict=True):
        if not here:
            continue
        paths = made.paths
        if len(here) == 1:
            values.append(here[0])
            labels.append(paths[0])
        else:
            column = _one_each([Column(here, paths)], row)
            values += column.values
            labels += column.labels
    return Column(values, labels)


def _scaled(values: Sequence[float | None], row: Metric) -> Sequence[float | None]:
    """Convert *values* from the unit of pushes to the unit of the `otel` naming."""
    times, per = row.times, row.per
    if times == per:
        return values
    if per == 1:  # whole numbers stay whole
        return [None if value is None else value * times for value in values]
    return [None if value is None else value * times / per for value in values]


def _one_each(columns: Iterable[Column], row: Metric) -> Column:
    """Return one column that has each label set of *columns* once, with its worst value."""
    worst = min if row.lower_is_worse else max
    found: dict[tuple[tuple[str, ...], tuple[str, ...]], tuple[float, Labels]] = {}
    for value, labels in chain.from_iterable(column.known() for column in columns):
        key = labels.names, labels.values
        before = found.get(key, (value, labels))
        found[key] = (worst(before[0], value), labels)
    values, sets = zip(*found.values(), strict=True) if found else ((), ())
    return Column(values, sets)


def _label_sets(naming: Naming, part: Part) -> list[LabelSets]:
    """Return the label sets of each participant of *part*."""
    return [labels_of(naming, stay) for stay in part.stays]


def _labels(naming: Naming, place: int, part: Part) -> list[Labels]:
    """Return, for each participant of *part*, the label set at *place* in its list of sets."""
    return [each.sets[place] for each in part.derive(_LABEL_SETS[naming])]


def _identities(part: Part) -> list[tuple[str, ...]]:
    """Return, for each participant of *part*, the labels that all its `otel` series have."""
    return [each.values for each in part.derive(_LABELS[Naming.OTEL, 0])]


def _has_twins(snapshot: Snapshot) -> bool:
    """
    Say whether two participants have the same labels in the `otel` naming.

    The `otel` naming has no client id, so a forged session id can give two participants the same
    labels. In the `jcmc` naming this can't happen: its labels contain all three texts that identify
    a participant in Redis.
    """
    found = [part.derive(_identities) for part in snapshot.parts]
    return len(set().union(*found)) < sum(map(len, found))


# The label names of the verdict's cause and scope.
_VERDICT_LABELS: Final = {
    Naming.JCMC: ("cause", "scope"),
    Naming.OTEL: ("jitsi.verdict.cause", "jitsi.verdict.scope"),
}
# The callbacks of the gauges that have no row in the catalogue.
_OTHERS: Final[dict[str, Callable[[Naming], Any]]] = {
    INFO_BRIEF: lambda naming: partial(_observe_info, naming),
    VERDICT_BRIEF: lambda naming: partial(_observe_verdict, naming),
    ROLE_BRIEF: lambda _naming: _observe_role,
}
# These functions are made only once, because `Part.derive` keeps a result for each function object.
_LABEL_SETS: Final = {naming: partial(_label_sets, naming) for naming in Naming}
_LABELS: Final = {
    (naming, place): partial(_labels, naming, place)
    for naming in Naming
    for place in {-1, *(place_of(naming, row) for row in METRICS)}
}
