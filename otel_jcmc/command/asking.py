"""
How a command asks a running service: the one of the settings, or the one of --url.

Arguments and settings come in; the exit code goes out. A failure is one line.
"""

import sys
from argparse import Namespace
from collections.abc import Callable

from otel_jcmc.command.environment import read_base
from otel_jcmc.command.running_service import CannotShow, RunningService
from otel_jcmc.config.settings import Settings

# What a command does with its arguments and a service.
Work = Callable[[Namespace, RunningService], None]


def ask_service(work: Work, arguments: Namespace, settings: Settings) -> int:
    """Do *work* at the service of *settings*, or at the one of --url in *arguments*."""
    from otel_jcmc.config.settings import to_text

    return ask_at(work, arguments, read_base(settings), to_text(settings.read_token or ""))


def ask_at(work: Work, arguments: Namespace, url: str, token: str) -> int:
    """Do *work* at the service of *url*; return the exit code."""
    # Names with characters that the terminal can't show must not end in a traceback.
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        work(arguments, RunningService(arguments.url or url, token))
    except CannotShow as error:
        print(f"otel-jcmc: {error}", file=sys.stderr)
        return 1
    return 0
