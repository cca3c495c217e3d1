"""
What is kept of sessions: what every script that touches them is told first.

The settings decide it; here it is plain values, and the arguments that stays.lua takes.
"""

from typing import Final, NamedTuple

# For what recorders have written of a session to be in Redis.
SETTLE_MS: Final = 3_000


class Keeping(NamedTuple):
    """
    What is kept of sessions.

    Attributes:
        sessions: whether anything is.
        spans: whether they become spans.
        grace_ms: for this long after an expiry who comes back goes on with the same session.
        keep_ms: for this long a session is kept in Redis.
        settle_ms: for this long after a session's last push there may be some of it that recorders
            have not written yet: a span waits for it.
        history: whether a session's log is kept when it is over and has become something else.
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
        """Return the first arguments of each script."""
        mode = 2 if self.spans else 3 if self.summaries else 1
        return mode if self.sessions else 0, self.grace_ms, self.keep_ms, self.settle_ms


NOTHING_KEPT: Final = Keeping()
