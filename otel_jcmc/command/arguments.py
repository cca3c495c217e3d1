"""
The command line: `otel-jcmc serve | check | sessions | conference | summary | simulate` and more.

Each command imports what it needs when it runs, so that `--help` answers at once.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Coroutine
from functools import partial
from pathlib import Path
from typing import Any, Final

from otel_jcmc.version import __version__

_ZONE: Final = "such as Europe/Berlin; this machine's if not given"


def main() -> None:
    """Run the command that the arguments name; exit 1 with one line when it can't."""
    parser = argparse.ArgumentParser("otel-jcmc", description=__doc__.splitlines()[1])
    parser.add_argument("--version", action="version", version=f"otel-jcmc {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    serve = commands.add_parser("serve", help="take pushes and answer scrapes")
    serve.add_argument("--workers", metavar="N", help="processes that take pushes: JCMC_WORKERS")
    commands.add_parser("check", help="print the settings in force, or what is wrong with them")
    _add_doctor(commands.add_parser("doctor", help="find out why it is empty, and what to do"))
    commands.add_parser("catalogue", help="print the table of metrics")
    _add_simulate(commands.add_parser("simulate", help="push as many participants would"))
    _add_sessions(commands.add_parser("sessions", help="show who was in which call, and how"))
    _add_summary(commands.add_parser("summary", help="show how calls were, by days and weeks"))
    _add_conference(commands.add_parser("conference", help="show everyone who was in it, by time"))
    commands.add_parser("export")  # what serve starts when OTLP is on; not in the help
    arguments = parser.parse_args(_bound(sys.argv[1:]))
    try:
        sys.exit(_run(arguments))
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(0)


def _add_simulate(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `simulate`."""
    parser.add_argument("--participants", type=int, default=20, metavar="N")
    parser.add_argument("--conferences", type=int, metavar="M", help="4, of a story 20")
    parser.add_argument(
        "--for", type=float, metavar="SECONDS", dest="seconds", help="60, of a story 300"
    )
    parser.add_argument("--interval", type=float, default=10, metavar="SECONDS")
    parser.add_argument("--url", default="http://127.0.0.1:3000/metrics/push")
    parser.add_argument("--seed", type=int, help="the same people each time")
    story = parser.add_argument_group("a story: something happens, to as many as the rooms hold")
    story.add_argument("--story", metavar="NAME", help="a cause, a scope, mixed or quiet")
    story.add_argument("--room-size", type=int, metavar="N", help="of each; several if not given")
    story.add_argument(
        "--originals", type=float, default=0.3, metavar="SHARE", help="of pages that tell less"
    )
    story.add_argument("--truth", type=Path, metavar="FILE", help="write there what is true")


def _add_doctor(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `doctor`."""
    parser.description = (
        "Look at settings, store, service, pushes, page, scrape and exports, and say of each"
        " whether it is well, else what to do. Exit code: 0 nothing is wrong, 1 something is, 2 the"
        " arguments are."
    )
    url = "of a service that is not the one of the settings here; with JCMC_ADMIN_PORT that port"
    parser.add_argument("--url", help=url)
    public = "what browsers reach it by, such as https://meet.example.org/metrics-collector"
    parser.add_argument("--public-url", metavar="URL", help=public)
    parser.add_argument("--page", metavar="URL", help="of a conference's page: look at its policy")
    prometheus = "of Prometheus, such as http://127.0.0.1:9090: ask it too"
    parser.add_argument("--prometheus", metavar="URL", help=prometheus)
    parser.add_argument("--json", action="store_true", help="for programs")


def _add_sessions(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `sessions`."""
    parser.add_argument("id", nargs="?", help="show this one, with a plot")
    found = parser.add_argument_group("which: by a part of a name, in any case")
    found.add_argument("--conference", metavar="NAME")
    found.add_argument("--participant", metavar="NAME", help="id, or display name where it is kept")
    found.add_argument("--browser", metavar="NAME", help="such as firefox or 'chrome 142'")
    found = parser.add_argument_group("which: by the whole of it")
    found.add_argument("--client-id", metavar="ID")
    found.add_argument("--region", metavar="NAME")
    found.add_argument("--bridge", metavar="NAME")
    found.add_argument("--end", metavar="WORD", help="left, failed, expired ...; live: it goes on")
    found.add_argument("--state", metavar="WORD", help="good, fair, bad or unknown")
    found.add_argument("--cause", metavar="WORD", help="uplink, downlink, outage ...")
    found = parser.add_argument_group("when, and how many")
    when = "14:00, yesterday 14:00, 'monday 9:30', 2026-11-29, -2h, '2h ago' ..."
    found.add_argument("--from", metavar="TIME", dest="from_", help=when)
    found.add_argument("--to", metavar="TIME", help="of a day its end")
    found.add_argument("--tz", metavar="ZONE", help=_ZONE)
    found.add_argument("--sort", metavar="ORDER", help="newest or worst")
    found.add_argument("--limit", type=int, metavar="N", help="at most so many: 50, of CSV all")
    shown = parser.add_argument_group("how")
    metrics = "what is drawn, several with commas"
    shown.add_argument("--metric", default="connectionquality", help=metrics)
    shown.add_argument("--json", action="store_true")
    shown.add_argument("--csv", action="store_true", help="of one session, or of all found")
    shown.add_argument("--jsonl", action="store_true", help="of all found")
    parser.add_argument("--delete", action="store_true", help="erase all there is of --client-id")
    parser.add_argument("--yes", action="store_true", help="without being asked")
    parser.add_argument("--url", help="of a service that is not the one of the settings here")


def _add_summary(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `summary`."""
    names = ("region", "bridge", "browser", "network", "relay", "end", "sender")
    parser.add_argument("--by", choices=names, help="what sessions are told apart by")
    parser.add_argument("--per", choices=("day", "week", "all"), default="all")
    parser.add_argument(
        "--since", default="30d", metavar="DAY", help="the first day: 2026-11-01 or 30d"
    )
    parser.add_argument("--to", metavar="DAY", help="the last day, today if not said")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--csv", action="store_true")
    parser.add_argument("--url", help="of a service that is not the one of the settings here")


def _add_conference(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `conference`."""
    parser.add_argument("name", help="its name, or a part of it")
    when = "14:00, yesterday 14:00 ...: now, or the last time before"
    parser.add_argument("--at", metavar="TIME", help=when)
    parser.add_argument("--tz", metavar="ZONE", help=_ZONE)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--url", help="of a service that is not the one of the settings here")


def _bound(arguments: list[str]) -> list[str]:
    """Return *arguments* with `-2h` at the flag before it, or it would be taken for one."""
    bound: list[str] = []
    for each in arguments:
        if bound[-1:] in (["--from"], ["--to"], ["--at"], ["--since"]):
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

            if arguments.workers is not None:
                # Checked, named and handed on as the setting that it is.
                os.environ["JCMC_WORKERS"] = arguments.workers
            return with_settings(serve)
        case "check":
            from otel_jcmc.command.check import check

            return with_settings(check)
        case "doctor":
            from otel_jcmc.command.doctor import doctor

            return doctor(arguments)
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
        case "summary":
            from otel_jcmc.command.summary import show_summary

            return with_settings(partial(show_summary, arguments))
        case "conference":
            from otel_jcmc.command.conference import show as show_conference

            return with_settings(partial(show_conference, arguments))
        case _:
            return asyncio.run(_simulate(arguments))


def _simulate(arguments: argparse.Namespace) -> Coroutine[Any, Any, int]:
    """Return what runs the crowd, with a story or without."""
    if arguments.story is None:
        from otel_jcmc.simulate.crowd import simulate

        return simulate(
            arguments.url,
            arguments.participants,
            4 if arguments.conferences is None else arguments.conferences,
            60 if arguments.seconds is None else arguments.seconds,
            arguments.interval,
            arguments.seed,
        )
    from otel_jcmc.simulate.telling import Plan, tell_story

    plan = Plan(
        arguments.story,
        20 if arguments.conferences is None else arguments.conferences,
        arguments.room_size,
        300 if arguments.seconds is None else arguments.seconds,
        arguments.interval,
        arguments.originals,
        arguments.truth,
        arguments.seed,
    )
    return tell_story(plan, arguments.url)
