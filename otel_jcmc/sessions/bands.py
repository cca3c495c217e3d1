"""
From when to when a session was how: what a picture of it is made of.

In come its samples (entry.py), out come bands, one after the other, with a gap between them where
nobody pushed.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from otel_jcmc.catalogue.metrics import CAUSE_ID, STATE_ID
from otel_jcmc.sessions.entry import Sample
from otel_jcmc.sessions.pushes import Push


class Band(NamedTuple):
    """
    A time in which a session was in one state by one cause, Unix time in ms.

    Attributes:
        state, cause: as verdict/rules.py has them; None: not known; 0: nothing explains it.
    """

    from_ms: int
    to_ms: int
    state: int | None
    cause: int


def bands(samples: Iterable[Sample], ttl_ms: int) -> list[Band]:
    """
    Return how a session was, in order: each push tells of the time since the one before.

    What comes after more than *ttl_ms* comes after a gap; of such a push, and of the first of all,
    only the moment is known.
    """
    found: list[Band] = []
    before_ms = None
    for push in pushes_of(samples):
        is_after_gap = before_ms is None or push.at_ms - before_ms > ttl_ms
        from_ms = push.at_ms if is_after_gap or before_ms is None else before_ms
        before_ms = push.at_ms
        last = found[-1] if found else None
        if last and not is_after_gap and last[2:] == (push.state, push.cause):
            found[-1] = last._replace(to_ms=push.at_ms)
        else:
            found.append(Band(from_ms, push.at_ms, push.state, push.cause))
    return found


def pushes_of(samples: Iterable[Sample]) -> Sequence[Push]:
    """Return the pushes of *samples* by their time; of an earlier version's sample the last one."""
    found: list[Push] = []
    for sample in samples:
        last = Push(
            sample.at_ms,
            *(sample.numbers[STATE_ID - 1], int(sample.numbers[CAUSE_ID - 1] or 0)),
            is_silent=all(each is None for each in sample.worst),
        )
        found += sample.pushes or [last]
    return sorted(found, key=lambda push: push.at_ms)
