"""
Shows on stderr how much of a long answer has come, if stderr is a terminal.

We use no library for this one line: tqdm would be one more dependency, and rich takes longer to
start than most answers take to arrive.
"""

import sys
from time import monotonic
from typing import Final

_WIDTH: Final = 30
_EVERY_SECONDS: Final = 0.1


class Progress:
    """A bar on stderr that shows how many things have come, such as sessions, and how many will."""

    def __init__(self, total: int, what: str) -> None:
        """Expect *total* things called *what*; nothing is drawn unless stderr is a terminal."""
        self._total, self._what = total, what
        self._is_shown = sys.stderr.isatty()
        self._drawn_at = 0.0

    def show(self, done: int) -> None:
        """Draw the bar for *done* things, at most ten times a second."""
        now = monotonic()
        if not self._is_shown or now - self._drawn_at < _EVERY_SECONDS:
            return
        self._drawn_at = now
        filled = min(_WIDTH, _WIDTH * done // max(self._total, 1))
        bar = "#" * filled + "." * (_WIDTH - filled)
        print(f"\r[{bar}] {done:,} of {self._total:,} {self._what}", end="", file=sys.stderr)
        sys.stderr.flush()

    def end(self) -> None:
        """Remove the bar."""
        if self._is_shown and self._drawn_at:
            print("\r\x1b[K", end="", file=sys.stderr)
            sys.stderr.flush()
