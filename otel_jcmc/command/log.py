"""
The log of our own process: one line an event, and never a value that a page pushed.

The text of an error may contain such a value: `KeyError: 'Ada'`. So the log shows only the type of
an unexpected error and the places in the code. This holds for errors that we, uvicorn, asyncio, a
thread or Python itself log. The text of an OSError comes from the system and is kept.
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
# Two errors may be each other's context, in a circle.
_MAX_CAUSES: Final = 8


class Formatter(logging.Formatter):
    """Time in UTC, level, first line of the message; types and places of errors."""

    def __init__(self) -> None:
        """Prepare."""
        super().__init__("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S%z")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # logging's name
        """Return the first line; cut asyncio's before the arguments of the call."""
        message = record.message.partition("\n")[0]
        record.message = _SHOWN.split(message)[0] if record.name == "asyncio" else message
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802  # logging's name
        """Return types and places of an error and of its causes, the last one first."""
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
    """Write the log to stderr; ours from *level* on. For our own process only."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Formatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    # uvicorn warns of every request that is not HTTP: any sender could fill the log.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    # In its debug mode asyncio warns of slow calls, and shows their arguments.
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    # gRPC's core writes to stderr itself, even when a receiver only goes away.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    logging.getLogger("otel_jcmc").setLevel(level)
    # Without these, Python would write uncaught errors with their text.
    sys.excepthook = _log
    sys.unraisablehook = lambda told: _log(told.exc_type, told.exc_value, told.exc_traceback)
    threading.excepthook = lambda told: _log(told.exc_type, told.exc_value, told.exc_traceback)


def _log(
    kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
) -> None:
    """Log an uncaught *error*, unless it is how a thread or the process ends."""
    if not issubclass(kind, (KeyboardInterrupt, SystemExit)):
        log.critical("unexpected error", exc_info=(kind, error or kind.__new__(kind), trace))
