"""
Tells scripts what to keep of sessions, and for how long.

The settings decide this. `Keeping` has these settings as plain values, and makes the first
arguments of each script that touches sessions; stays.lua reads them.
"""

from typing import Final, NamedTuple

# How long after a session's last push recorders may write its last entries into Redis.
SETTLE_MS: Final = 3_000


class Keeping(NamedTuple):
    """
    What is kept of sessions, and for how long.

    Attributes:
        sessions: whether sessions are kept.
        spans: whether sessions become spans.
        grace_ms: a participant that comes back within this time after it expired continues its
            session.
        keep_ms: how long a session is kept in Redis.
        settle_ms: how long after a session's last push recorders may still write entries; a span
            is made after this time.
        history: whether a session's log is kept when the session is over and has become a span or a
            summary.
        summaries: whether sessions become summaries.
    """

    sessions: bool = False
    spans: bool = False
    grace_ms: int = 60_000
    keep_ms: int = 86_400_000
    settle_ms: int = SETTLE_MS
    history: bool = True
    summaries: bool = False

    def to_args(self) -> tuple[int, int, int, int]:
        """Return the first arguments of each script: what becomes of sessions, and three times."""
        mode = 2 if self.spans else 3 if self.summaries else 1
        return mode if self.sessions else 0, self.grace_ms, self.keep_ms, self.settle_ms


NOTHING_KEPT: Final = Keeping()
