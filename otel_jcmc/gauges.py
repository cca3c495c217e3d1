"""
The catalogue's rows as OpenTelemetry observable gauges, in one naming or the other.

`declare` takes any Meter and declares one gauge for each series name. The callbacks read the
current snapshot and return Observations, nothing else: what is not in the snapshot is not
observed, and so is gone from the very next collection. A label without a value is left out.
Series that would have the same labels become one, with the worst value.

A participant's label sets are made once in a collection and shared by all its series, so an
exporter may keep what it makes of one for as long as the collection runs.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from itertools import chain
from operator import mul
from typing import Any, Final, cast

from msgspec import Struct
from opentelemetry.metrics import CallbackOptions, Meter, Observation

from otel_jcmc.catalogue import (
    ATTRIBUTES,
    BROWSER_VERSION,
    INFO_BRIEF,
    INFO_NAME,
    METRICS,
    SESSION,
    Attribute,
    Metric,
    Naming,
    Scope,
)
from otel_jcmc.participants import Participant
from otel_jcmc.snapshot import Snapshot, current

Labels = dict[str, str]
LabelsOf = Callable[[Snapshot], list[Labels]]
PathRow = list[Any]  # [value, {attribute id: text}], see push.Report


class Seen(Struct, gc=False):
    """
    An `opentelemetry.metrics.Observation` by its three attributes, which are all that is read.

    The API's own class takes five times as long to make, and 130,000 of them keep the garbage
    collector busy: together a third of a scrape.
    """

    value: float
    attributes: Labels
    context: None = None


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
            [partial(_observe, _observers(instrument, naming))],
            instrument.unit,
            instrument.description,
        )


def _common_brief(rows: list[Metric]) -> str:
    """Return one line for the *rows* that share a name in the `otel` naming."""
    return rows[0].brief if len(rows) == 1 else f"{rows[0].panel}, by its attributes"


Observer = Callable[[Snapshot], list[Seen]]


def _observe(observers: list[Observer], _options: CallbackOptions) -> Iterable[Observation]:
    """Return what the *observers* of one gauge find in the current snapshot."""
    snapshot = current()
    found = chain.from_iterable([observer(snapshot) for observer in observers])
    return cast("Iterable[Observation]", found)


def _observers(instrument: Instrument, naming: Naming) -> list[Observer]:
    """Return the functions that find an instrument's values in a snapshot."""
    if not instrument.rows:
        return [partial(_observe_info, _LABELS[naming, Scope.QUALITY, ()])]
    return [_observer(row, naming) for row in instrument.rows]


def _observer(row: Metric, naming: Naming) -> Observer:
    """Return the function that finds one row's values in a snapshot."""
    if row.is_list:
        return partial(_observe_paths, row, naming)
    has_descriptions = naming is Naming.JCMC and row.field == "connectionquality"
    scope = Scope.QUALITY if has_descriptions else Scope.IDENTITY
    fixed = row.otel_attributes if naming is Naming.OTEL else ()
    return partial(_observe_values, row, naming, _LABELS[naming, scope, fixed])


def _observe_values(
    row: Metric, naming: Naming, labels_of: LabelsOf, snapshot: Snapshot
) -> list[Seen]:
    """Return one observation for each participant whose push had the row."""
    id_ = row.id
    scale = _scale(row, naming)
    pairs = zip(snapshot.participants, snapshot.derive(labels_of), strict=True)
    # A call for each value would cost as much as everything else here.
    if scale is None:
        found = [
            Seen(value, labels)
            for participant, labels in pairs
            if (value := participant.fields.get(id_)) is not None
        ]
    else:
        found = [
            Seen(scale(value), labels)
            for participant, labels in pairs
            if (value := participant.fields.get(id_)) is not None
        ]
    return _one_each(found, row) if snapshot.derive(_TWINS[naming]) else found


def _observe_paths(row: Metric, naming: Naming, snapshot: Snapshot) -> list[Seen]:
    """Return one observation for each transport that has labels of its own."""
    scale, names = _scale(row, naming), _PATHS[naming]
    found = []
    common = snapshot.derive(_LABELS[naming, Scope.IDENTITY, ()])
    for participant, identity in zip(snapshot.participants, common, strict=True):
        paths: list[PathRow] = participant.fields.get(row.id, [])
        here = [
            Seen(scale(value) if scale else value, identity | _texts(attributes, names))
            for value, attributes in paths
        ]
        found += _one_each(here, row) if len(here) > 1 else here
    return _one_each(found, row) if snapshot.derive(_TWINS[naming]) else found


def _observe_info(labels_of: LabelsOf, snapshot: Snapshot) -> list[Seen]:
    """Return a 1 for each participant, with what describes it; twins have one between them."""
    described = snapshot.derive(labels_of)
    if snapshot.derive(_TWINS[Naming.OTEL]):
        # Two would fail every query that joins on the identity.
        identities = snapshot.derive(_LABELS[Naming.OTEL, Scope.IDENTITY, ()])
        pairs = zip(identities, described, strict=True)
        described = list({tuple(who.values()): labels for who, labels in pairs}.values())
    return [Seen(1, labels) for labels in described]


def _scale(row: Metric, naming: Naming) -> Callable[[float], float] | None:
    """Return what makes a wire value one of *naming*, None where it is one."""
    times, per = row.times, row.per
    if naming is Naming.JCMC or times == per:
        return None
    if per == 1:
        return partial(mul, times)  # whole numbers stay whole
    return lambda value: value * times / per


def _one_each(observations: list[Seen], row: Metric) -> list[Seen]:
    """Return *observations* with one for each label set, the worst."""
    worst = min if row.lower_is_worse else max
    found: dict[frozenset[Any], Seen] = {}
    for observation in observations:
        key = frozenset((observation.attributes or {}).items())
        other = found.get(key)
        found[key] = (
            observation if other is None else worst(other, observation, key=lambda each: each.value)
        )
    return list(found.values())


def _name_in(naming: Naming, row: Attribute) -> str:
    """Return the attribute's name in *naming*, empty where it has none."""
    return row.label if naming is Naming.JCMC else row.otel_name


def _names(naming: Naming, scope: Scope) -> dict[int, tuple[str, dict[str, str]]]:
    """Return, by id, the name of each attribute of *scope* and the words it says differently."""
    return {
        row.id: (name, dict(row.otel_values) if naming is Naming.OTEL else {})
        for row in ATTRIBUTES
        if row.scope is scope and (name := _name_in(naming, row))
    }


def _texts(fields: dict[int, Any], names: dict[int, tuple[str, dict[str, str]]]) -> Labels:
    """Return the attributes of *fields* that have a name."""
    return {
        name: words.get(text, text) if words else text
        for id_, (name, words) in names.items()
        if (text := fields.get(id_)) is not None
    }


def _identity(naming: Naming, participant: Participant) -> Labels:
    """Return the labels that all series of *participant* have."""
    labels = _texts(participant.fields, _IDENTITY[naming])
    if naming is Naming.OTEL:
        labels[SESSION.otel_name] = participant.session_id
    return labels


def _labels_of(
    naming: Naming, scope: Scope, fixed: tuple[tuple[str, str], ...], snapshot: Snapshot
) -> list[Labels]:
    """Return the label set of each participant, in the snapshot's order."""
    if scope is Scope.IDENTITY and not fixed:
        return [_identity(naming, participant) for participant in snapshot.participants]
    identities = snapshot.derive(_LABELS[naming, Scope.IDENTITY, ()])
    if scope is Scope.IDENTITY:
        return [identity | dict(fixed) for identity in identities]
    pairs = zip(snapshot.participants, identities, strict=True)
    return [identity | _descriptions(naming, participant) for participant, identity in pairs]


def _descriptions(naming: Naming, participant: Participant) -> Labels:
    """Return what describes *participant*: browser, system, region."""
    labels = _texts(participant.fields, _QUALITY[naming])
    if naming is Naming.OTEL and BROWSER_VERSION.otel_name in labels:
        # The convention's example is the major number; the rest would only multiply series.
        version = labels[BROWSER_VERSION.otel_name]
        labels[BROWSER_VERSION.otel_name] = version.partition(".")[0]
    return labels


def _has_twins(naming: Naming, snapshot: Snapshot) -> bool:
    """
    Say whether two participants have the same labels.

    Only a forged session id can do that in the `otel` naming, which has no client id.
    """
    identities = snapshot.derive(_LABELS[naming, Scope.IDENTITY, ()])
    return len({tuple(labels.values()) for labels in identities}) < len(identities)


_IDENTITY: Final = {naming: _names(naming, Scope.IDENTITY) for naming in Naming}
_QUALITY: Final = {naming: _names(naming, Scope.QUALITY) for naming in Naming}
_PATHS: Final = {naming: _names(naming, Scope.PATH) for naming in Naming}
# One object for each way to label, because a snapshot derives by it.
_LABELS: Final[dict[tuple[Naming, Scope, tuple[tuple[str, str], ...]], LabelsOf]] = {
    (naming, scope, fixed): partial(_labels_of, naming, scope, fixed)
    for naming in Naming
    for scope in (Scope.IDENTITY, Scope.QUALITY)
    for fixed in {(), *(row.otel_attributes for row in METRICS)}
}
_TWINS: Final = {naming: partial(_has_twins, naming) for naming in Naming}
