"""
What `serve` opens before anything else: listening sockets, our certificate, room for connections.

In goes what the settings say; whatever can't be had is one line, `CannotServe`. Imported before
all that takes long, and by the command line alone: in somebody's server all this is that server's.
"""

import logging
import resource
import socket
from contextlib import suppress
from typing import Final

from otel_jcmc.catalogue.reasons import CannotServe
from otel_jcmc.server.connections import OTHER_DESCRIPTORS

log = logging.getLogger(__name__)
_FEWEST: Final = 16
# sun_path: 108 bytes on Linux, one of them for the end.
MAX_SOCKET_PATH: Final = 107


def listen(
    host: str, port: int, setting: str, answer_seconds: int, times: int = 1
) -> list[socket.socket]:
    """
    Return sockets that listen on *host* and *port*, which comes from *setting*: so many *times*.

    With several the kernel shares out who connects. The first one is bound before it may be shared,
    so that an address on which another service listens is refused all the same.

    The kernel takes megabytes of an answer that nobody reads, and keeps them after a connection is
    closed: after *answer_seconds* without any progress it gives them up. 0 leaves it to the kernel.

    Raises:
        CannotServe: the address is taken, or not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listeners: list[socket.socket] = []
    for number in range(times):
        listener = _unbound(family, answer_seconds)
        if number:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            port = listeners[0].getsockname()[1]
        try:
            listener.bind((host, port))
        except OSError as error:
            for each in (listener, *listeners):
                each.close()
            where = f"{host} port {port}"
            raise CannotServe(f"can't listen on {where}: {error.strerror}; set {setting}") from None
        if times > 1:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listeners.append(listener)
    for each in listeners:
        _begin(each)
    return listeners


def listen_privately(path: str) -> socket.socket:
    """Return a socket that listens at *path*, which other users must not reach."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    _begin(listener)
    return listener


def _unbound(family: socket.AddressFamily, answer_seconds: int) -> socket.socket:
    """Return a socket that is to listen."""
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if answer_seconds and hasattr(socket, "TCP_USER_TIMEOUT"):
        # Linux alone; what is accepted has it from the listener.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, answer_seconds * 1000)
    if family is socket.AF_INET6:
        # `::` means every address, IPv4's too.
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    return listener


def _begin(listener: socket.socket) -> None:
    """Let others connect."""
    listener.listen(2048)
    listener.setblocking(False)


def allow_connections(wanted: int, relayed: int = 0) -> int:
    """
    Raise this process's limit of open files for *wanted* connections, or as far as it goes for 0.

    Beside them there is room for so many that are *relayed* to another process of ours.

    Returns:
        How many connections there can be, at most *wanted*; 0 for as many as come.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    others = OTHER_DESCRIPTORS + relayed
    needed = wanted + others
    most = hard if not wanted else needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if soft != resource.RLIM_INFINITY and (most == resource.RLIM_INFINITY or soft < most):
        # Not every system takes what it says it would.
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
            soft = most
    if not wanted or soft == resource.RLIM_INFINITY or soft >= needed:
        return wanted
    allowed = max(soft - others, _FEWEST)
    log.warning(
        "connections: the limit of open files is %d: enough for %d connections, not for the %d of"
        " JCMC_LIMIT_CONNECTIONS; raise it (ulimit -n, LimitNOFILE= of systemd)",
        *(soft, allowed, wanted),
    )
    return allowed
