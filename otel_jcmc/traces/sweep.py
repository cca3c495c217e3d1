"""
Makes the spans of ended sessions and conferences, which then wait in Redis.

sessions/sweep.py finds the ended sessions and conferences, and calls this file. This file makes
each span with the functions in spans.py. sessions/sweep.py then puts the spans into Redis.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from otel_jcmc.sessions import sweep
from otel_jcmc.sessions.entry import Sample
from otel_jcmc.sessions.leg import Folded, Leg
from otel_jcmc.traces.spans import fold_conference, fold_session
from otel_jcmc.verdict.journal import Entry


class Sweep(sweep.Sweep):
    """A sweep of ended sessions and conferences that makes spans of them."""

    def span_of(
        self,
        leg: Leg,
        samples: Sequence[Sample],
        about: Mapping[int, Any],
        entries: Sequence[Entry] | None,
    ) -> Folded:
        """Return the span of *leg*; no span if the leg began while spans were switched off."""
        if not leg.instance:
            return super().span_of(leg, samples, about, entries)
        return fold_session(leg, samples, about, entries)

    def room_span_of(self, room: str, of_redis: Mapping[str, str]) -> bytes:
        """Return the span of the ended conference *room*, made from its hash *of_redis*."""
        return fold_conference(room, of_redis)
