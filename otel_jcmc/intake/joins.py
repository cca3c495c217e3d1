"""
Counts joins and failed joins by region, and failures also by cause.

New participants and failed joins come in from intake.py. Plain counts go out; metrics/own.py
exports the counts, packs them for other processes, and lets a successor continue them. Each process
counts alone. Browsers choose the region's text, so only a limited number of regions get their own
count.
"""

from typing import Final

from otel_jcmc.catalogue.attributes import REGION
from otel_jcmc.catalogue.causes import OTHER, WORDS
from otel_jcmc.wire.push import Report

# How many regions have their own count; further regions are counted as `other`.
MAX_REGIONS: Final = 50
JOINED: Final = "joined"
FAILED: Final = "failed"


class Joins:
    """
    Counts joins and failed joins in one process.

    Attributes:
        outcomes: (outcome, region) -> number of joins; the region is empty if the page sends none.
        failures: (cause, region) -> number of failed joins. For a region with a successful join,
            causes without a failed join have the count 0.

    Concurrency: use it from one event loop.
    """

    def __init__(self) -> None:
        """Begin each count at 0: the first failure is then an increase, not a new series."""
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
        """Return the name under which *region* is counted; begin the counts of a new name at 0."""
        if (JOINED, region) not in self.outcomes:
            # Each region has two outcomes, and the empty region comes on top of MAX_REGIONS.
            if len(self.outcomes) > 2 * MAX_REGIONS:
                region = OTHER
            for outcome in (JOINED, FAILED):
                self.outcomes.setdefault((outcome, region), 0)
        return region

    def _begin(self, region: str) -> None:
        """Begin each cause of *region* at 0, when the first participant of *region* has joined."""
        for cause in sorted(WORDS):
            self.failures.setdefault((cause, region), 0)
