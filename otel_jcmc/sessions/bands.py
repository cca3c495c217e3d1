"""
When a session was how: its samples as bands of time, each of one state, cause and scope.

In come the samples of a log in their order and what stood out meanwhile; out come bands that do not
overlap, with a gap where nobody pushed. An entry says for how long of its interval it was how, and
in which order that began.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from otel_jcmc.catalogue.metrics import CAUSE_ID, STATE_ID
from otel_jcmc.sessions.entry import Sample
from otel_jcmc.sessions.stretches import TENTH_MS, Stretch
from otel_jcmc.verdict.everybody import Place
from otel_jcmc.verdict.journal import Entry, at
from otel_jcmc.verdict.reach import Reach
from otel_jcmc.verdict.rules import UNKNOWN, WORD_OF, State

# Shorter is no gap: entries have tenths, and pushes are on their way for a moment.
_CLOSE_MS: Final = 1000
_WORDS: Final = {state.value: state.name.lower() for state in State}
# What is shown of a time that is too short for all there was in it.
_WORST_FIRST: Final = ("bad", "fair", "good", UNKNOWN)


class Band(NamedTuple):
    """
    One stretch of time, Unix time in ms.

    Attributes:
        state: `good`, `fair`, `bad` or `unknown`.
        cause: a word of verdict/rules.py, None where it was good or unknown.
        scope: how far reached what was bad; None where it was not.
    """

    from_ms: int
    to_ms: int
    state: str
    cause: str | None = None
    scope: str | None = None


def bands_of(
    samples: Iterable[Sample],
    conference: str,
    participant: str,
    entries: Sequence[Entry],
    interval_ms: int,
) -> list[Band]:
    """Return when it was how; of an entry without stretches its last push stands for its time."""
    found: list[Band] = []
    until_ms = 0
    for sample in samples:
        reach = Reach(at(entries, sample.at_ms))
        stretches = sample.stretches or [_of_last(sample, interval_ms)]
        end_ms = sample.at_ms - TENTH_MS * sum(each.tenths for each in stretches)
        # Of what two processes tell of the same time the first counts; a moment is no gap.
        start_ms = until_ms if end_ms - until_ms < _CLOSE_MS else end_ms
        for each in stretches:
            end_ms += TENTH_MS * each.tenths
            if end_ms > start_ms:
                _append(found, _band(start_ms, end_ms, each, reach, conference, participant))
                start_ms = end_ms
        until_ms = max(until_ms, end_ms)
    return found


def _of_last(sample: Sample, interval_ms: int) -> Stretch:
    """Return the stretch that the last push of *sample* stands for."""
    state, cause = sample.numbers[STATE_ID - 1], sample.numbers[CAUSE_ID - 1]
    return Stretch(interval_ms // TENTH_MS, state, cause or 0)


def _band(
    start_ms: int, end_ms: int, of: Stretch, reach: Reach, conference: str, participant: str
) -> Band:
    """Return the band of one stretch."""
    state = UNKNOWN if of.state is None else _WORDS.get(of.state, UNKNOWN)
    if state in (UNKNOWN, "good"):
        return Band(start_ms, end_ms, state)
    scope = None
    if state == "bad":
        scope = reach.of(Place(conference, of.bridge, of.region), participant, of.cause).value
    return Band(start_ms, end_ms, state, WORD_OF.get(of.cause, UNKNOWN), scope)


def _append(found: list[Band], band: Band) -> None:
    """Add *band* to those *found*, to the last one if that goes on with it."""
    if found and found[-1].to_ms == band.from_ms and found[-1][2:] == band[2:]:
        found[-1] = found[-1]._replace(to_ms=band.to_ms)
    else:
        found.append(band)


def coarse(bands: Sequence[Band], most: int) -> list[Band]:
    """Return *bands*, at most about *most*: of a time that is too short for several the worst."""
    if len(bands) <= most:
        return list(bands)
    start, step = bands[0].from_ms, (bands[-1].to_ms - bands[0].from_ms) // most + 1
    slots: dict[int, Band] = {}
    for band in bands:
        for slot in range((band.from_ms - start) // step, (band.to_ms - 1 - start) // step + 1):
            worst = slots.setdefault(slot, band)
            if _WORST_FIRST.index(band.state) < _WORST_FIRST.index(worst.state):
                slots[slot] = band
    found: list[Band] = []
    for slot, band in sorted(slots.items()):
        begin = start + slot * step
        _append(found, band._replace(from_ms=begin, to_ms=begin + step))
    return found
