"""
The label sets of a participant's series, in one naming or the other.

In goes a participant's stay, out come the sets that its series share. They are made once and stay
with it, so that a push which changes only numbers makes none. A label without a value is left out.
"""

from dataclasses import dataclass
from sys import intern
from typing import Any, Final

from otel_jcmc.catalogue.attributes import (
    ATTRIBUTES,
    BROWSER_VERSION,
    CLIENT,
    PARTICIPANT,
    SESSION,
)
from otel_jcmc.catalogue.metrics import METRICS
from otel_jcmc.catalogue.rows import Attribute, Metric, Naming, Scope
from otel_jcmc.metrics.observed import Labels
from otel_jcmc.store.participant import Stay

# Id -> name of an attribute, and the words that the naming says differently.
_Names = dict[int, tuple[str, dict[str, str]]]


@dataclass(frozen=True, slots=True)
class LabelSets:
    """
    The label sets of one stay.

    Attributes:
        sets: see `place_of`; the first has what all have in common, the last what `info` has.
        paths: id of a list metric -> one for each of its values.
        role: what the series has that says who is no ordinary participant; None: nobody says so.
    """

    naming: Naming
    sets: list[Labels]
    paths: dict[int, list[Labels]]
    role: Labels | None


def labels_of(naming: Naming, stay: Stay) -> LabelSets:
    """Return the label sets of *stay*, the same objects each time."""
    made: LabelSets | None = stay.labels
    if made is None or made.naming is not naming:
        made = stay.labels = _make(naming, stay)
    return made


def place_of(naming: Naming, row: Metric) -> int:
    """Return which of a stay's sets the series of *row* carry."""
    if naming is Naming.JCMC:
        return _QUALITY_PLACE if row.field == "connectionquality" else 0
    return _FIXED[naming].index(row.otel_attributes)


def _make(naming: Naming, stay: Stay) -> LabelSets:
    """Return the label sets of *stay*."""
    attributes = stay.attributes
    common = _texts(attributes, _IDENTITY[naming])
    if naming is Naming.OTEL:
        common[SESSION.otel_name] = stay.session_id
    sets = [Labels(common, dict(fixed)) for fixed in _FIXED[naming]]
    if naming is Naming.JCMC:
        # What the original has on it, and nothing that a mute or a codec would change.
        sets.append(Labels(common, _texts(attributes, _QUALITY)))
    info = Labels(common, _descriptions(naming, attributes))
    # Of the original's pages they say the same: a dict and a text less for each of thousands.
    sets.append(sets[-1] if sets[-1] == info else info)
    paths = {
        row.id: [Labels(common, _texts(path, _PATHS[naming])) for path in attributes[row.id]]
        for row in METRICS
        if row.id in attributes
    }
    role = _texts(attributes, _ROLE[naming])
    return LabelSets(naming, sets, paths, Labels(common, role) if role else None)


def _descriptions(naming: Naming, attributes: dict[int, Any]) -> dict[str, str]:
    """Return what describes the participant: browser, system, region, codecs, and here the role."""
    labels = _texts(attributes, _INFO[naming])
    if naming is Naming.OTEL:
        labels |= _texts(attributes, _ROLE[naming])
    if naming is Naming.OTEL and BROWSER_VERSION.otel_name in labels:
        # The convention's example is the major number; the rest would only multiply series.
        version = labels[BROWSER_VERSION.otel_name]
        labels[BROWSER_VERSION.otel_name] = version.partition(".")[0]
    return labels


def _texts(attributes: dict[int, Any], names: _Names) -> dict[str, str]:
    """
    Return those of *attributes* that have a name.

    Most texts are said of thousands, and kept once; who somebody is, of one.
    """
    return {
        name: text if id_ in _OF_ONE else intern(words.get(text, text) if words else text)
        for id_, (name, words) in names.items()
        if (text := attributes.get(id_)) is not None
    }


def _name_in(naming: Naming, row: Attribute) -> str:
    """Return the attribute's name in *naming*, empty where it has none."""
    return row.label if naming is Naming.JCMC else row.otel_name


def _names(naming: Naming, *scopes: Scope) -> _Names:
    """Return the names of the attributes of *scopes*."""
    return {
        row.id: (name, dict(row.otel_values) if naming is Naming.OTEL else {})
        for row in ATTRIBUTES
        if row.scope in scopes and (name := _name_in(naming, row))
    }


_OF_ONE: Final = {CLIENT.id, PARTICIPANT.id}
_IDENTITY: Final = {naming: _names(naming, Scope.IDENTITY) for naming in Naming}
_QUALITY: Final = _names(Naming.JCMC, Scope.QUALITY, Scope.DESCRIPTION)
_INFO: Final = {naming: _names(naming, Scope.DESCRIPTION, Scope.INFO) for naming in Naming}
_ROLE: Final = {naming: _names(naming, Scope.ROLE) for naming in Naming}
_PATHS: Final = {naming: _names(naming, Scope.PATH) for naming in Naming}
# The ways to label that do not depend on the participant; nothing beside the common ones first.
_FIXED: Final[dict[Naming, list[tuple[tuple[str, str], ...]]]] = {
    Naming.JCMC: [()],
    Naming.OTEL: list(dict.fromkeys([(), *(row.otel_attributes for row in METRICS)])),
}
# After what does not depend on the participant, in the `jcmc` naming.
_QUALITY_PLACE: Final = len(_FIXED[Naming.JCMC])
