"""Takes pushes and answers scrapes until SIGTERM or Ctrl-C, for `otel-jcmc serve`."""

import contextlib
import gc
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING

from otel_jcmc.command.environment import url_of
from otel_jcmc.version import __version__

if TYPE_CHECKING:
    import socket

    from otel_jcmc.config.settings import Settings
    from otel_jcmc.server.tls import Certificate
    from otel_jcmc.store.embedded import EmbeddedStore


def serve(settings: "Settings") -> int:
    """Serve until SIGTERM or Ctrl-C, and return the exit code."""
    # Imports make many objects that are never freed. So Python should rarely scan for garbage while
    # we import. When the service runs, server/garbage.py decides when Python collects garbage.
    gc.set_threshold(250_000, 20, 50)
    from otel_jcmc.catalogue.reasons import CannotServe

    try:
        listeners, admin, certificate = _open(settings)
    except CannotServe as error:
        print(f"otel-jcmc: {error}", file=sys.stderr)
        return 1
    warming, embedded = _begin(settings)
    # The embedded store must end when we end, even if the service can't be made. We wait until it
    # has ended: otherwise it might still use its folder when the service is started again.
    with contextlib.ExitStack() as stack:
        if embedded is not None:
            stack.callback(embedded.stop)
        serve_all = _serve_by_workers if settings.workers else _serve
        return serve_all(settings, embedded, listeners, admin, certificate, warming)


def _open(
    settings: "Settings",
) -> "tuple[list[socket.socket], list[socket.socket], Certificate | None]":
    """
    Open the ports, and load the certificate.

    Return a socket for each process that takes pushes, the sockets of the admin port (empty: there
    is no such port), and the certificate (None: no TLS).

    Raises:
        CannotServe: a socket or the certificate can't be opened.
    """
    from otel_jcmc.catalogue.reasons import CannotServe
    from otel_jcmc.server.sockets import listen
    from otel_jcmc.server.tls import load_certificate

    if settings.workers and sys.platform != "linux":
        raise CannotServe("JCMC_WORKERS needs Linux, whose kernel distributes connections")
    unread, times = settings.limit_answer_seconds, max(1, settings.workers)
    listeners = listen(settings.host, settings.port, "JCMC_PORT", unread, times)
    admin: list[socket.socket] = []
    if settings.admin_port is not None:
        admin = listen(settings.admin_host, settings.admin_port, "JCMC_ADMIN_PORT", unread)
    certificate = load_certificate(settings.tls_certificate_file, settings.tls_key_file)
    return listeners, admin, certificate


def _serve(
    settings: "Settings",
    embedded: "EmbeddedStore | None",
    listeners: "list[socket.socket]",
    admin: "list[socket.socket]",
    certificate: "Certificate | None",
    _warming: threading.Thread,
) -> int:
    """Make the service, run it in this process until it is stopped, and return the exit code."""
    from otel_jcmc.command.log import set_up_logging
    from otel_jcmc.command.notify import STOPPING, notify
    from otel_jcmc.command.running import run_server
    from otel_jcmc.server.sockets import allow_connections
    from otel_jcmc.service.app import create_app

    set_up_logging(settings.log_level)
    ports = [each.getsockname()[1] for each in (*listeners, *admin)]
    app = create_app(
        settings,
        embedded,
        admin_port=ports[1] if admin else None,
        connections=allow_connections(settings.limit_connections),
    )
    say_where = partial(_say_where, settings, *ports)
    stopping = partial(notify, STOPPING)
    run_server(app, [*listeners, *admin], certificate, say_where, stopping)
    return 0


def _serve_by_workers(
    settings: "Settings",
    embedded: "EmbeddedStore | None",
    listeners: "list[socket.socket]",
    admin: "list[socket.socket]",
    certificate: "Certificate | None",
    warming: threading.Thread,
) -> int:
    """
    Run a process for each of *listeners*, which takes pushes, and one that answers readers.

    Return the exit code when the service is stopped.
    """
    from otel_jcmc.command.log import set_up_logging
    from otel_jcmc.command.workers import serve_by_workers

    set_up_logging(settings.log_level)
    ports = [each.getsockname()[1] for each in (*listeners[:1], *admin)]
    say_where = partial(_say_where, settings, *ports)
    # A fork copies the locks that other threads hold, and no thread would ever release the copies.
    # So no other thread may run now.
    warming.join()
    return serve_by_workers(settings, embedded, listeners, admin, certificate, say_where)


def _begin(settings: "Settings") -> "tuple[threading.Thread, EmbeddedStore | None]":
    """
    Start two slow jobs that can run while this process imports modules, which takes longest.

    If no Redis is set, one job is the process of an embedded store, which is returned. The other
    job is a thread, also returned: it compiles the regular expressions that recognise browsers. The
    application's lifespan waits for both.

    Raises:
        StoreCannotStart: no store can be started, or another process uses its folder.
    """
    from otel_jcmc.intake import browsers
    from otel_jcmc.store.embedded import EmbeddedStore

    warming = threading.Thread(target=browsers.warm, name="warm")
    warming.start()
    if settings.redis_url is not None:
        return warming, None
    embedded = EmbeddedStore(settings.embedded_dir)
    embedded.begin()
    return warming, embedded


def _say_where(settings: "Settings", port: int, admin_port: int | None = None) -> None:
    """Print the service's addresses and the notes about its settings; tell systemd it is up."""
    from otel_jcmc.command.notify import UP, notify
    from otel_jcmc.config.advice import advice, ways
    from otel_jcmc.config.fields import show_url

    scheme = "https" if settings.tls_certificate_file else "http"
    base = url_of(scheme, settings.host, port)
    rest = base if admin_port is None else url_of(scheme, settings.admin_host, admin_port)
    store = "the one at REDIS_URL" if settings.redis_url else "embedded, gone when this stops"
    lines = [f"otel_jcmc {__version__}"]
    # If there is an admin port, only that port has a page at `/`.
    lines.append(f"  browser     {rest}/")
    lines.append(f'  Jitsi page  <script src="{base}/client-file" async></script>')
    if "prometheus" in settings.metrics_exporter:
        lines.append(f"  Prometheus  scrape {rest}/metrics")
    if "otlp" in settings.metrics_exporter:
        where = show_url(settings.otlp_endpoint or "") or "the Collector on this machine"
        lines.append(f"  OTLP        {settings.otlp_protocol} to {where}")
    lines += [f"  {signal:11} {way}" for signal, way in ways(settings)]
    if settings.workers:
        lines.append(f"  workers     {settings.workers} take pushes, one more process reads")
    lines.append(f"  store       {store}")
    lines += [f"  note        {line}" for line in advice(settings)]
    notify(UP)
    print("\n".join(lines), flush=True)
