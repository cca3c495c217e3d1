"""
Asks a running service for a command: the service of the settings, or the service at --url.

Arguments and settings come in; the exit code goes out. A failure is printed as one line.
"""

import sys
from argparse import Namespace
from collections.abc import Callable

from otel_jcmc.command.environment import read_base
from otel_jcmc.command.running_service import CannotShow, RunningService
from otel_jcmc.config.settings import Settings

# A function that does a command's work, given its arguments and a running service.
Work = Callable[[Namespace, RunningService], None]


def ask_service(work: Work, arguments: Namespace, settings: Settings) -> int:
    """Do *work* with the service of *settings*, or with the one at --url; return the exit code."""
    from otel_jcmc.config.settings import to_text

    return ask_at(work, arguments, read_base(settings), to_text(settings.read_token or ""))


def ask_at(work: Work, arguments: Namespace, url: str, token: str) -> int:
    """Do *work* with the service at *url*; return the exit code."""
    # Names with characters that the terminal can't show must not end in a traceback.
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        work(arguments, RunningService(arguments.url or url, token))
    except CannotShow as error:
        print(f"otel-jcmc: {error}", file=sys.stderr)
        return 1
    return 0
