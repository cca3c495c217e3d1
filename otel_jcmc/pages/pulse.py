"""
Counts the pushes of the last minute, and finds the last exports, for the first page.

The input is the service's own metrics. This file notes their counts from time to time. The output
is the differences between the counts of now and of a minute ago.
"""

from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Final

from otel_jcmc.metrics.own import Telemetry

MINUTE_SECONDS: Final = 60.0
# The outcomes of a push.
OUTCOMES: Final = ("accepted", "refused", "failed")
_Counts = dict[str, int]
_EveryCount = dict[tuple[str, str], int]


class Pulse:
    """How the counts of the service's own metrics have grown in the last minute."""

    def __init__(self, telemetry: Telemetry, clock: Callable[[], float] = monotonic) -> None:
        """Read *telemetry*; *clock* is in seconds."""
        self._telemetry, self._clock = telemetry, clock
        self._noted: deque[tuple[float, _EveryCount]] = deque()

    def note(self) -> None:
        """Remember the present counts; call this method regularly."""
        now = self._clock()
        self._noted.append((now, self._count()))
        while len(self._noted) > 2 and self._noted[1][0] <= now - MINUTE_SECONDS:
            self._noted.popleft()

    def _count(self) -> _EveryCount:
        return {
            (key[0], key[1]): count
            for key, count in self._telemetry.sum_of("otel_jcmc.pushes").items()
        }

    def pushes(self) -> tuple[_Counts, float]:
        """Return outcome -> number of pushes, and in how many seconds they came; 0: not known."""
        every, seconds = self.pushes_by_reason()
        counts = dict.fromkeys(OUTCOMES, 0)
        for (outcome, _), count in every.items():
            counts[outcome] += count
        return counts, seconds

    def pushes_by_reason(self) -> tuple[_EveryCount, float]:
        """Return (outcome, reason) -> number of pushes, and in how many seconds they came."""
        if not self._noted:
            return {}, 0.0
        at, before = self._noted[0]
        now = self._count()
        return {key: n - before.get(key, 0) for key, n in now.items()}, self._clock() - at

    def exports(self) -> list[tuple[str, float | None, float | None]]:
        """Return each exporter's name, last success and last failure, Unix time in ms."""
        at = self._telemetry.exported_at
        names = dict.fromkeys(name for name, _ in self._telemetry.exports)

        def last(name: str, *outcomes: str) -> float | None:
            known = [1000 * at[name, each] for each in outcomes if (name, each) in at]
            return max(known, default=None)

        return [(name, last(name, "ok"), last(name, "failed", "partial")) for name in names]
