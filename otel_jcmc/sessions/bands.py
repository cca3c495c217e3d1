"""
Returns the states of a session over time; history pages draw a picture of the session from them.

The session's samples (entry.py) come in. Bands go out in the order of time. A band is a time in
which the session had one state and one cause. Between two bands there is a gap if no push came for
more than `ttl_ms`.
"""

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Final, NamedTuple

from otel_jcmc.catalogue.metrics import CAUSE_ID, STATE_ID
from otel_jcmc.sessions.entry import Sample
from otel_jcmc.sessions.pushes import Push

_at: Final = attrgetter("at_ms")


class Band(NamedTuple):
    """
    A time in which a session had one state and one cause.

    Attributes:
        from_ms, to_ms: start and end of this time, Unix time in ms.
        state, cause: numbers of verdict/rules.py. The state is None if it is not known. The cause
            is 0 if no cause is known.
    """

    from_ms: int
    to_ms: int
    state: int | None
    cause: int


def bands(samples: Iterable[Sample], ttl_ms: int) -> list[Band]:
    """
    Return the bands of a session in the order of time.

    The state of a push applies to the time since the push before. If no push came for more than
    *ttl_ms*, no band covers this time. The state of the first push of the session, or of the first
    push after such a gap, applies only to the moment of this push.
    """
    found: list[Band] = []
    # The times, and the state and cause, of the band that is not complete yet.
    from_ms = to_ms = 0
    how: tuple[int | None, int] | None = None
    for push in pushes_of(samples):
        is_after_gap = how is None or push.at_ms - to_ms > ttl_ms
        told = (push.state, push.cause)
        if is_after_gap or told != how:
            if how is not None:
                found.append(Band(from_ms, to_ms, *how))
            from_ms, how = push.at_ms if is_after_gap else to_ms, told
        to_ms = push.at_ms
    if how is not None:
        found.append(Band(from_ms, to_ms, *how))
    return found


def pushes_of(samples: Iterable[Sample]) -> Sequence[Push]:
    """
    Return the pushes of *samples* in the order of time.

    A sample that an earlier version of the service wrote has no list of pushes. For such a sample,
    this function makes one push from the sample's numbers: the last push of the sample's interval.
    """
    found: list[Push] = []
    for sample in samples:
        if sample.pushes:
            found += sample.pushes
            continue
        state, cause = sample.numbers[STATE_ID - 1], sample.numbers[CAUSE_ID - 1]
        is_silent = all(each is None for each in sample.worst)
        found.append(Push(sample.at_ms, state, int(cause or 0), is_silent))
    return sorted(found, key=_at)
