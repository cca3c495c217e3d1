"""
Counts joins and failed joins by region, and failures also by cause.

New participants and failed joins come in from intake.py. Plain counts go out; metrics/own.py
observes them, packs them for other processes and resumes them. Each process counts alone. Browsers
choose the region's text, so only a limited number of regions get their own count.
"""

from typing import Final

from otel_jcmc.catalogue.attributes import REGION
from otel_jcmc.catalogue.causes import OTHER, WORDS
from otel_jcmc.wire.push import Report

# Most regions with their own count; further ones are `other`.
MAX_REGIONS: Final = 50
JOINED: Final = "joined"
FAILED: Final = "failed"


class Joins:
    """
    The counts of one process.

    Attributes:
        outcomes: (outcome, region) -> joins; the region is empty if the page sends none.
        failures: (cause, region) -> failed joins; zeros for regions with a successful join.

    Concurrency: use it from one event loop.
    """

    def __init__(self) -> None:
        """Begin with zeros: the first failure is then an increase, not a new series."""
        self.outcomes: dict[tuple[str, str], int] = {}
        self.failures: dict[tuple[str, str], int] = {}
        self._begin(self._find(""))

    def count_joined(self, report: Report) -> None:
        """Count the participant of *report* as one that has joined."""
        region = self._find(report.attributes.get(REGION.id, ""))
        if not self.outcomes[JOINED, region]:
            self._begin(region)
        self.outcomes[JOINED, region] += 1

    def count_failed(self, report: Report) -> None:
        """Count the failed join in *report*."""
        region = self._find(report.attributes.get(REGION.id, ""))
        self.outcomes[FAILED, region] += 1
        failure = (report.session.cause or OTHER, region)
        self.failures[failure] = self.failures.get(failure, 0) + 1

    def _find(self, region: str) -> str:
        """Return the name under which *region* is counted; a new one begins with zeros."""
        if (JOINED, region) not in self.outcomes:
            # Besides named regions there is the empty one; each has both outcomes.
            if len(self.outcomes) > 2 * MAX_REGIONS:
                region = OTHER
            for outcome in (JOINED, FAILED):
                self.outcomes.setdefault((outcome, region), 0)
        return region

    def _begin(self, region: str) -> None:
        """Begin each cause of *region* at 0; not called for a region with failures alone."""
        for cause in sorted(WORDS):
            self.failures.setdefault((cause, region), 0)
