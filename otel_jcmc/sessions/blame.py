"""
Says how far the trouble of a session reached: compares its bad times with the journal.

How far trouble reached is its scope: for example only one participant, or a whole bridge
(verdict/reach.py). The functions here get the samples of a session's log in the order of time, and
the entries of the journal (verdict/journal.py) from the time of the session. `bad_by_scope` returns
the bad time of each scope, for spans and lists. `spells_of` returns the session's states over time;
pages draw a picture from these states.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from otel_jcmc.sessions.bands import Band, bands
from otel_jcmc.sessions.entry import Sample
from otel_jcmc.verdict.everybody import Place
from otel_jcmc.verdict.journal import Entry, at
from otel_jcmc.verdict.reach import Reach
from otel_jcmc.verdict.rules import UNKNOWN, WORD_OF, State

_WORDS: Final = {state.value: state.name.lower() for state in State}
# If a picture has too little room for all states of a time, it shows the state that comes first
# here.
_WORST_FIRST: Final = ("bad", "fair", "good", UNKNOWN)


class Spell(NamedTuple):
    """
    A time in which a session had one state, one cause and one scope.

    Attributes:
        from_ms, to_ms: start and end of this time, Unix time in ms.
        state: `good`, `fair`, `bad` or `unknown`.
        cause: a word of verdict/rules.py, for a state that is fair or bad; otherwise None.
        scope: how far the trouble reached, for a state that is bad; otherwise None.
    """

    from_ms: int
    to_ms: int
    state: str
    cause: str | None = None
    scope: str | None = None


def bad_by_scope(
    samples: Iterable[Sample], conference: str, participant: str, entries: Sequence[Entry]
) -> list[tuple[str, int]]:
    """
    Return (scope, bad time in tenths of a second), the scope with the most bad time first.

    A stretch (stretches.py) does not say at which moment of its interval the session was bad. The
    function therefore uses the scope that the journal shows at the end of the interval.
    """
    times: Counter[str] = Counter()
    for sample in samples:
        reach = Reach(at(entries, sample.at_ms))
        for each in sample.stretches:
            if each.state == State.BAD.value:
                place = Place(conference, each.bridge, each.region)
                times[reach.of(place, participant, each.cause).value] += each.tenths
    return sorted(times.items(), key=lambda each: (-each[1], each[0]))


def spells_of(
    samples: Sequence[Sample],
    ttl_ms: int,
    conference: str,
    participant: str,
    entries: Sequence[Entry],
) -> list[Spell]:
    """
    Return the spells of a session in the order of time.

    No spell covers a time in which no push came for more than *ttl_ms*.
    """
    found: list[Spell] = []
    times = [each.at_ms for each in samples]
    for band in bands(samples, ttl_ms):
        state = UNKNOWN if band.state is None else _WORDS.get(band.state, UNKNOWN)
        cause = WORD_OF.get(band.cause, UNKNOWN) if state in ("fair", "bad") else None
        if state != "bad":
            _append(found, Spell(band.from_ms, band.to_ms, state, cause))
            continue
        for sample, start_ms, end_ms in _pieces(band, samples, times):
            scope = _scope_at(sample, band.cause, conference, participant, entries)
            _append(found, Spell(start_ms, end_ms, state, cause, scope))
    return found


def _pieces(
    band: Band, samples: Sequence[Sample], times: Sequence[int]
) -> Iterator[tuple[Sample, int, int]]:
    """
    Cut *band* at the *times* of the samples; return (sample, start, end) for each piece.

    *sample* is the sample whose interval contains the piece. The times are Unix time in ms.
    """
    start_ms = band.from_ms
    index = min(bisect_right(times, start_ms), len(times) - 1)
    while True:
        is_last = index == len(times) - 1 or times[index] >= band.to_ms
        end_ms = band.to_ms if is_last else times[index]
        yield samples[index], start_ms, end_ms
        if is_last:
            return
        start_ms, index = end_ms, index + 1


def _scope_at(
    sample: Sample, cause: int, conference: str, participant: str, entries: Sequence[Entry]
) -> str:
    """
    Return how far the trouble by *cause* reached at the time of *sample*.

    The function takes the bridge and the region from the last stretch in *sample* that has the
    state bad and this cause.
    """
    place = Place(conference)
    for each in sample.stretches:
        if each.state == State.BAD.value and each.cause == cause:
            place = Place(conference, each.bridge, each.region)
    return Reach(at(entries, sample.at_ms)).of(place, participant, cause).value


def _append(found: list[Spell], spell: Spell) -> None:
    """Add *spell* to *found*, or extend the last spell of *found* if *spell* continues it."""
    if found and found[-1].to_ms == spell.from_ms and found[-1][2:] == spell[2:]:
        found[-1] = found[-1]._replace(to_ms=spell.to_ms)
    else:
        found.append(spell)


def coarse(spells: Sequence[Spell], most: int) -> list[Spell]:
    """
    Return *spells*; if there are more than *most*, return about *most* spells in their place.

    To have fewer spells, this function cuts the whole time into equal pieces. For each piece it
    keeps only the spell with the worst state.
    """
    if len(spells) <= most:
        return list(spells)
    start, step = spells[0].from_ms, (spells[-1].to_ms - spells[0].from_ms) // most + 1
    slots: dict[int, Spell] = {}
    for spell in spells:
        first, last = (spell.from_ms - start) // step, (spell.to_ms - 1 - start) // step
        for slot in range(first, max(first, last) + 1):
            worst = slots.setdefault(slot, spell)
            if _WORST_FIRST.index(spell.state) < _WORST_FIRST.index(worst.state):
                slots[slot] = spell
    found: list[Spell] = []
    for slot, spell in sorted(slots.items()):
        begin = start + slot * step
        _append(found, spell._replace(from_ms=begin, to_ms=begin + step))
    return found
