"""
Makes the label sets of a participant's series, in the `jcmc` or the `otel` naming.

`labels_of` makes the label sets from a participant's stay. The stay keeps its label sets: a push
that changes only numbers makes no new sets. A label without a value is left out. The attributes
that a page sends decide the label names. Many pages send the same attributes, so the names are
cached.
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
        sets: one for each kind of series; `place_of` returns the index for a metric. The first set
            has only the labels that all series have, the last set has the labels of `info`.
        paths: a label set for each transport; the list metric has one value for each transport.
        role: the labels for the series of the participant's role; None: it has no role.
    """

    naming: Naming
    sets: tuple[Labels, ...]
    paths: tuple[Labels, ...]
    role: Labels | None


class _Told(NamedTuple):
    """The label names of one set, and the ids of the attributes after the common labels."""

    names: _Texts
    ids: tuple[int, ...]


class _Layout(NamedTuple):
    """
    The label names of all sets of participants that send the same attributes.

    Attributes:
        common: the labels that every set has.
        fixed: the sets whose added labels are the same for every participant: for each set all
            names, and the values of the added labels.
        described: the sets after the fixed sets; the last set is for `info`.
        role: the names of the labels of the role's series; None if the participant has no role.
    """

    common: _Told
    fixed: tuple[tuple[_Texts, _Texts], ...]
    described: tuple[_Told, ...]
    role: _Told | None


def labels_of(naming: Naming, stay: Stay) -> LabelSets:
    """Return the label sets of *stay*; *stay* keeps them for the next call."""
    made: LabelSets | None = stay.labels
    if made is None or made.naming is not naming:
        made = stay.labels = _make(naming, stay)
    return made


def place_of(naming: Naming, row: Metric) -> int:
    """Return the index in `LabelSets.sets` of the label set for the series of *row*."""
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
    # All participants of a conference use the same text object for its name. The client id and the
    # participant id are different for nearly every participant, so sharing them saves nothing.
    attributes[CONFERENCE.id] = stay.conference
    common = Labels(layout.common.names, tuple(map(attributes.__getitem__, layout.common.ids)))
    sets = [Labels(names, texts, common) if texts else common for names, texts in layout.fixed]
    for names, ids in layout.described:
        # For some pages, such as those of the original JCMC, a set equals the set before it. One
        # object for both saves memory for thousands of participants.
        is_same = sets[-1].names == names
        sets.append(sets[-1] if is_same else Labels(names, _texts(attributes, ids), common))
    paths = []
    for path in attributes.get(LIST_ID, ()):
        if naming is Naming.OTEL:
            _reword(path)
        names, ids = _layout_of_path(naming, layout.common.names, tuple(path))
        paths.append(Labels(names, _texts(path, ids), common))
    role = None
    if layout.role is not None:
        role = Labels(layout.role.names, _texts(attributes, layout.role.ids), common)
    return LabelSets(naming, tuple(sets), tuple(paths), role)


def _reword(attributes: dict[int, Any]) -> None:
    """Change *attributes* to the words of the `otel` naming."""
    for id_, words in _WORDS.items():
        if id_ in attributes:
            attributes[id_] = words.get(attributes[id_], attributes[id_])
    if BROWSER_VERSION.id in attributes:
        # OpenTelemetry's convention has a major version as its example. The whole version would
        # only make more series.
        attributes[BROWSER_VERSION.id] = attributes[BROWSER_VERSION.id].partition(".")[0]


def _texts(attributes: dict[int, Any], ids: Iterable[int]) -> _Texts:
    """Return the texts of the *attributes* with these *ids*; equal texts become one object."""
    return _same(tuple(map(intern, map(attributes.__getitem__, ids))))


@lru_cache(maxsize=4096)
def _same(texts: _Texts) -> _Texts:
    """Return *texts*, the same object for equal texts: many participants have the same browser."""
    return texts


# Clients choose which attributes they send, so a hostile client could fill an unlimited cache. The
# limit is enough for honest clients.
@lru_cache(maxsize=1024)
def _layout(naming: Naming, told: tuple[int, ...]) -> _Layout:
    """Return the label names of participants that send the attributes with the ids *told*."""
    common = _told((), _IDENTITY[naming], told)
    fixed = [
        (common.names + tuple(dict(each)), tuple(dict(each).values())) for each in _FIXED[naming]
    ]
    described = [_told(common.names, names, told) for names in _DESCRIBED[naming]]
    role = _told(common.names, _ROLE[naming], told)
    return _Layout(common, tuple(fixed), tuple(described), role if role.ids else None)


@lru_cache(maxsize=1024)
def _layout_of_path(naming: Naming, common: _Texts, told: tuple[int, ...]) -> _Told:
    """Return the labels of a transport: the *common* labels, then its attributes in *told*."""
    return _told(common, _PATHS[naming], told)


def _told(common: _Texts, names: dict[int, str], told: tuple[int, ...]) -> _Told:
    """Return the *common* labels, then the labels in *names* whose ids are in *told*."""
    ids = tuple(id_ for id_ in names if id_ in told)
    return _Told(common + tuple(names[id_] for id_ in ids), ids)


def _name_in(naming: Naming, row: Attribute) -> str:
    """Return the attribute's name in *naming*; empty if that naming leaves it out."""
    return row.label if naming is Naming.JCMC else row.otel_name


def _names(naming: Naming, *scopes: Scope) -> dict[int, str]:
    """Return the names of the attributes of *scopes*."""
    return {
        row.id: name
        for row in ATTRIBUTES
        if row.scope in scopes and (name := _name_in(naming, row))
    }


# In the `otel` naming every series also has the session id.
_IDENTITY: Final = {
    Naming.JCMC: _names(Naming.JCMC, Scope.IDENTITY),
    Naming.OTEL: _names(Naming.OTEL, Scope.IDENTITY) | {SESSION.id: SESSION.otel_name},
}
_ROLE: Final = {
    Naming.JCMC: _names(Naming.JCMC, Scope.ROLE),
    Naming.OTEL: {},  # the series of `info` have the role
}
_PATHS: Final = {naming: _names(naming, Scope.PATH) for naming in Naming}
# Attribute id -> its values that have another word in the `otel` naming.
_WORDS: Final = {row.id: dict(row.otel_values) for row in ATTRIBUTES if row.otel_values}
# The sets with attributes that describe the participant: browser, system, region, codecs. In the
# `jcmc` naming the first of these sets has the labels that the original JCMC gives its connection
# quality. Mute and codec are not in this first set, so its series continue when these change.
_DESCRIBED: Final = {
    Naming.JCMC: [
        _names(Naming.JCMC, Scope.QUALITY, Scope.DESCRIPTION),
        _names(Naming.JCMC, Scope.DESCRIPTION, Scope.INFO),
    ],
    Naming.OTEL: [
        _names(Naming.OTEL, Scope.DESCRIPTION, Scope.INFO) | _names(Naming.OTEL, Scope.ROLE)
    ],
}
# The labels, with their values, that each set adds for every participant. The first set adds none.
_FIXED: Final[dict[Naming, list[tuple[tuple[str, str], ...]]]] = {
    Naming.JCMC: [()],
    Naming.OTEL: list(dict.fromkeys([(), *(row.otel_attributes for row in METRICS)])),
}
# In the `jcmc` naming, the index of the set after the fixed sets.
_QUALITY_PLACE: Final = len(_FIXED[Naming.JCMC])
