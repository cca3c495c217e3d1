"""
Opens what `serve` needs first: listening sockets, our certificate, file descriptors to accept with.

Values of the settings come in. If something can't be opened, `CannotServe` says so in one line.
Only the command line imports this file, before all imports that take long. A mounted application
uses the sockets of its host.
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
# The limit of Linux for a socket's path: 108 bytes (sun_path), including the end byte.
MAX_SOCKET_PATH: Final = 107


def listen(
    host: str, port: int, setting: str, answer_seconds: int, times: int = 1
) -> list[socket.socket]:
    """
    Return *times* sockets that listen on *host* and *port*; *setting* names the port in errors.

    With several sockets the kernel distributes the connections among them. The first is bound
    before its port may be shared, so that an address on which another service listens is still
    refused.

    The kernel accepts megabytes of an answer that no client reads, and keeps them after the
    connection is closed. After *answer_seconds* without progress it gives them up. 0 leaves the
    time to the kernel.

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
    """Return a socket that listens at *path*; the caller keeps other users from the path."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    _begin(listener)
    return listener


def _unbound(family: socket.AddressFamily, answer_seconds: int) -> socket.socket:
    """Return a socket that can be bound."""
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if answer_seconds and hasattr(socket, "TCP_USER_TIMEOUT"):
        # Linux only has this option; accepted connections inherit it from the listener.
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

    It also makes room for the descriptors of *relayed* requests to another process of ours.

    Returns:
        How many connections are possible, at most *wanted*; 0 means no limit.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    others = OTHER_DESCRIPTORS + relayed
    needed = wanted + others
    most = hard if not wanted else needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if soft != resource.RLIM_INFINITY and (most == resource.RLIM_INFINITY or soft < most):
        # Some systems refuse the limit that they report.
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
