"""
The label sets of a participant's series, in one naming or the other.

In goes a participant's stay, out come the sets that its series share. They are made once and stay
with it, so that a push which changes only numbers makes none. A label without a value is left out.
Which names the sets have follows from which attributes are told, and those are the same of many.
"""

from collections.abc import Iterable
from functools import lru_cache
from sys import intern
from typing import Any, Final, NamedTuple

from otel_jcmc.catalogue.attributes import ATTRIBUTES, BROWSER_VERSION, CONFERENCE, SESSION
from otel_jcmc.catalogue.metrics import LIST_ID, METRICS
from otel_jcmc.catalogue.rows import Attribute, Metric, Naming, Scope
from otel_jcmc.metrics.observed import Labels
from otel_jcmc.store.participant import Stay

_Texts = tuple[str, ...]


class LabelSets(NamedTuple):
    """
    The label sets of one stay.

    Attributes:
        sets: see `place_of`; the first has what all have in common, the last what `info` has.
        paths: one for each value of the list metric.
        role: what the series has that says who is no ordinary participant; None: nobody says so.
    """

    naming: Naming
    sets: tuple[Labels, ...]
    paths: tuple[Labels, ...]
    role: Labels | None


class _Told(NamedTuple):
    """Which labels a set has: all names, and the attributes that come after the common ones."""

    names: _Texts
    ids: tuple[int, ...]


class _Layout(NamedTuple):
    """
    Which labels the sets have of those who tell the same attributes.

    Attributes:
        common: of every set.
        fixed: all names of each set that does not depend on the participant, and what ends it.
        described: the sets after those, the last one that of `info`.
        role: None where no role is told.
    """

    common: _Told
    fixed: tuple[tuple[_Texts, _Texts], ...]
    described: tuple[_Told, ...]
    role: _Told | None


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
    if naming is Naming.OTEL:
        _reword(attributes)
        attributes[SESSION.id] = stay.session_id
    layout = _layout(naming, tuple(attributes))
    # Who somebody is, is said of one; of the conference alone there is one text for all.
    attributes[CONFERENCE.id] = stay.conference
    common = tuple(map(attributes.__getitem__, layout.common.ids))
    sets = [Labels(names, common + texts) for names, texts in layout.fixed]
    for names, ids in layout.described:
        # Of the original's pages two may say the same: a text less for each of thousands.
        is_same = sets[-1].names == names
        sets.append(sets[-1] if is_same else Labels(names, common + _texts(attributes, ids)))
    paths = []
    for path in attributes.get(LIST_ID, ()):
        if naming is Naming.OTEL:
            _reword(path)
        names, ids = _layout_of_path(naming, layout.common.names, tuple(path))
        paths.append(Labels(names, common + _texts(path, ids)))
    role = None
    if layout.role is not None:
        role = Labels(layout.role.names, common + _texts(attributes, layout.role.ids))
    return LabelSets(naming, tuple(sets), tuple(paths), role)


def _reword(attributes: dict[int, Any]) -> None:
    """Say *attributes* as the `otel` naming does."""
    for id_, words in _WORDS.items():
        if id_ in attributes:
            attributes[id_] = words.get(attributes[id_], attributes[id_])
    if BROWSER_VERSION.id in attributes:
        # The convention's example is the major number; the rest would only multiply series.
        attributes[BROWSER_VERSION.id] = attributes[BROWSER_VERSION.id].partition(".")[0]


def _texts(attributes: dict[int, Any], ids: Iterable[int]) -> _Texts:
    """Return those of *attributes* that have these *ids*: said of thousands, and kept once."""
    return tuple(map(intern, map(attributes.__getitem__, ids)))


# Which attributes are told is the sender's choice: no more are kept than honest ones need.
@lru_cache(maxsize=1024)
def _layout(naming: Naming, told: tuple[int, ...]) -> _Layout:
    """Return which labels they have of whom the attributes with the ids *told* are told."""
    common = _told((), _IDENTITY[naming], told)
    fixed = [
        (common.names + tuple(dict(each)), tuple(dict(each).values())) for each in _FIXED[naming]
    ]
    described = [_told(common.names, names, told) for names in _DESCRIBED[naming]]
    role = _told(common.names, _ROLE[naming], told)
    return _Layout(common, tuple(fixed), tuple(described), role if role.ids else None)


@lru_cache(maxsize=1024)
def _layout_of_path(naming: Naming, common: _Texts, told: tuple[int, ...]) -> _Told:
    """Return which labels a path has, after the *common* ones, of which *told* are told."""
    return _told(common, _PATHS[naming], told)


def _told(common: _Texts, names: dict[int, str], told: tuple[int, ...]) -> _Told:
    """Return which labels there are after the *common* ones: those of *names* that are *told*."""
    ids = tuple(id_ for id_ in names if id_ in told)
    return _Told(common + tuple(names[id_] for id_ in ids), ids)


def _name_in(naming: Naming, row: Attribute) -> str:
    """Return the attribute's name in *naming*, empty where it has none."""
    return row.label if naming is Naming.JCMC else row.otel_name


def _names(naming: Naming, *scopes: Scope) -> dict[int, str]:
    """Return the names of the attributes of *scopes*."""
    return {
        row.id: name
        for row in ATTRIBUTES
        if row.scope in scopes and (name := _name_in(naming, row))
    }


# In the `otel` naming every series says which stay it is of.
_IDENTITY: Final = {
    Naming.JCMC: _names(Naming.JCMC, Scope.IDENTITY),
    Naming.OTEL: _names(Naming.OTEL, Scope.IDENTITY) | {SESSION.id: SESSION.otel_name},
}
_ROLE: Final = {
    Naming.JCMC: _names(Naming.JCMC, Scope.ROLE),
    Naming.OTEL: {},  # it is part of what `info` has
}
_PATHS: Final = {naming: _names(naming, Scope.PATH) for naming in Naming}
# Words that the `otel` naming says differently.
_WORDS: Final = {row.id: dict(row.otel_values) for row in ATTRIBUTES if row.otel_values}
# What describes the participant: browser, system, region, codecs. In front of it, in the `jcmc`
# naming, what the original has on its quality, and nothing that a mute or a codec would change.
_DESCRIBED: Final = {
    Naming.JCMC: [
        _names(Naming.JCMC, Scope.QUALITY, Scope.DESCRIPTION),
        _names(Naming.JCMC, Scope.DESCRIPTION, Scope.INFO),
    ],
    Naming.OTEL: [
        _names(Naming.OTEL, Scope.DESCRIPTION, Scope.INFO) | _names(Naming.OTEL, Scope.ROLE)
    ],
}
# The ways to label that do not depend on the participant; nothing beside the common ones first.
_FIXED: Final[dict[Naming, list[tuple[tuple[str, str], ...]]]] = {
    Naming.JCMC: [()],
    Naming.OTEL: list(dict.fromkeys([(), *(row.otel_attributes for row in METRICS)])),
}
# After what does not depend on the participant, in the `jcmc` naming.
_QUALITY_PLACE: Final = len(_FIXED[Naming.JCMC])
