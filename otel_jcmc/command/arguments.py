"""
Defines the command line of `otel-jcmc`, and runs the command that the arguments name.

A command's modules are imported only when it runs, so that `--help` answers at once.
"""

import asyncio
import os
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Coroutine
from functools import partial
from pathlib import Path
from typing import Any, Final

from otel_jcmc.command.parsing import count, examples, number, one_of, parse, whole
from otel_jcmc.version import __version__

EXIT_CODES: Final = """\
exit codes:
  0    the command has done its work
  1    it could not: a line on stderr says why. A setting is wrong, no service answers, or the
       service refuses; for simulate, no push was accepted; for doctor, something is wrong
  2    the command line is wrong: a line on stderr says what would be right
  130  Ctrl-C; serve and simulate then finish their work, and exit with 0 or 1"""
_SETTINGS: Final = "Settings are environment variables, or lines of .env: docs/settings.md."
_EXAMPLES: Final = examples(
    "otel-jcmc serve                              # take pushes, on port 3000",
    "otel-jcmc simulate                           # push as 20 participants would",
    "otel-jcmc sessions --state bad --from -2h    # whose calls were bad",
    "otel-jcmc COMMAND --help                     # all options of a command",
)
_URL: Final = (
    "the service's address, such as http://127.0.0.1:3000; default: the address in the"
    " settings here"
)
_ZONE: Final = "time zone, such as Europe/Berlin; default: this machine's"
_JSON: Final = "print JSON"
_BY: Final = ("region", "bridge", "browser", "network", "relay", "end", "sender")
# A copy of simulate.stories.NAMES, because to import that module only for `--help` takes too long.
_STORIES: Final = (
    *("outage", "downlink", "device", "path", "received", "uplink", "pair", "participant"),
    *("sender", "conference", "bridge", "region", "fleet", "mixed", "quiet"),
)


def main() -> None:
    """Run the command that the arguments name; if it fails, print one line and exit with 1."""
    parser, commands = make_parser()
    arguments = parse(parser, commands, sys.argv[1:])
    try:
        sys.exit(_run(arguments))
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(0)


def make_parser() -> tuple[ArgumentParser, dict[str, ArgumentParser]]:
    """Return the parser of the command line, and the parser of each command."""
    parser = ArgumentParser(
        "otel-jcmc",
        description="The quality of Jitsi Meet calls: run the service, or ask a running one.",
        formatter_class=RawDescriptionHelpFormatter,
        epilog=f"{_EXAMPLES}\n\n{EXIT_CODES}\n\n{_SETTINGS}",
    )
    parser.add_argument(
        "--version",
        action="version",
        version=f"otel-jcmc {__version__}",
        help="print the version",
    )
    adding = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands: dict[str, ArgumentParser] = {}

    def add(name: str, what: str, *lines: str) -> ArgumentParser:
        commands[name] = adding.add_parser(
            name,
            help=what,
            description=f"{what[0].upper()}{what[1:]}.",
            formatter_class=RawDescriptionHelpFormatter,
            epilog=examples(*lines),
        )
        return commands[name]

    serve = add(
        "serve",
        "take pushes and answer scrapes",
        "otel-jcmc serve",
        "JCMC_PORT=3001 otel-jcmc serve    # on another port",
        "otel-jcmc serve --workers 3       # on four cores",
    )
    serve.add_argument("--workers", metavar="N", help="processes that take pushes (JCMC_WORKERS)")
    check = add(
        "check",
        "print the settings in force, or what is wrong with them",
        "otel-jcmc check",
        "otel-jcmc check --json | jq .notes    # settings that may surprise you",
    )
    check.add_argument("--json", action="store_true", help=_JSON)
    _add_doctor(
        add(
            "doctor",
            "find out why a dashboard is empty, and what to do",
            "otel-jcmc doctor",
            "otel-jcmc doctor --public-url https://meet.example.org/metrics-collector",
            "otel-jcmc doctor --prometheus http://127.0.0.1:9090 --json",
        )
    )
    catalogue = add(
        "catalogue",
        "print the table of metrics",
        "otel-jcmc catalogue",
        "otel-jcmc catalogue --json | jq -r '.metrics[].field'",
    )
    catalogue.add_argument("--json", action="store_true", help=_JSON)
    _add_simulate(
        add(
            "simulate",
            "push like many participants",
            "otel-jcmc simulate --participants 100 --for 300",
            "otel-jcmc simulate --story bridge --truth truth.jsonl",
            "otel-jcmc simulate --url https://meet.example.org/metrics-collector",
        )
    )
    _add_sessions(
        add(
            "sessions",
            "show who was in which conference, and how their calls were",
            "otel-jcmc sessions --conference standup --from 'yesterday 14:00'",
            "otel-jcmc sessions --cause uplink --sort worst --limit 10",
            "otel-jcmc sessions 1a202b05fcbd2d16 --metric packetloss_total,round_trip_time",
            "otel-jcmc sessions --delete --client-id 3fa85f64-5717-4562-b3fc-2c963f66afa6",
        )
    )
    _add_summary(
        add(
            "summary",
            "show how calls were, by days and weeks",
            "otel-jcmc summary --by bridge --per week",
            "otel-jcmc summary --since 90d --csv > calls.csv",
        )
    )
    _add_conference(
        add(
            "conference",
            "show all participants of a conference, by time",
            "otel-jcmc conference standup",
            "otel-jcmc conference standup --at 'monday 9:30'",
        )
    )
    # `serve` runs this command as its process for OTLP, so `--help` does not list the command.
    commands["export"] = adding.add_parser("export")
    return parser, commands


def _add_simulate(parser: ArgumentParser) -> None:
    """Add the arguments of `simulate`."""
    parser.add_argument(
        "--participants", type=whole, default=20, metavar="N", help="how many; default 20; no story"
    )
    parser.add_argument(
        "--conferences", type=whole, metavar="M", help="how many; default 4; for a story 20"
    )
    parser.add_argument(
        "--for",
        type=number,
        metavar="SECONDS",
        dest="seconds",
        help="how long; default 60; for a story 300",
    )
    parser.add_argument(
        "--interval",
        type=number,
        default=10,
        metavar="SECONDS",
        help="between two pushes of one participant; default 10; for a story 2 or 10",
    )
    parser.add_argument("--url", help=f"{_URL}; a URL that ends with /push is used unchanged")
    parser.add_argument("--seed", type=whole, metavar="N", help="makes the same people each time")
    story = parser.add_argument_group("a story, with as many participants as its conferences hold")
    story.add_argument("--story", metavar="NAME", help=f"what goes wrong: {', '.join(_STORIES)}")
    story.add_argument(
        "--room-size", type=whole, metavar="N", help="participants in each; default mixed"
    )
    story.add_argument(
        "--originals",
        type=number,
        default=0.3,
        metavar="SHARE",
        help="share of pages that send less; 0.3",
    )
    story.add_argument("--truth", type=Path, metavar="FILE", help="write to this file what happens")


def _add_doctor(parser: ArgumentParser) -> None:
    """Add the arguments of `doctor`."""
    url = "the service's address if it is not in the settings here; with JCMC_ADMIN_PORT that port"
    parser.add_argument("--url", help=url)
    public = "where browsers reach it, such as https://meet.example.org/metrics-collector"
    parser.add_argument("--public-url", metavar="URL", help=public)
    parser.add_argument("--page", metavar="URL", help="a conference's page: check its policy")
    prometheus = "Prometheus's address, such as http://127.0.0.1:9090: ask it too"
    parser.add_argument("--prometheus", metavar="URL", help=prometheus)
    parser.add_argument("--json", action="store_true", help=_JSON)


def _add_sessions(parser: ArgumentParser) -> None:
    """Add the arguments of `sessions`."""
    parser.add_argument("id", nargs="?", help="show this session, with a plot")
    found = parser.add_argument_group("which sessions, by a part of a name in any case")
    found.add_argument("--conference", metavar="NAME", help="the conference's name")
    found.add_argument("--participant", metavar="NAME", help="id, or display name if it is kept")
    found.add_argument("--browser", metavar="NAME", help="such as firefox or 'chrome 142'")
    found = parser.add_argument_group("which sessions, by a whole value")
    found.add_argument("--client-id", metavar="ID", help="the browser's id, as pages push it")
    found.add_argument("--region", metavar="NAME", help="region of the bridge")
    found.add_argument("--bridge", metavar="NAME", help="its name in JCMC_BRIDGES, or its hash")
    found.add_argument("--end", metavar="WORD", help="left, failed, expired ...; live: not ended")
    found.add_argument("--state", metavar="WORD", help="good, fair, bad or unknown")
    found.add_argument("--cause", metavar="WORD", help="uplink, downlink, outage ...")
    found = parser.add_argument_group("when, and how many")
    when = "14:00, yesterday 14:00, 'monday 9:30', 2026-11-29, -2h, '2h ago' ..."
    found.add_argument("--from", metavar="TIME", dest="from_", help=when)
    found.add_argument("--to", metavar="TIME", help="the same; a day means its end")
    found.add_argument("--tz", metavar="ZONE", help=_ZONE)
    found.add_argument("--sort", metavar="ORDER", help="newest or worst")
    found.add_argument("--limit", type=count, metavar="N", help="at most so many; 50, for CSV all")
    shown = parser.add_argument_group("output")
    metrics = "metrics to draw, separated by commas"
    shown.add_argument("--metric", default="connectionquality", metavar="NAMES", help=metrics)
    shown.add_argument("--json", action="store_true", help=_JSON)
    shown.add_argument("--csv", action="store_true", help="print CSV: one session, or all found")
    shown.add_argument("--jsonl", action="store_true", help="print all found, one JSON line each")
    parser.add_argument("--delete", action="store_true", help="erase everything of --client-id")
    parser.add_argument("--yes", action="store_true", help="erase without a question")
    parser.add_argument("--url", help=_URL)


def _add_summary(parser: ArgumentParser) -> None:
    """Add the arguments of `summary`."""
    told = f"group sessions by: {', '.join(_BY)}"
    parser.add_argument("--by", type=one_of(_BY), metavar="WORD", help=told)
    parser.add_argument(
        "--per",
        type=one_of(("day", "week", "all")),
        default="all",
        metavar="WORD",
        help="a row for each day, each week, or all together: day, week, all",
    )
    parser.add_argument(
        "--since", default="30d", metavar="DAY", help="the first day: 2026-11-01 or 30d"
    )
    parser.add_argument("--to", metavar="DAY", help="the last day; default today")
    parser.add_argument("--json", action="store_true", help=_JSON)
    parser.add_argument("--csv", action="store_true", help="print CSV")
    parser.add_argument("--url", help=_URL)


def _add_conference(parser: ArgumentParser) -> None:
    """Add the arguments of `conference`."""
    parser.add_argument("name", help="its name, or a part of it")
    when = "14:00, yesterday 14:00 ...; default now; shows the last conference at or before it"
    parser.add_argument("--at", metavar="TIME", help=when)
    parser.add_argument("--tz", metavar="ZONE", help=_ZONE)
    parser.add_argument("--json", action="store_true", help=_JSON)
    parser.add_argument("--url", help=_URL)


def _run(arguments: Namespace) -> int:
    """Run one command and return the exit code."""
    from otel_jcmc.command.environment import with_settings

    match arguments.command:
        case "serve":
            from otel_jcmc.command.serve import serve

            if arguments.workers is not None:
                # As a setting, the number is checked like others, and all processes get it.
                os.environ["JCMC_WORKERS"] = arguments.workers
            return with_settings(serve)
        case "check":
            from otel_jcmc.command.check import check

            return with_settings(partial(check, arguments))
        case "doctor":
            from otel_jcmc.command.doctor import doctor

            return doctor(arguments)
        case "export":
            from otel_jcmc.command.export import export

            return with_settings(export)
        case "catalogue":
            from otel_jcmc.command.catalogue import catalogue_json, catalogue_text

            print(catalogue_json() if arguments.json else catalogue_text())
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
            return _simulate(arguments)


def _simulate(arguments: Namespace) -> int:
    """Push as simulated pages to --url, or to the service in the settings; return the exit code."""
    from otel_jcmc.command.environment import push_base, with_settings

    if arguments.url is not None:
        return asyncio.run(_crowd(arguments, arguments.url))
    return with_settings(lambda each: asyncio.run(_crowd(arguments, push_base(each))))


def _crowd(arguments: Namespace, url: str) -> Coroutine[Any, Any, int]:
    """Return the coroutine that pushes to *url* as many pages would, with or without a story."""
    if arguments.story is None:
        from otel_jcmc.simulate.crowd import simulate

        return simulate(
            url,
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
    return tell_story(plan, url)
