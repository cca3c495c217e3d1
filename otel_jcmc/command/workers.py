"""Runs several processes that take pushes and one that answers readers: `serve --workers N`."""

import contextlib
import gc
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from otel_jcmc.catalogue.reasons import ExporterCannotStart, StoreCannotStart
from otel_jcmc.command.notify import STOPPING, notify
from otel_jcmc.command.partitions import check_partitions
from otel_jcmc.command.running import run_server
from otel_jcmc.config.settings import Settings
from otel_jcmc.server.relay import MOST_RELAYED
from otel_jcmc.server.sockets import MAX_SOCKET_PATH, allow_connections, listen_privately
from otel_jcmc.server.supervisor import Supervisor
from otel_jcmc.server.tls import Certificate
from otel_jcmc.service.admission import make_jitsi_tokens
from otel_jcmc.service.app import create_app
from otel_jcmc.service.shared import Shared
from otel_jcmc.store.embedded import EmbeddedStore

# If a process that takes pushes and the process that reads need the same core, the process that
# takes pushes gets three quarters of it. Pushes come all the time, and a scrape only has to end
# before its time-out.
READER_NICENESS: Final = 5


def serve_by_workers(
    settings: Settings,
    embedded: EmbeddedStore | None,
    listeners: list[socket.socket],
    admin: list[socket.socket],
    certificate: Certificate | None,
    say_where: Callable[[], None],
) -> int:
    """
    Run a process for each of *listeners* until SIGTERM or SIGINT, and return the exit code.

    These processes take pushes. One more process answers readers: on *admin*, or on a private
    socket to which the other processes relay requests. All sockets stay open in this process too.
    If a process dies, clients that connect to its socket wait until a new process is up.

    Raises:
        StoreCannotStart: the embedded store does not start, or the Redis in the settings is
            unusable.
        KeysUnusable: the settings name a key for tokens, or a file of keys, that is not usable.
    """
    # All processes need the keys of tokens. They are read here once, so that a mistake in them is
    # reported once.
    make_jitsi_tokens(settings)
    with contextlib.ExitStack() as stack:
        if embedded is not None:
            embedded.start()
            settings = settings.with_redis(embedded.url)
        # Checked here and not in each process, so that a mismatch is reported once.
        check_partitions(settings)
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="otel_jcmc-"))
        path = short_path(folder, "reader")
        for_reader = admin or [listen_privately(path)]
        parent = os.getpid()
        admin_port = admin[0].getsockname()[1] if admin else None
        shared = Shared.made(len(listeners), path)
        connections = allow_connections(settings.worker_connections, MOST_RELAYED)

        def run(slot: int, on_up: Callable[[], None]) -> int:
            place = shared.places[slot]
            if place.reads:
                _yield_to_others()
            mine = for_reader if place.reads else [listeners[slot]]
            for each in (*listeners, *for_reader):
                if each not in mine:
                    each.close()
            try:
                app = create_app(
                    settings,
                    admin_port=admin_port,
                    connections=connections,
                    place=place,
                )
                is_private = place.reads and not admin
                run_server(app, mine, None if is_private else certificate, on_up)
            except (StoreCannotStart, ExporterCannotStart) as error:
                print(f"otel-jcmc: {error}", file=sys.stderr)
                return 1
            finally:
                if place.reads and os.getppid() != parent:
                    # The parent was killed, so this process removes its folder.
                    shutil.rmtree(folder, ignore_errors=True)
            return 0

        def end() -> None:
            notify(STOPPING)
            # No process accepts connections on these sockets any more. If they are closed, new
            # clients are refused at once, and a proxy tries the next server.
            for each in (*listeners, *admin):
                each.close()

        names = [place.name for place in shared.places]
        supervisor = Supervisor(
            [names[:-1], names[-1:]],
            run,
            say_where,
            end,
            embedded.revive if embedded is not None else lambda: None,
            certificate.reload if certificate is not None else None,
        )
        gc.collect()
        gc.freeze()
        return supervisor.run()


def _yield_to_others() -> None:
    """Lower the priority of this process, so that processes that take pushes go first: sched(7)."""
    niceness = os.nice(READER_NICENESS)
    # With the kernel's autogroup, processes of one login form a group, and a process's niceness
    # only counts within the group. This file has the niceness of the group.
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(niceness))


def short_path(folder: str, name: str) -> str:
    """
    Return a path for *name* in *folder* that is short enough for a Unix socket.

    If the folder's path is too long, the result names the folder by a descriptor. The descriptor
    stays open, and forked processes inherit it.
    """
    path = Path(folder) / name
    if len(os.fsencode(path)) <= MAX_SOCKET_PATH:
        return str(path)
    return f"/proc/self/fd/{os.open(folder, os.O_RDONLY | os.O_DIRECTORY)}/{name}"
