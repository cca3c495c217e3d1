"""What the service's own metrics are read from, where others count (own.py)."""

from typing import Protocol


class Head(Protocol):
    """The head of a push, as far as it is told of (intake/heads.py)."""

    def origin(self) -> bytes:
        """Return the page's origin."""


class HistoryFigures(Protocol):
    """What history says of itself (sessions/recorder.py)."""

    @property
    def samples(self) -> dict[str, int]:
        """Outcome -> samples so far."""

    @property
    def evicted(self) -> dict[str, int]:
        """Reason -> sessions so far."""

    @property
    def sessions(self) -> int | None:
        """How many there are in Redis, None if that is not known now."""

    @property
    def taken_bytes(self) -> int | None:
        """What they take of it."""

    @property
    def waiting(self) -> int:
        """Samples that wait for it."""


class JoinFigures(Protocol):
    """What says how many have joined, and how many could not."""

    @property
    def outcomes(self) -> dict[tuple[str, str], int]:
        """(outcome, region) -> how many."""

    @property
    def failures(self) -> dict[tuple[str, str], int]:
        """(cause, region) -> how many."""
