"""
The command line: `otel-jcmc serve | check | catalogue | sessions | simulate`.

Each command imports what it needs when it runs, so that `--help` answers at once.
"""

import argparse
import asyncio
import gc
import os
import signal
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from otel_jcmc import __version__

if TYPE_CHECKING:
    from otel_jcmc.embedded import EmbeddedStore
    from otel_jcmc.settings import Settings

# Longer than the 10 s between a browser's pushes: a new connection costs several times the push.
KEEP_ALIVE_SECONDS: Final = 75
# What the SDK's exporters read themselves, and only from the environment.
OTLP_SECRETS: Final = tuple(f"OTEL_EXPORTER_OTLP_{of}HEADERS" for of in ("", "METRICS_", "TRACES_"))
# While a scrape is rendered in a thread, a push waits for the interpreter's lock this long, not
# the default 5 ms each time it needs it.
SWITCH_SECONDS: Final = 0.0005


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
    match arguments.command:
        case "serve":
            return _with_settings(serve)
        case "check":
            return _with_settings(check)
        case "export":
            return _with_settings(export)
        case "catalogue":
            from otel_jcmc.generate import catalogue_text

            print(catalogue_text())
            return 0
        case "sessions":
            return _with_settings(partial(sessions, arguments))
        case _:
            from otel_jcmc.simulate import simulate

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


def _with_settings(command: "Callable[[Settings], int]") -> int:
    """Run *command* with the environment's settings, or say in a line each what is wrong."""
    from dotenv import dotenv_values
    from pydantic import ValidationError

    from otel_jcmc.faults import ExporterCannotStart, KeysUnusable, StoreCannotStart
    from otel_jcmc.setting_sources import read_secret
    from otel_jcmc.settings import Settings, other_names

    try:
        of_file = dotenv_values(".env")
    except UnicodeDecodeError:
        print("otel-jcmc: .env: it is no UTF-8 text", file=sys.stderr)
        return 1
    # The SDK's exporters read the environment by themselves, not the file.
    for name, value in of_file.items():
        if name.startswith("OTEL_") and value:
            os.environ.setdefault(name, value)
    try:
        for name in OTLP_SECRETS:
            if path := os.environ.pop(f"{name}_FILE", ""):
                os.environ[name] = read_secret(f"{name}_FILE", path)
    except ValueError as error:
        print(f"otel-jcmc: {error}", file=sys.stderr)
        return 1
    try:
        return command(Settings())
    except ValidationError as error:
        for fault in error.errors(include_url=False, include_input=False):
            first = str(fault["loc"][0]) if fault["loc"] else "settings"
            given = (name for name in other_names(first) if name in os.environ or name in of_file)
            where = next(given, first)
            what = fault["msg"].removeprefix("Value error, ")
            print(f"otel-jcmc: {where}: {what}", file=sys.stderr)
    except (StoreCannotStart, ExporterCannotStart, KeysUnusable) as error:
        print(f"otel-jcmc: {error}", file=sys.stderr)
    return 1


def serve(settings: "Settings") -> int:
    """Serve until SIGTERM or Ctrl-C."""
    # A scrape of 10,000 makes tens of thousands of objects that live until it ends: looking through
    # them for garbage meanwhile costs, and finds none. Imports are the same in small.
    gc.set_threshold(250_000, 20, 50)
    from otel_jcmc.listening import CannotServe, allow_connections, listen, load_certificate

    try:
        unread = settings.limit_answer_seconds
        listeners = [listen(settings.host, settings.port, "JCMC_PORT", unread)]
        if settings.admin_port is not None:
            admin = listen(settings.admin_host, settings.admin_port, "JCMC_ADMIN_PORT", unread)
            listeners.append(admin)
        certificate = load_certificate(settings.tls_certificate_file, settings.tls_key_file)
    except CannotServe as error:
        print(f"otel-jcmc: {error}", file=sys.stderr)
        return 1
    embedded = _begin(settings)

    import uvicorn

    from otel_jcmc.app import create_app
    from otel_jcmc.ending import GRACE_SECONDS
    from otel_jcmc.log import set_up_logging
    from otel_jcmc.server import Server

    set_up_logging(settings.log_level)
    app = create_app(settings, embedded)
    ports = [listener.getsockname()[1] for listener in listeners]
    app.admin_port = ports[1] if len(ports) > 1 else None
    limits = app.connections.limits
    allowed = allow_connections(limits.connections)
    app.connections.limits = limits._replace(connections=allowed)
    config = uvicorn.Config(
        app,
        loop="uvloop",
        lifespan="off",  # ours, so that what can't start is one line and not a traceback
        log_config=None,
        access_log=False,
        proxy_headers=False,  # access.py decides whom to believe
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    server = Server(config, certificate)
    sys.setswitchinterval(SWITCH_SECONDS)

    async def run() -> None:
        async with app.router.lifespan_context(app):
            gc.freeze()
            for number in (signal.SIGTERM, signal.SIGINT):
                # uvicorn takes these, and raises them again when it is done: our end comes after.
                # Until then they are for us: whoever reads that we are up may end us.
                signal.signal(number, lambda *_: setattr(server, "should_exit", True))
            _say_where(settings, *ports)
            if certificate is not None:
                asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, certificate.reload)
            await server.serve(sockets=listeners)

    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(run())
    return 0


def _begin(settings: "Settings") -> "EmbeddedStore | None":
    """
    Begin what takes its time outside of our interpreter, before the imports, which take longest.

    The store that is returned, if we start one, comes up in its process, and the expressions for
    browsers are compiled in a thread; the application's lifespan waits for both.

    Raises:
        StoreCannotStart: there is none to start, or another process uses it.
    """
    from otel_jcmc import enrich
    from otel_jcmc.embedded import EmbeddedStore

    threading.Thread(target=enrich.warm, name="warm").start()
    if settings.redis_url is not None:
        return None
    embedded = EmbeddedStore(settings.embedded_dir)
    embedded.begin()
    return embedded


def _say_where(settings: "Settings", port: int, admin_port: int | None = None) -> None:
    """Say on the terminal where to point a browser, a page and a Prometheus."""
    from otel_jcmc.advice import advice

    scheme = "https" if settings.tls_certificate_file else "http"
    base = _url(scheme, settings.host, port)
    rest = base if admin_port is None else _url(scheme, settings.admin_host, admin_port)
    store = "the one at REDIS_URL" if settings.redis_url else "embedded, gone when this stops"
    lines = [f"otel_jcmc {__version__}"]
    lines.append(f"  browser     {base}/")
    if admin_port is not None:
        lines.append(f"  admin       {rest}/")
    lines.append(f'  Jitsi page  <script src="{base}/client-file" async></script>')
    if "prometheus" in settings.metrics_exporter:
        lines.append(f"  Prometheus  scrape {rest}/metrics")
    if "otlp" in settings.metrics_exporter:
        where = settings.otlp_endpoint or "this machine's Collector"
        lines.append(f"  OTLP        {settings.otlp_protocol} to {where}")
    if settings.traces_exporter == "otlp":
        where = settings.spans_endpoint or "this machine's Collector"
        lines.append(f"  traces      {settings.spans_protocol} to {where}")
    lines.append(f"  store       {store}")
    lines += [f"  note        {line}" for line in advice(settings)]
    print("\n".join(lines), flush=True)


def _url(scheme: str, host: str, port: int) -> str:
    """Return where this machine finds what listens on *host* and *port*."""
    everywhere = ("0.0.0.0", "::")  # noqa: S104  # compared, not bound
    shown = "127.0.0.1" if host in everywhere else host
    return f"{scheme}://[{shown}]:{port}" if ":" in shown else f"{scheme}://{shown}:{port}"


def check(settings: "Settings") -> int:
    """Print the settings in force, secrets hidden, and what is likely to disappoint."""
    from otel_jcmc.advice import advice
    from otel_jcmc.listening import CannotServe, load_certificate
    from otel_jcmc.privacy import describe
    from otel_jcmc.settings import in_order, name_of, to_text

    for field in in_order():
        value = getattr(settings, field)
        if isinstance(value, tuple | frozenset):
            value = ",".join(sorted(str(part) for part in value)) or "none"
        is_set = field in settings.model_fields_set
        print(f"{name_of(field)}={'' if value is None else value}{'' if is_set else '  (default)'}")
    if settings.traces_exporter == "otlp":
        where = settings.spans_endpoint or "this machine's Collector"
        print(f"# traces: {settings.spans_protocol} to {where}")
    for line in describe(settings.privacy_policy):
        print(f"# privacy: {line}")
    for line in advice(settings):
        print(f"note: {line}", file=sys.stderr)
    try:
        load_certificate(settings.tls_certificate_file, settings.tls_key_file)
    except CannotServe as error:
        print(f"otel-jcmc: {error}", file=sys.stderr)
        return 1
    if settings.push_auth == "jwt":
        from otel_jcmc.jitsi_keys import keys_of

        secret = to_text(settings.jwt_secret or "")
        keys_of(secret, settings.jwt_public_key or "", settings.jwt_jwks_file)
    return 0


def sessions(arguments: argparse.Namespace, settings: "Settings") -> int:
    """Show the sessions of the service that runs with these settings, or of another one."""
    from otel_jcmc.sessions_command import run
    from otel_jcmc.settings import to_text

    scheme = "https" if settings.tls_certificate_file else "http"
    url = _url(scheme, settings.host, settings.port)
    if settings.admin_port is not None:
        url = _url(scheme, settings.admin_host, settings.admin_port)
    return run(arguments, url, to_text(settings.read_token or ""))


def export(settings: "Settings") -> int:
    """Push metrics, spans or both by OTLP until stdin ends: the process that serve starts."""
    from otel_jcmc import exporter
    from otel_jcmc.log import set_up_logging
    from otel_jcmc.telemetry import make_resource

    set_up_logging(settings.log_level)
    if settings.redis_url is None:
        print("otel-jcmc: export needs REDIS_URL; `otel-jcmc serve` starts it", file=sys.stderr)
        return 1
    exporter.end_with_parent()
    redis_url = settings.redis_url.get_secret_value()
    holder = os.environ.get("JCMC_INSTANCE_ID", str(os.getpid()))
    resource = make_resource(settings.service_name, settings.resource_attributes, "")
    running = []
    sends_spans = settings.traces_exporter == "otlp"
    if "otlp" in settings.metrics_exporter or not sends_spans:
        metrics = exporter.run(
            redis_url,
            settings.key_prefix,
            holder,
            settings.naming,
            settings.metrics_prefix,
            settings.otlp_protocol,
            settings.otlp_timeout_ms / 1000,
            resource,
            settings.export_interval_ms / 1000,
            settings.export_timeout_ms / 1000,
        )
        running.append(metrics)
    if sends_spans:
        from otel_jcmc.otlp_traces import SpanSender
        from otel_jcmc.service import keeping_of
        from otel_jcmc.traces import Traces

        seconds = settings.spans_timeout_ms / 1000
        sender = SpanSender(settings.spans_protocol, seconds, resource)
        traces = Traces(
            redis_url,
            settings.key_prefix,
            holder,
            keeping_of(settings),
            settings.traces_waiting,
            sender,
            exporter.tell,
        )
        running.append(traces.run())

    async def all_of_it() -> None:
        await asyncio.gather(*running)

    async def until_ended() -> None:
        task = asyncio.create_task(all_of_it())
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        await asyncio.wait([task])
        if task.cancelled():
            # Not by the road that waits for threads: a receiver that hangs would hold us for 10 s.
            os._exit(0)
        task.result()

    asyncio.run(until_ended())
    return 0


if __name__ == "__main__":
    main()
