"""
Makes the spans of ended sessions and conferences, and puts them in the outbox in Redis.

sessions/sweep.py finds what has ended; this file makes the spans, by spans.py.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from otel_jcmc.sessions import sweep
from otel_jcmc.sessions.entry import Sample
from otel_jcmc.sessions.leg import Folded, Leg
from otel_jcmc.traces.spans import fold_conference, fold_session
from otel_jcmc.verdict.journal import Entry


class Sweep(sweep.Sweep):
    """The sweep of sessions/sweep.py, which here also makes spans."""

    def span_of(
        self,
        leg: Leg,
        samples: Sequence[Sample],
        about: Mapping[int, Any],
        entries: Sequence[Entry] | None,
    ) -> Folded:
        """
        Return the span of *leg*, as `fold_session` does.

        If the leg began while spans were switched off, the result has no span.
        """
        if not leg.instance:
            return super().span_of(leg, samples, about, entries)
        return fold_session(leg, samples, about, entries)

    def room_span_of(self, room: str, of_redis: Mapping[str, str]) -> bytes:
        """Return the span of a conference's instance, as `fold_conference` does."""
        return fold_conference(room, of_redis)
