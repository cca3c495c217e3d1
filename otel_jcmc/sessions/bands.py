"""
The states of a session over time, from which a picture of the session is drawn.

Its samples (entry.py) come in; bands go out, one after the other, with a gap where no pushes came.
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
    A time in which a session was in one state by one cause, Unix time in ms.

    Attributes:
        state, cause: numbers of verdict/rules.py; state None: not known; cause 0: no known cause.
    """

    from_ms: int
    to_ms: int
    state: int | None
    cause: int


def bands(samples: Iterable[Sample], ttl_ms: int) -> list[Band]:
    """
    Return the bands of a session, by time: each push describes the time since the push before.

    If no push came for more than *ttl_ms*, no band covers this time. The first push of the session,
    and the first push after such a gap, describe only their own moment.
    """
    found: list[Band] = []
    # These describe the band that is not over yet.
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
    Return the pushes of *samples* by time.

    A sample of an earlier version has no pushes; only its last push is returned.
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
