"""
Declares the gauges of conferences, bridges, regions, the fleet, and of groups that stand out.

Each collection counts the participants of these groups once, in its snapshot. All states and causes
are exported, also with the value 0. So a bridge has the same series as long as it is in use.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable
from functools import lru_cache, partial
from heapq import nlargest
from typing import Final, NamedTuple

from opentelemetry.metrics import CallbackOptions, Meter

from otel_jcmc.catalogue.levels import (
    BRIDGES,
    CONFERENCES,
    FLEET,
    OTEL_LABELS,
    OTHER,
    REGIONS,
    STANDING_OUT,
    STANDING_OUT_COVERAGE,
    STANDING_OUT_SINCE,
    Family,
    Label,
)
from otel_jcmc.catalogue.rows import Naming
from otel_jcmc.metrics.observed import Column, Labels, Observed
from otel_jcmc.metrics.seen import everybody_in
from otel_jcmc.metrics.snapshot import Snapshot, current
from otel_jcmc.verdict.everybody import Place
from otel_jcmc.verdict.rules import UNKNOWN, WORD_OF, State
from otel_jcmc.verdict.settling import with_causes
from otel_jcmc.verdict.standing import Coverage

STATES: Final = ("good", "fair", "bad", "unknown")
CAUSES: Final = (*dict.fromkeys(WORD_OF.values()), UNKNOWN)
_GOOD, _FAIR, _BAD, _UNKNOWN = range(4)
_Texts = tuple[str, ...]


class Bounds(NamedTuple):
    """How many conferences, bridges and regions may have series of their own; 0: no limit."""

    conferences: int = 0
    bridges: int = 0
    regions: int = 0


class Sums:
    """
    The counts of the participants of one group.

    Attributes:
        states: number of participants in each state, in the order of STATES.
        causes: number of bad participants with each cause.
    """

    __slots__ = ("causes", "states")

    def __init__(self) -> None:
        """Begin without participants."""
        self.states = [0, 0, 0, 0]
        self.causes: Counter[str] = Counter()

    @property
    def size(self) -> int:
        """The number of participants in the group."""
        return sum(self.states)

    def add(self, other: "Sums") -> None:
        """Add the counts of *other*."""
        self.states = [a + b for a, b in zip(self.states, other.states, strict=True)]
        self.causes.update(other.causes)


class Counted:
    """The counts of a snapshot's participants by conference, bridge and region."""

    def __init__(self, snapshot: Snapshot) -> None:
        """Count the participants of *snapshot*; direct calls are in no bridge and no region."""
        self.fleet = Sums()
        self.conferences: dict[str, Sums] = defaultdict(Sums)
        self.bridges: dict[str, Sums] = defaultdict(Sums)
        self.regions: dict[str, Sums] = defaultdict(Sums)
        self._regions_of: dict[str, Counter[str]] = defaultdict(Counter)
        everybody = everybody_in(snapshot)
        for (place, state), people in everybody.counts.items():
            at = _UNKNOWN if state is None else int(state)
            self.conferences[place.conference].states[at] += people
            for sums in self._wide(place):
                sums.states[at] += people
            self._regions_of[place.bridge][place.region] += people
        look = snapshot.look
        bad = [each for each in everybody.ill if each.state == State.BAD]
        for seen in with_causes(bad, look.causes if look else {}):
            for sums in self._wide(seen.place):
                sums.causes[WORD_OF.get(seen.cause, UNKNOWN)] += 1

    def _wide(self, place: Place) -> Iterable[Sums]:
        """Return the fleet's counts and, if *place* has them, its region's and its bridge's."""
        if place.is_direct:
            return [self.fleet]
        region = self.regions[place.region]
        if not place.bridge:
            return [self.fleet, region]
        return [self.fleet, region, self.bridges[place.bridge]]

    def region_of(self, bridge: str) -> str:
        """Return the region that most participants on *bridge* report."""
        return self._regions_of[bridge].most_common(1)[0][0]


def declare_levels(
    meter: Meter, naming: Naming, prefix: str, levels: Collection[str], bounds: Bounds
) -> None:
    """Declare the gauges of *levels* on *meter*; they read `snapshot.current`, like gauges.py."""
    observe: dict[Family, Callable[[], Column]] = {
        CONFERENCES: lambda: _conferences(naming, bounds.conferences),
        BRIDGES: lambda: _bridges(naming, bounds.bridges),
        REGIONS: lambda: _regions(naming, bounds.regions),
        FLEET: lambda: _by_state(naming, FLEET, {(): current().derive(Counted).fleet}),
        STANDING_OUT: lambda: _standing_out(naming, is_onset=False),
        STANDING_OUT_SINCE: lambda: _standing_out(naming, is_onset=True),
        STANDING_OUT_COVERAGE: lambda: _coverage(naming),
    }
    for family, column in observe.items():
        if family.level in levels:
            is_ours = naming is Naming.JCMC
            meter.create_observable_gauge(
                prefix + family.field if is_ours else family.otel_name,
                [partial(_observe, column)],
                "" if is_ours else family.otel_unit,
                family.brief,
            )


def _observe(column: Callable[[], Column], _options: CallbackOptions) -> Observed:
    """Call *column*, which reads the current snapshot, and return its values as observations."""
    return Observed([column()])


@lru_cache(maxsize=65_536)
def _labels(naming: Naming, family: Family, texts: _Texts) -> Labels:
    """Return the labels of one series, from a cache."""
    return _named(naming, family, texts)


@lru_cache(maxsize=65_536)
def _labels_of_conference(naming: Naming, name: str) -> list[Labels]:
    """Return the labels of a conference's series, one set for each state, from a cache."""
    return [_named(naming, CONFERENCES, (name, state)) for state in STATES]


def _named(naming: Naming, family: Family, texts: _Texts) -> Labels:
    """Return the labels of one series, without labels whose text is empty."""
    named = zip(family.labels, texts, strict=True)
    return Labels.of({_name(naming, label): text for label, text in named if text})


def _name(naming: Naming, label: Label) -> str:
    return label.value if naming is Naming.JCMC else OTEL_LABELS[label]


def _conferences(naming: Naming, most: int) -> Column:
    """Return the states of the *most* worst conferences, and the sums of all others as `other`."""
    told = _bounded(current().derive(Counted).conferences, most, _badness)
    values: list[int] = []
    labels: list[Labels] = []
    for name, sums in told.items():
        values += sums.states
        labels += _labels_of_conference(naming, name)
    return Column(values, labels)


def _bridges(naming: Naming, most: int) -> Column:
    """Return states and causes of the *most* largest bridges, and sums of others as `other`."""
    counted = current().derive(Counted)
    told = _bounded(counted.bridges, most, _size)
    places: dict[_Texts, Sums] = {
        (name, "" if name == OTHER else counted.region_of(name)): sums
        for name, sums in told.items()
    }
    return _by_state(naming, BRIDGES, places)


def _regions(naming: Naming, most: int) -> Column:
    """Return states and causes of the *most* largest regions, and sums of others as `other`."""
    told = _bounded(current().derive(Counted).regions, most, _size)
    return _by_state(naming, REGIONS, {(name,): sums for name, sums in told.items()})


def _by_state(naming: Naming, family: Family, told: dict[_Texts, Sums]) -> Column:
    """Return for each group in *told* its numbers by state, and its bad participants by cause."""
    values: list[int] = []
    labels: list[Labels] = []
    for texts, sums in told.items():
        for at in (_GOOD, _FAIR, _UNKNOWN):
            values.append(sums.states[at])
            labels.append(_labels(naming, family, (*texts, STATES[at], "")))
        for cause in CAUSES:
            values.append(sums.causes[cause])
            labels.append(_labels(naming, family, (*texts, STATES[_BAD], cause)))
    return Column(values, labels)


def _standing_out(naming: Naming, *, is_onset: bool) -> Column:
    """Return the share, or the onset, of each group that stands out; empty if not known."""
    look = current().look
    entries = look.entries if look else []
    family = STANDING_OUT_SINCE if is_onset else STANDING_OUT
    values = [each.since_ms / 1000 if is_onset else each.share for each in entries]
    labels = [_labels(naming, family, (each.scope, each.name, each.region)) for each in entries]
    return Column(values, labels)


def _coverage(naming: Naming) -> Column:
    """Return the numbers of bad, known, reporting and present participants in these groups."""
    values: list[int] = []
    labels: list[Labels] = []
    look = current().look
    for each in look.entries if look else []:
        for word, people in zip(Coverage._fields, each.coverage, strict=True):
            texts = (each.scope, each.name, each.region, word)
            values.append(people)
            labels.append(_labels(naming, STANDING_OUT_COVERAGE, texts))
    return Column(values, labels)


def _bounded(
    sums: dict[str, Sums], most: int, rank: Callable[[tuple[str, Sums]], tuple[int, ...]]
) -> dict[str, Sums]:
    """Return the *most* groups of *sums* with the highest *rank*, and the sum of the others."""
    if not 0 < most < len(sums):
        return sums
    told = dict(nlargest(most, sums.items(), key=rank))
    rest = Sums()
    for name, each in sums.items():
        if name not in told:
            rest.add(each)
    if OTHER in told:
        rest.add(told[OTHER])
    return told | {OTHER: rest}


def _size(item: tuple[str, Sums]) -> tuple[int, ...]:
    return (item[1].size,)


def _badness(item: tuple[str, Sums]) -> tuple[int, ...]:
    return (item[1].states[_BAD], item[1].states[_FAIR], item[1].size)
