"""
How a command asks a running service: the one of the settings, or the one that --url names.

Arguments and settings come in, the exit code goes out. A failure is one line on stderr.
"""

import sys
from argparse import Namespace
from collections.abc import Callable

from otel_jcmc.command.environment import read_base
from otel_jcmc.command.running_service import CannotShow, RunningService
from otel_jcmc.config.settings import Settings

# Does a command's work with its arguments and a service.
Work = Callable[[Namespace, RunningService], None]


def ask_service(work: Work, arguments: Namespace, settings: Settings) -> int:
    """Do *work* at the service that runs with *settings*, or at the one that *arguments* name."""
    from otel_jcmc.config.settings import to_text

    return ask_at(work, arguments, read_base(settings), to_text(settings.read_token or ""))


def ask_at(work: Work, arguments: Namespace, url: str, token: str) -> int:
    """Do *work* at the service of *url*; return the exit code."""
    # A name may have characters that the terminal can't show: no traceback for them.
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        work(arguments, RunningService(arguments.url or url, token))
    except CannotShow as error:
        print(f"otel-jcmc: {error}", file=sys.stderr)
        return 1
    return 0
