"""
The log of pushes that were not taken: a line for each reason, once a minute at most.

In go our own counters, now and then; out come lines with what to do, and nothing of what was sent
or of who has sent it. What limits refuse has lines of its own (intake/limits.py), and what Redis
does not take has those of the store.
"""

import logging
from collections.abc import Callable
from time import monotonic
from typing import Final

from otel_jcmc.catalogue.reasons import REFUSALS
from otel_jcmc.catalogue.remedies import REMEDIES
from otel_jcmc.intake.limits import LIMITS
from otel_jcmc.metrics.own import REFUSED, Telemetry

log = logging.getLogger(__name__)

AGAIN_SECONDS: Final = 60.0
_TOLD: Final = tuple(reason for reason in REFUSALS if reason not in LIMITS)


class RefusedLog:
    """What was said of refused pushes, and when."""

    def __init__(self, telemetry: Telemetry, clock: Callable[[], float] = monotonic) -> None:
        """Tell of what *telemetry* counts; *clock* is in seconds."""
        self._telemetry, self._clock = telemetry, clock
        # Reason -> how many had been refused when that was said last, and when.
        self._said: dict[str, tuple[int, float]] = {}

    def tell(self) -> None:
        """Log what was refused since the last line on it; to be called now and then."""
        counts, now = self._telemetry.sum_of("otel_jcmc.pushes"), self._clock()
        for reason in _TOLD:
            count = counts.get((REFUSED, reason), 0)
            before, at = self._said.get(reason, (0, now - AGAIN_SECONDS))
            if count > before and now - at >= AGAIN_SECONDS:
                more = count - before
                log.warning("pushes: %d refused, %s: %s", more, reason, REMEDIES[reason])
                self._said[reason] = count, now
