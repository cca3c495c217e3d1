"""uvicorn's server on sockets of ours, in TLS with our certificate."""

import asyncio
import socket
from typing import Any, Final

import uvicorn

from otel_jcmc.server.ending import EndingProtocol
from otel_jcmc.server.tls import Certificate

# What a peer may take to say goodbye in TLS, which many never do.
GOODBYE_SECONDS: Final = 5.0


class Server(uvicorn.Server):
    """uvicorn's server on sockets of ours, with bounds on the handshake of TLS."""

    def __init__(self, config: uvicorn.Config, certificate: Certificate | None) -> None:
        """Serve what *config* says, in TLS with a *certificate*."""
        super().__init__(config)
        self._certificate = certificate

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept on *sockets*; uvicorn calls this, and has no way to bound a handshake."""
        loop = asyncio.get_running_loop()
        tls: dict[str, Any] = {}
        if self._certificate is not None:
            tls = {
                "ssl": self._certificate.context,
                "ssl_handshake_timeout": self.config.loaded_app.connections.limits.head_seconds
                or None,
                "ssl_shutdown_timeout": GOODBYE_SECONDS,
            }
        self.servers = []
        for each in sockets or ():
            is_unix = each.family is socket.AF_UNIX
            serve = loop.create_unix_server if is_unix else loop.create_server
            begun = await serve(self._make_protocol, sock=each, backlog=self.config.backlog, **tls)
            self.servers.append(begun)
        self.started = True

    def _make_protocol(self) -> EndingProtocol:
        """Return the protocol of one more connection."""
        return EndingProtocol(self.config, self.server_state, {})
