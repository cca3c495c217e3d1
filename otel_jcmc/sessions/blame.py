"""
For how long a session was bad by what reached how far: its stretches joined with the journal.

In come the samples of a log, out come times by scope: for the spans of traces, and for lists.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from otel_jcmc.sessions.entry import Sample
from otel_jcmc.verdict.everybody import Place
from otel_jcmc.verdict.journal import Entry, at
from otel_jcmc.verdict.reach import Reach
from otel_jcmc.verdict.rules import State


def bad_by_scope(
    samples: Iterable[Sample], conference: str, participant: str, entries: Sequence[Entry]
) -> list[tuple[str, int]]:
    """
    Return each scope of what was bad in *samples* with its tenths of a second, the longest first.

    *entries* are what stood out meanwhile. A stretch is known by the end of its interval alone.
    """
    times: Counter[str] = Counter()
    for sample in samples:
        reach = Reach(at(entries, sample.at_ms))
        for each in sample.stretches:
            if each.state == State.BAD.value:
                place = Place(conference, each.bridge, each.region)
                times[reach.of(place, participant, each.cause).value] += each.tenths
    return sorted(times.items(), key=lambda each: (-each[1], each[0]))
