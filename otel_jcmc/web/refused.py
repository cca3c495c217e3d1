"""
Logs how many pushes are refused: at most one line a minute for each reason.

The service's counters come in regularly. Log lines go out. The lines say how many pushes were
refused and what the operator can do. The lines contain nothing from a push or about its sender.
intake/limits.py logs the pushes that limits refuse, and `store` logs the pushes that the store
refuses.
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
    """Logs refused pushes; keeps for each reason the time of the last line, and the count then."""

    def __init__(self, telemetry: Telemetry, clock: Callable[[], float] = monotonic) -> None:
        """Log the refused pushes that *telemetry* counts; *clock* returns seconds."""
        self._telemetry, self._clock = telemetry, clock
        # Reason -> the count in its last log line, and the time of that line.
        self._said: dict[str, tuple[int, float]] = {}

    def tell(self) -> None:
        """Log for each reason how many pushes were refused since its last line; call regularly."""
        counts, now = self._telemetry.sum_of("otel_jcmc.pushes"), self._clock()
        for reason in _TOLD:
            count = counts.get((REFUSED, reason), 0)
            before, at = self._said.get(reason, (0, now - AGAIN_SECONDS))
            if count > before and now - at >= AGAIN_SECONDS:
                more = count - before
                log.warning("pushes: %d refused, %s: %s", more, reason, REMEDIES[reason])
                self._said[reason] = count, now
