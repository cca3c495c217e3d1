"""A trouble in the log: one line when it begins, one when it changes, one when it has ended."""

import logging


class Trouble:
    """
    What is wrong with one thing, for as long as it is.

    Attributes:
        what: is wrong now, which may be how many; "" for nothing.
    """

    __slots__ = ("_begins", "_ends", "_level", "_log", "what")

    def __init__(
        self, log: logging.Logger, begins: str, ends: str = "", level: int = logging.WARNING
    ) -> None:
        """Log *begins* at *level*, where %s or %d is what is wrong, and *ends* as information."""
        self._log, self._begins, self._ends, self._level = log, begins, ends, level
        self.what: str | int = ""

    def update(self, what: str | int, error: BaseException | None = None) -> None:
        """Log *what* is wrong now, with the traceback of *error*, unless it was already."""
        if what != self.what:
            if what:
                self._log.log(self._level, self._begins, what, exc_info=error)
            else:
                self._log.info("%s", self._ends)
        self.what = what
