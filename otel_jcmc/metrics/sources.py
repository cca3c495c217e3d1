"""Interfaces of the other rooms that count own metrics (own.py)."""

from typing import Protocol


class Head(Protocol):
    """The head of a push, as far as it is used here (intake/heads.py)."""

    def origin(self) -> bytes:
        """Return the page's origin."""


class HistoryFigures(Protocol):
    """The figures of history (sessions/recorder.py)."""

    @property
    def samples(self) -> dict[str, int]:
        """Outcome -> samples so far."""

    @property
    def evicted(self) -> dict[str, int]:
        """Reason -> sessions so far."""

    @property
    def sessions(self) -> int | None:
        """Number of sessions in Redis; None if not known now."""

    @property
    def taken_bytes(self) -> int | None:
        """Bytes that they take in Redis; None if not known now."""

    @property
    def waiting(self) -> int:
        """Samples that wait to be written."""


class JoinFigures(Protocol):
    """The figures of joins and failed joins."""

    @property
    def outcomes(self) -> dict[tuple[str, str], int]:
        """(outcome, region) -> joins."""

    @property
    def failures(self) -> dict[tuple[str, str], int]:
        """(cause, region) -> failed joins."""
