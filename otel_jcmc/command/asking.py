"""
Runs commands that ask a running service, such as `sessions`.

The service is the one at --url, or the one that the settings describe. The input is a command's
function, arguments and settings, the output is the exit code. A failure is printed as one line.
"""

import sys
from argparse import Namespace
from collections.abc import Callable

from otel_jcmc.command.environment import read_base
from otel_jcmc.command.running_service import CannotShow, RunningService
from otel_jcmc.config.settings import Settings

# A function that does the work of a command. It gets the arguments and a running service.
Work = Callable[[Namespace, RunningService], None]


def ask_service(work: Work, arguments: Namespace, settings: Settings) -> int:
    """Do *work* with the service at --url, or with that in *settings*; return the exit code."""
    from otel_jcmc.config.settings import to_text

    return ask_at(work, arguments, read_base(settings), to_text(settings.read_token or ""))


def ask_at(work: Work, arguments: Namespace, url: str, token: str) -> int:
    """Do *work* with the service at *url*; return the exit code."""
    # A name may contain characters that the terminal can't show: print another sign in their place.
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        work(arguments, RunningService(arguments.url or url, token))
    except CannotShow as error:
        print(f"otel-jcmc: {error}", file=sys.stderr)
        return 1
    return 0
