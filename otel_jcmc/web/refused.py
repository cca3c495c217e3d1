"""
Logs that pushes are refused: at most one line a minute for each reason.

Our own counters come in regularly; log lines go out that say what the operator can do. The lines
contain nothing of a push or its sender. intake/limits.py logs refusals by limits, `store` those by
the store.
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
    """Logs refused pushes; remembers for each reason the last log line and its time."""

    def __init__(self, telemetry: Telemetry, clock: Callable[[], float] = monotonic) -> None:
        """Log what *telemetry* counts; *clock* is in seconds."""
        self._telemetry, self._clock = telemetry, clock
        # Reason -> the count in its last log line, and the time of that line.
        self._said: dict[str, tuple[int, float]] = {}

    def tell(self) -> None:
        """Log what was refused since the last line of each reason; call it regularly."""
        counts, now = self._telemetry.sum_of("otel_jcmc.pushes"), self._clock()
        for reason in _TOLD:
            count = counts.get((REFUSED, reason), 0)
            before, at = self._said.get(reason, (0, now - AGAIN_SECONDS))
            if count > before and now - at >= AGAIN_SECONDS:
                more = count - before
                log.warning("pushes: %d refused, %s: %s", more, reason, REMEDIES[reason])
                self._said[reason] = count, now
