"""Declares the interfaces of objects in other packages whose counts own.py exports."""

from typing import Protocol


class Head(Protocol):
    """The part of a push's head (intake/heads.py) that is used here."""

    def origin(self) -> bytes:
        """Return the web origin of the page that pushed."""


class HistoryFigures(Protocol):
    """The figures of recorded sessions (sessions/recorder.py)."""

    @property
    def samples(self) -> dict[str, int]:
        """Outcome -> number of samples so far."""

    @property
    def evicted(self) -> dict[str, int]:
        """Reason -> number of sessions removed so far for this reason."""

    @property
    def sessions(self) -> int | None:
        """Number of sessions in Redis; None if not known now."""

    @property
    def taken_bytes(self) -> int | None:
        """Bytes that the sessions take in Redis; None if not known now."""

    @property
    def waiting(self) -> int:
        """Number of samples that wait to be written to Redis."""


class JoinFigures(Protocol):
    """The figures of joins and failed joins (intake/joins.py)."""

    @property
    def outcomes(self) -> dict[tuple[str, str], int]:
        """(outcome, region) -> number of joins so far."""

    @property
    def failures(self) -> dict[tuple[str, str], int]:
        """(cause, region) -> number of failed joins so far."""
