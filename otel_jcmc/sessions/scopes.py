"""
How far reached what was bad in a session: its log joined with what stood out meanwhile.

In come samples (entry.py) and entries of the journal (verdict/journal.py).
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from otel_jcmc.sessions.entry import Sample
from otel_jcmc.verdict.everybody import Place
from otel_jcmc.verdict.journal import Entry, at
from otel_jcmc.verdict.reach import Reach
from otel_jcmc.verdict.rules import State


def was_bad(samples: Iterable[Sample]) -> bool:
    """Say whether some of *samples* were bad."""
    return any(each.state == State.BAD for sample in samples for each in sample.stretches)


def tenths_by_scope(
    samples: Iterable[Sample], conference: str, participant: str, entries: Sequence[Entry]
) -> Counter[str]:
    """
    Return for how many tenths of a second *samples* were bad by each scope.

    *entries* are what stood out meanwhile. A stretch is known by the end of its interval alone.
    """
    tenths: Counter[str] = Counter()
    for sample in samples:
        bad = [each for each in sample.stretches if each.state == State.BAD]
        if not bad:
            continue
        reach = Reach(at(entries, sample.at_ms))
        for each in bad:
            place = Place(conference, each.bridge, each.region)
            tenths[reach.of(place, participant, each.cause).value] += each.tenths
    return tenths
