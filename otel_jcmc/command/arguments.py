"""
The command line: `otel-jcmc serve | check | catalogue | sessions | simulate`.

Each command imports what it needs when it runs, so that `--help` answers at once.
"""

import argparse
import asyncio
import sys
from functools import partial

from otel_jcmc.version import __version__


def main() -> None:
    """Run the command that the arguments name; exit 1 with one line when it can't."""
    parser = argparse.ArgumentParser("otel-jcmc", description=__doc__.splitlines()[1])
    parser.add_argument("--version", action="version", version=f"otel-jcmc {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("serve", help="take pushes and answer scrapes")
    commands.add_parser("check", help="print the settings in force, or what is wrong with them")
    commands.add_parser("catalogue", help="print the table of metrics")
    simulate = commands.add_parser("simulate", help="push as many participants would")
    simulate.add_argument("--participants", type=int, default=20, metavar="N")
    simulate.add_argument("--conferences", type=int, default=4, metavar="M")
    simulate.add_argument("--for", type=float, default=60, metavar="SECONDS", dest="seconds")
    simulate.add_argument("--interval", type=float, default=10, metavar="SECONDS")
    simulate.add_argument("--url", default="http://127.0.0.1:3000/metrics/push")
    simulate.add_argument("--seed", type=int, help="the same people each time")
    _add_sessions(commands.add_parser("sessions", help="show who was in which call, and how"))
    commands.add_parser("export")  # what serve starts when OTLP is on; not in the help
    arguments = parser.parse_args(_bound(sys.argv[1:]))
    try:
        sys.exit(_run(arguments))
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(0)


def _add_sessions(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `sessions`."""
    parser.add_argument("id", nargs="?", help="show this one, with a plot")
    parser.add_argument("--conference", metavar="NAME")
    parser.add_argument("--client-id", metavar="ID")
    when = "2026-03-01T09:30:00Z, Unix seconds or -2h"
    parser.add_argument("--from", metavar="TIME", dest="from_", help=when)
    parser.add_argument("--to", metavar="TIME")
    parser.add_argument("--limit", type=int, default=50, metavar="N", help="at most so many: 50")
    parser.add_argument("--metric", default="connectionquality", help="what the plot shows")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--csv", action="store_true", help="of one session")
    parser.add_argument("--delete", action="store_true", help="erase all there is of --client-id")
    parser.add_argument("--yes", action="store_true", help="without being asked")
    parser.add_argument("--url", help="of a service that is not the one of the settings here")


def _bound(arguments: list[str]) -> list[str]:
    """Return *arguments* with `-2h` at the flag before it, or it would be taken for one."""
    bound: list[str] = []
    for each in arguments:
        if bound[-1:] in (["--from"], ["--to"]):
            bound[-1] += f"={each}"
        else:
            bound.append(each)
    return bound


def _run(arguments: argparse.Namespace) -> int:
    """Run one command and return the exit code."""
    from otel_jcmc.command.environment import with_settings

    match arguments.command:
        case "serve":
            from otel_jcmc.command.serve import serve

            return with_settings(serve)
        case "check":
            from otel_jcmc.command.check import check

            return with_settings(check)
        case "export":
            from otel_jcmc.command.export import export

            return with_settings(export)
        case "catalogue":
            from otel_jcmc.command.catalogue import catalogue_text

            print(catalogue_text())
            return 0
        case "sessions":
            from otel_jcmc.command.sessions import show

            return with_settings(partial(show, arguments))
        case _:
            from otel_jcmc.simulate.crowd import simulate

            return asyncio.run(
                simulate(
                    arguments.url,
                    arguments.participants,
                    arguments.conferences,
                    arguments.seconds,
                    arguments.interval,
                    arguments.seed,
                )
            )
