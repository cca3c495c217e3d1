"""
Sets up the log of our process: one line for each message, and never a value that a page pushed.

The text of an error may contain a value that a page pushed, such as `KeyError: 'Ada'`. Of an
unexpected error, the log therefore has only the kind, and the lines of code where it was raised.
This is so whether our code, uvicorn, asyncio, a thread or Python itself logs the error. The text of
an OSError is logged too, because the operating system wrote it.
"""

import logging
import os
import re
import sys
import threading
import traceback
from types import TracebackType
from typing import Any, Final

log = logging.getLogger(__name__)

_SHOWN: Final = re.compile(r"[(<]")
# An error can have itself among its causes: stop after this many.
_MAX_CAUSES: Final = 8


class Formatter(logging.Formatter):
    """Formats a log record: time, level, the message's first line, errors without their text."""

    def __init__(self) -> None:
        """Set the form of a line and of its time."""
        super().__init__("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S%z")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # logging's name
        """Return the message's first line; asyncio's messages without the arguments of calls."""
        message = record.message.partition("\n")[0]
        record.message = _SHOWN.split(message)[0] if record.name == "asyncio" else message
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802  # logging's name
        """Return kind and traceback of the error, and then of each of its causes."""
        kind, error, _ = ei
        lines = [] if error else [kind.__name__]
        for _ in range(_MAX_CAUSES):
            if error is None:
                break
            text = f": {error.strerror}" if isinstance(error, OSError) else ""
            lines += [f"{type(error).__name__}{text}\n", *traceback.format_tb(error.__traceback__)]
            is_hidden = error.__suppress_context__
            error = error.__cause__ or (None if is_hidden else error.__context__)
        return "".join(lines)


def set_up_logging(level: str) -> None:
    """Write the log of this process to stderr; our code's messages only from *level* up."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Formatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    # uvicorn logs a warning for each request that is not HTTP: any client could fill the log.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    # In debug mode asyncio logs slow calls with their arguments, which may contain pushed values.
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    # gRPC's core writes directly to stderr, even when a receiver only disconnects.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    logging.getLogger("otel_jcmc").setLevel(level)
    # If no code catches an error, Python would write it to stderr, with its text.
    sys.excepthook = _log
    sys.unraisablehook = lambda told: _log(told.exc_type, told.exc_value, told.exc_traceback)
    threading.excepthook = lambda told: _log(told.exc_type, told.exc_value, told.exc_traceback)


def _log(
    kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
) -> None:
    """Log an *error* that no code caught, except Ctrl-C and an exit that code asked for."""
    if not issubclass(kind, (KeyboardInterrupt, SystemExit)):
        log.critical("unexpected error", exc_info=(kind, error or kind.__new__(kind), trace))
