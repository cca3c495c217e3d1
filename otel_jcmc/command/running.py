"""
A server that runs until it is told to stop: our event loop, uvicorn with our settings, signals.

`serve` calls this once in its one process, or once in each that it has forked.
"""

import asyncio
import gc
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any, Final

import uvicorn

from otel_jcmc.server.ending import GRACE_SECONDS
from otel_jcmc.server.garbage import look_at_times
from otel_jcmc.server.server import Server
from otel_jcmc.server.tls import Certificate

# Longer than the 10 s between a browser's pushes: a new connection costs several times the push.
KEEP_ALIVE_SECONDS: Final = 75
# While a scrape is rendered in a thread, a push waits for the interpreter's lock this long, not
# the default 5 ms each time it needs it.
SWITCH_SECONDS: Final = 0.0005


def run_server(
    app: Any,
    listeners: list[socket.socket],
    certificate: Certificate | None,
    on_up: Callable[[], None],
    on_stop: Callable[[], None] = lambda: None,
) -> None:
    """
    Serve *app* on *listeners* until SIGTERM or SIGINT; *on_up* and *on_stop* are called then.

    Raises:
        StoreCannotStart, ExporterCannotStart: the lifespan of *app* says so.
    """
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

    def stop() -> None:
        on_stop()
        app.end_streams()

    server = Server(config, certificate, stop)
    sys.setswitchinterval(SWITCH_SECONDS)

    async def run() -> None:
        async with app.router.lifespan_context(app):
            gc.freeze()
            look_at_times(asyncio.get_running_loop())
            for number in (signal.SIGTERM, signal.SIGINT):
                # uvicorn takes these, and raises them again when it is done: our end comes after.
                # Until then they are for us: whoever reads that we are up may end us.
                signal.signal(number, lambda *_: setattr(server, "should_exit", True))
            if certificate is not None:
                asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, certificate.reload)
            on_up()
            await server.serve(sockets=listeners)

    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(run())
