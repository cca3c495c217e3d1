"""Logs a trouble of the service: one line when it begins, when it changes and when it has ended."""

import logging


class Trouble:
    """
    Logs what is wrong with one thing: a line when it begins, when it changes and when it has ended.

    Attributes:
        what: what is wrong now, as a text or a number; "" or 0: nothing is wrong.
    """

    __slots__ = ("_begins", "_ends", "_level", "_log", "what")

    def __init__(
        self, log: logging.Logger, begins: str, ends: str = "", level: int = logging.WARNING
    ) -> None:
        """
        Prepare the lines; log nothing yet.

        Args:
            begins: the line when something is wrong, with %s or %d for what is wrong.
            ends: the line when nothing is wrong any more, at level INFO.
            level: the level of *begins*.
        """
        self._log, self._begins, self._ends, self._level = log, begins, ends, level
        self.what: str | int = ""

    def update(self, what: str | int, error: BaseException | None = None) -> None:
        """Log *what* is wrong now, with the traceback of *error*, unless *what* has not changed."""
        if what != self.what:
            if what:
                self._log.log(self._level, self._begins, what, exc_info=error)
            else:
                self._log.info("%s", self._ends)
        self.what = what
