"""`otel-jcmc serve`: takes pushes and answers scrapes until SIGTERM or Ctrl-C."""

import asyncio
import contextlib
import gc
import signal
import sys
import threading
from typing import TYPE_CHECKING, Final

from otel_jcmc.command.environment import url_of
from otel_jcmc.version import __version__

if TYPE_CHECKING:
    import socket

    from otel_jcmc.config.settings import Settings
    from otel_jcmc.server.tls import Certificate
    from otel_jcmc.store.embedded import EmbeddedStore


# Longer than the 10 s between a browser's pushes: a new connection costs several times the push.
KEEP_ALIVE_SECONDS: Final = 75
# While a scrape is rendered in a thread, a push waits for the interpreter's lock this long, not
# the default 5 ms each time it needs it.
SWITCH_SECONDS: Final = 0.0005


def serve(settings: "Settings") -> int:
    """Serve until SIGTERM or Ctrl-C."""
    # A scrape of 10,000 makes tens of thousands of objects that live until it ends: looking through
    # them for garbage meanwhile costs, and finds none. Imports are the same in small.
    gc.set_threshold(250_000, 20, 50)
    from otel_jcmc.catalogue.reasons import CannotServe
    from otel_jcmc.server.sockets import listen
    from otel_jcmc.server.tls import load_certificate

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
    # The store ends with us, also when the service can't be made. It is waited for: what the kernel
    # ends when we are gone may be seen, and may hold its folder, for a moment longer.
    with contextlib.ExitStack() as stack:
        if embedded is not None:
            stack.callback(embedded.stop)
        _serve(settings, embedded, listeners, certificate)
    return 0


def _serve(
    settings: "Settings",
    embedded: "EmbeddedStore | None",
    listeners: "list[socket.socket]",
    certificate: "Certificate | None",
) -> None:
    """Make the service, and serve with it."""
    import uvicorn

    from otel_jcmc.command.log import set_up_logging
    from otel_jcmc.server.ending import GRACE_SECONDS
    from otel_jcmc.server.server import Server
    from otel_jcmc.server.sockets import allow_connections
    from otel_jcmc.service.app import create_app

    set_up_logging(settings.log_level)
    ports = [listener.getsockname()[1] for listener in listeners]
    app = create_app(
        settings,
        embedded,
        admin_port=ports[1] if len(ports) > 1 else None,
        connections=allow_connections(settings.limit_connections),
    )
    config = uvicorn.Config(
        app,
        loop="uvloop",
        lifespan="off",  # ours, so that what can't start is one line and not a traceback
        log_config=None,
        access_log=False,
        proxy_headers=False,  # intake/callers.py decides whom to believe
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


def _begin(settings: "Settings") -> "EmbeddedStore | None":
    """
    Begin what takes its time outside of our interpreter, before the imports, which take longest.

    The store that is returned, if we start one, comes up in its process, and the expressions for
    browsers are compiled in a thread; the application's lifespan waits for both.

    Raises:
        StoreCannotStart: there is none to start, or another process uses it.
    """
    from otel_jcmc.intake import browsers
    from otel_jcmc.store.embedded import EmbeddedStore

    threading.Thread(target=browsers.warm, name="warm").start()
    if settings.redis_url is not None:
        return None
    embedded = EmbeddedStore(settings.embedded_dir)
    embedded.begin()
    return embedded


def _say_where(settings: "Settings", port: int, admin_port: int | None = None) -> None:
    """Say on the terminal where to point a browser, a page and a Prometheus."""
    from otel_jcmc.config.advice import advice
    from otel_jcmc.config.fields import show_url

    scheme = "https" if settings.tls_certificate_file else "http"
    base = url_of(scheme, settings.host, port)
    rest = base if admin_port is None else url_of(scheme, settings.admin_host, admin_port)
    store = "the one at REDIS_URL" if settings.redis_url else "embedded, gone when this stops"
    lines = [f"otel_jcmc {__version__}"]
    lines.append(f"  browser     {base}/")
    if admin_port is not None:
        lines.append(f"  admin       {rest}/")
    lines.append(f'  Jitsi page  <script src="{base}/client-file" async></script>')
    if "prometheus" in settings.metrics_exporter:
        lines.append(f"  Prometheus  scrape {rest}/metrics")
    if "otlp" in settings.metrics_exporter:
        where = show_url(settings.otlp_endpoint or "") or "this machine's Collector"
        lines.append(f"  OTLP        {settings.otlp_protocol} to {where}")
    if settings.traces_exporter == "otlp":
        where = show_url(settings.spans_endpoint) or "this machine's Collector"
        lines.append(f"  traces      {settings.spans_protocol} to {where}")
    lines.append(f"  store       {store}")
    lines += [f"  note        {line}" for line in advice(settings)]
    print("\n".join(lines), flush=True)
