"""
Runs uvicorn, with our settings and our event loop, until a signal stops it.

`serve` calls `run_server` once in its only process, or once in each process that it has forked.
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

# A connection stays open longer than the 10 s between a browser's pushes, because opening a new
# connection costs several times as much as a push.
KEEP_ALIVE_SECONDS: Final = 75
# Python's switch interval. While a thread writes the answer to a scrape, a push waits this long
# each time that it needs the interpreter's lock. Python's default is 5 ms.
SWITCH_SECONDS: Final = 0.0005


def run_server(
    app: Any,
    listeners: list[socket.socket],
    certificate: Certificate | None,
    on_up: Callable[[], None],
    on_stop: Callable[[], None] = lambda: None,
) -> None:
    """
    Serve *app* on *listeners* until SIGTERM or SIGINT.

    *on_up* is called when the server answers requests, *on_stop* when it begins to stop.

    Raises:
        StoreCannotStart, ExporterCannotStart: the lifespan of *app* could not start.
    """
    config = uvicorn.Config(
        app,
        loop="uvloop",
        lifespan="off",  # we run the lifespan: a failed start is then one line, not a traceback
        log_config=None,
        access_log=False,
        proxy_headers=False,  # intake/callers.py decides which proxies to trust
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
                # uvicorn handles these signals while it serves, and raises them again at the end.
                # They must also work before uvicorn serves: as soon as we say that we are up,
                # another process may end us.
                signal.signal(number, lambda *_: setattr(server, "should_exit", True))
            if certificate is not None:
                asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, certificate.reload)
            on_up()
            await server.serve(sockets=listeners)

    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(run())
