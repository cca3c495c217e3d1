"""
How many have joined, and how many tried and failed: by region, and of the failures by cause.

In comes each participant that Redis has as new and each join that failed, as intake.py hears of
them; out come plain counts that metrics/own.py observes, packs for others and resumes. Each process
counts by itself. A region is what a browser says, so only so many of them get a count of their own
in each.
"""

from typing import Final

from otel_jcmc.catalogue.attributes import REGION
from otel_jcmc.catalogue.causes import OTHER, WORDS
from otel_jcmc.wire.push import Report

# Regions with a count of their own; what is beyond is `other`.
MAX_REGIONS: Final = 50
JOINED: Final = "joined"
FAILED: Final = "failed"


class Joins:
    """
    The counts of one process.

    Attributes:
        outcomes: (outcome, region) -> how many; the region is empty where none is told.
        failures: (cause, region) -> how many joins failed; zeros where somebody has joined.

    Concurrency: to be used from one event loop.
    """

    def __init__(self) -> None:
        """Begin with zeros, so that the first failure is an increase and not a new series."""
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
        """Count the join that *report* tells has failed."""
        region = self._find(report.attributes.get(REGION.id, ""))
        self.outcomes[FAILED, region] += 1
        failure = (report.session.cause or OTHER, region)
        self.failures[failure] = self.failures.get(failure, 0) + 1

    def _find(self, region: str) -> str:
        """Return under which name *region* is counted, a new one with zeros."""
        if (JOINED, region) not in self.outcomes:
            # Beside those with a name there is the empty one, each with both outcomes.
            if len(self.outcomes) > 2 * MAX_REGIONS:
                region = OTHER
            for outcome in (JOINED, FAILED):
                self.outcomes.setdefault((outcome, region), 0)
        return region

    def _begin(self, region: str) -> None:
        """Let each cause begin at 0: not for a *region* of which only failures are told."""
        for cause in sorted(WORDS):
            self.failures.setdefault((cause, region), 0)
