"""Runs uvicorn's server on sockets that this service opened, with TLS if a certificate is set."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from typing import Any, Final

import uvicorn

from otel_jcmc.server.ending import LINGER_SECONDS, EndingProtocol
from otel_jcmc.server.tls import Certificate

# How long to wait until a client closes TLS properly; many clients never do.
GOODBYE_SECONDS: Final = 5.0


class Server(uvicorn.Server):
    """uvicorn's server on sockets that this service opened, with a time limit on TLS handshakes."""

    def __init__(
        self,
        config: uvicorn.Config,
        certificate: Certificate | None,
        on_stop: Callable[[], None] = lambda: None,
    ) -> None:
        """
        Serve the app in *config*, with TLS if *certificate* is not None.

        *on_stop* is called when the server begins to stop.
        """
        super().__init__(config)
        self._certificate, self._on_stop = certificate, on_stop

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections on *sockets*; replaces uvicorn's method, which limits no handshake."""
        loop = asyncio.get_running_loop()
        tls = self._tls()
        self.servers = []
        for each in sockets or ():
            is_unix = each.family is socket.AF_UNIX
            serve = loop.create_unix_server if is_unix else loop.create_server
            begun = await serve(self._make_protocol, sock=each, backlog=self.config.backlog, **tls)
            self.servers.append(begun)
        self.started = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """
        Stop accepting and end each connection; uvicorn calls this.

        Before a listening socket is closed, the connections in its queue are accepted and answered.
        Otherwise the kernel would reset these connections, and a proxy could not know whether a
        push that it sent on one of them was stored.
        """
        self._on_stop()
        listeners = sockets or []
        queued = [each for listener in listeners for each in _accepted(listener)]
        for server in self.servers:
            server.close()
        for listener in listeners:
            listener.close()
        if queued:
            loop, tls = asyncio.get_running_loop(), self._tls()
            begun = [
                asyncio.ensure_future(loop.connect_accepted_socket(self._make_last, each, **tls))
                for each in queued
            ]
            # Do not wait longer: some clients may have disconnected, or may never begin TLS.
            _, unbegun = await asyncio.wait(begun, timeout=LINGER_SECONDS)
            for each in unbegun:
                each.cancel()
            await asyncio.gather(*begun, return_exceptions=True)
        await super().shutdown()

    def _tls(self) -> dict[str, Any]:
        """Return asyncio's arguments for a connection with TLS; empty without a certificate."""
        if self._certificate is None:
            return {}
        seconds = self.config.loaded_app.connections.limits.head_seconds
        return {
            "ssl": self._certificate.context,
            "ssl_handshake_timeout": seconds or None,
            "ssl_shutdown_timeout": GOODBYE_SECONDS,
        }

    def _make_protocol(self) -> EndingProtocol:
        """Return the protocol object for a new connection."""
        return EndingProtocol(self.config, self.server_state, {})

    def _make_last(self) -> EndingProtocol:
        """Return the protocol object for a connection that gets one answer and then ends."""
        protocol = self._make_protocol()
        protocol.is_ending = True
        return protocol


def _accepted(listener: socket.socket) -> Iterator[socket.socket]:
    """Accept all connections in the queue of *listener*."""
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        connection.setblocking(False)
        yield connection
