"""
What `serve` opens before anything else: listening sockets, our certificate, room for connections.

In goes what the settings say; whatever can't be had is one line, `CannotServe`. Imported before
all that takes long, and by the command line alone: in somebody's server all this is that server's.
"""

import logging
import resource
import socket
import ssl
from contextlib import suppress
from pathlib import Path
from typing import Final

from otel_jcmc.server.connections import OTHER_DESCRIPTORS

log = logging.getLogger(__name__)

_FEWEST: Final = 16


class CannotServe(Exception):
    """What the settings ask for can't be opened; the message is a line for the operator."""


def listen(host: str, port: int, setting: str, answer_seconds: int) -> socket.socket:
    """
    Return a socket that listens on *host* and *port*, which comes from *setting*.

    The kernel takes megabytes of an answer that nobody reads, and keeps them after a connection is
    closed: after *answer_seconds* without any progress it gives them up. 0 leaves it to the kernel.

    Raises:
        CannotServe: the address is taken, or not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if answer_seconds and hasattr(socket, "TCP_USER_TIMEOUT"):
        # Linux alone; what is accepted has it from the listener.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, answer_seconds * 1000)
    if family is socket.AF_INET6:
        # `::` means every address, IPv4's too.
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        where = f"{host} port {port}"
        raise CannotServe(f"can't listen on {where}: {error.strerror}; set {setting}") from None
    listener.listen(2048)
    listener.setblocking(False)
    return listener


def allow_connections(wanted: int) -> int:
    """
    Raise this process's limit of open files for *wanted* connections, or as far as it goes for 0.

    Returns:
        How many connections there can be, at most *wanted*; 0 for as many as come.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + OTHER_DESCRIPTORS
    most = hard if not wanted else needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if soft != resource.RLIM_INFINITY and (most == resource.RLIM_INFINITY or soft < most):
        # Not every system takes what it says it would.
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
            soft = most
    if not wanted or soft == resource.RLIM_INFINITY or soft >= needed:
        return wanted
    allowed = max(soft - OTHER_DESCRIPTORS, _FEWEST)
    log.warning(
        "connections: the limit of open files is %d: enough for %d connections, not for the %d of"
        " JCMC_LIMIT_CONNECTIONS; raise it (ulimit -n, LimitNOFILE= of systemd)",
        *(soft, allowed, wanted),
    )
    return allowed


def load_certificate(certificate: Path | None, key: Path | None) -> "Certificate | None":
    """
    Return our certificate for TLS, None when there is to be none.

    Raises:
        CannotServe: it can't be had.
    """
    if certificate is not None:
        return Certificate(certificate, key)
    if key is not None:
        raise CannotServe("JCMC_TLS_KEY_FILE needs JCMC_TLS_CERTIFICATE_FILE")
    return None


class Certificate:
    """
    Our certificate for TLS, which can be exchanged while connections are open.

    Attributes:
        context: for all listeners; new connections use what was loaded last.
    """

    def __init__(self, certificate: Path, key: Path | None) -> None:
        """
        Load the files, in PEM; without a *key* it is in the file of the certificate.

        Raises:
            CannotServe: they can't be read, or do not belong together.
        """
        self._files = (certificate, key)
        self.context = self._load()

    def _load(self) -> ssl.SSLContext:
        """Return a context with the files as they are now."""
        for setting, path in zip(
            ("JCMC_TLS_CERTIFICATE_FILE", "JCMC_TLS_KEY_FILE"), self._files, strict=True
        ):
            try:
                if path is not None:
                    path.read_bytes()
            except OSError as error:
                raise CannotServe(f"{setting}: {path}: {error.strerror}") from None
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.set_alpn_protocols(["http/1.1"])
        try:
            # A password, so that nobody is asked for one on the terminal.
            context.load_cert_chain(*self._files, password="")
        except ssl.SSLError as error:
            what = (
                "the key is not the certificate's"
                if error.reason == "KEY_VALUES_MISMATCH"
                else "no certificate with its key, without a password, in PEM"
            )
            raise CannotServe(f"JCMC_TLS_CERTIFICATE_FILE and JCMC_TLS_KEY_FILE: {what}") from None
        return context

    def reload(self) -> None:
        """Take the files as they are now, or keep what there is and say why."""
        try:
            # Into a context that nobody uses: a load that fails leaves one without its key.
            self._load()
            self.context.load_cert_chain(*self._files, password="")
        except (CannotServe, OSError) as error:
            log.error("tls: the old certificate stays in use: %s", error)  # noqa: TRY400
        else:
            log.info("tls: certificate loaded again")
