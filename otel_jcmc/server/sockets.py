"""
Opens listening sockets for `serve`, and raises the limit of open files for its connections.

The arguments are values of settings. If a socket can't be opened, `CannotServe` says why in one
line. Only the command line imports this file, before all imports that take long. If another program
mounts our application, the sockets are that program's.
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
# Most bytes in the path of a Unix socket: Linux has 108 (sun_path), with the zero byte at the end.
MAX_SOCKET_PATH: Final = 107


def listen(
    host: str, port: int, setting: str, answer_seconds: int, times: int = 1
) -> list[socket.socket]:
    """
    Return *times* sockets that listen on *host* and *port*; *setting* names the port in errors.

    If *times* is more than 1, the kernel distributes new connections among the sockets. The first
    socket is bound without SO_REUSEPORT, so that binding fails if another service already listens
    on the port.

    When a client stops reading an answer, the kernel still takes megabytes of it from the service,
    and keeps them after the service has closed the connection. *answer_seconds* is the time without
    progress after which the kernel drops these bytes; 0: the kernel's default time.

    Raises:
        CannotServe: the address is in use, or does not belong to this machine.
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
    """Return a Unix socket that listens at *path*; the caller must keep other users from *path*."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    _begin(listener)
    return listener


def _unbound(family: socket.AddressFamily, answer_seconds: int) -> socket.socket:
    """Return a TCP socket of *family* with all options set, which is not bound yet."""
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if answer_seconds and hasattr(socket, "TCP_USER_TIMEOUT"):
        # Only Linux has this option; accepted connections inherit it from the listening socket.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, answer_seconds * 1000)
    if family is socket.AF_INET6:
        # `::` means every address, including IPv4.
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    return listener


def _begin(listener: socket.socket) -> None:
    """Let clients connect."""
    listener.listen(2048)
    listener.setblocking(False)


def allow_connections(wanted: int, relayed: int = 0) -> int:
    """
    Raise this process's limit of open files for *wanted* connections; 0: as high as possible.

    The new limit also allows *relayed* descriptors for requests that this process hands to another
    process of the service (relay.py).

    Returns:
        How many connections are possible, at most *wanted*; 0 means no limit.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    others = OTHER_DESCRIPTORS + relayed
    needed = wanted + others
    most = hard if not wanted else needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if soft != resource.RLIM_INFINITY and (most == resource.RLIM_INFINITY or soft < most):
        # Some systems refuse even the highest limit that they report: then keep the old limit.
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
