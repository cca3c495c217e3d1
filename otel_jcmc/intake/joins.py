"""
Counts successful joins and failed joins of each region, and failed joins also by cause.

intake.py calls this module for each new participant and each failed join. metrics/own.py exports
the counts and sends them to other processes. A process that replaces another continues its counts.
Each process has its own counts. A browser can send any text as its region, so only a limited number
of regions get their own count.
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
        outcomes: (JOINED or FAILED, region) -> number of joins; empty region: the page sent none.
        failures: (cause, region) -> number of failed joins. For a region with a successful join,
            causes without a failed join have the count 0.

    Concurrency: use it from one event loop.
    """

    def __init__(self) -> None:
        """Begin with counts of 0, so that Prometheus sees an increase at the first failure."""
        self.outcomes: dict[tuple[str, str], int] = {}
        self.failures: dict[tuple[str, str], int] = {}
        self._begin(self._find(""))

    def count_joined(self, report: Report) -> None:
        """Count a successful join of the participant of *report*."""
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
            # `outcomes` has two keys for each region. MAX_REGIONS does not count the empty one.
            if len(self.outcomes) > 2 * MAX_REGIONS:
                region = OTHER
            for outcome in (JOINED, FAILED):
                self.outcomes.setdefault((outcome, region), 0)
        return region

    def _begin(self, region: str) -> None:
        """Begin all causes of *region* at 0; called at the first successful join of *region*."""
        for cause in sorted(WORDS):
            self.failures.setdefault((cause, region), 0)
