"""
Makes ASGI requests: the scope of each, and the object of uvicorn that calls the application.

Source: the ASGI specification, HTTP and WebSocket protocol, version 2.3.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import unquote

import httptools
import uvicorn
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
from uvicorn.protocols.utils import get_local_addr, get_remote_addr, is_ssl

from otel_jcmc.server.framing import Framing, Refused

_LOG: Final = logging.getLogger("uvicorn.error")


class Flow(FlowControl):
    """Pauses and resumes a connection; resumes reading only when all read bytes are parsed."""

    def __init__(self, framing: Framing) -> None:
        """Control the transport of *framing*."""
        super().__init__(framing.transport)
        self._framing = framing

    def resume_reading(self) -> None:
        """Resume reading, unless bytes that were read before are not parsed yet."""
        if not self._framing.has_rest:
            super().resume_reading()


class Requests:
    """
    Makes ASGI requests from the heads that come on one connection.

    Attributes:
        peer: the client's address (or its proxy's); empty if the connection has none.
        server: the address and port of this service on the connection.
        is_tls: whether the connection uses TLS.
    """

    def __init__(
        self, config: uvicorn.Config, state: dict[str, Any], done: Callable[[], None]
    ) -> None:
        """Prepare; *done* is called when a request from `make` has been answered."""
        self._config, self._state, self._done = config, state, done
        self.peer, self.is_tls = "", False
        self.server: tuple[str, int | None] | None = None

    def connect(self, transport: Any, flow: Flow) -> None:
        """Note the addresses of the new connection, and whether it uses TLS."""
        self._transport, self._flow = transport, flow
        self.server = get_local_addr(transport)
        self._client = get_remote_addr(transport)
        self.peer = self._client[0] if self._client else ""
        self.is_tls = is_ssl(transport)

    def make(
        self, parser: Any, url: bytes, headers: list[tuple[bytes, bytes]], defaults: list[Any]
    ) -> RequestResponseCycle:
        """
        Return the request whose head *parser* has read, as an ASGI cycle that has not begun.

        Raises:
            Refused: *url* is not valid.
        """
        try:
            parsed = httptools.parse_url(url)
            path = parsed.path.decode("ascii")
        except (httptools.HttpParserInvalidURLError, UnicodeDecodeError, AttributeError):
            raise Refused(400, "Invalid HTTP request received.") from None
        if not path.startswith("/") and url != b"*":
            raise Refused(400, "Invalid HTTP request received.")
        root = self._config.root_path
        version = parser.get_http_version()
        scope = {
            "type": "http",
            "asgi": {"version": self._config.asgi_version, "spec_version": "2.3"},
            "http_version": version,
            "server": self.server,
            "client": self._client,
            "scheme": "https" if self.is_tls else "http",
            "method": parser.get_method().decode("ascii"),
            "root_path": root,
            "path": root + (unquote(path) if "%" in path else path),
            "raw_path": root.encode("ascii") + parsed.path,
            "query_string": parsed.query or b"",
            "headers": headers,
            "state": self._state.copy(),
        }
        return RequestResponseCycle(
            scope=scope,  # type: ignore[arg-type]
            transport=self._transport,
            flow=self._flow,
            logger=_LOG,
            access_logger=_LOG,
            access_log=False,
            default_headers=defaults,
            message_event=asyncio.Event(),
            expect_100_continue=any(
                name == b"expect" and value.lower() == b"100-continue" for name, value in headers
            ),
            keep_alive=version != "1.0" and parser.should_keep_alive(),
            on_response=self._done,
        )


def in_one_piece(app: Any) -> Any:
    """
    Return *app* with answers for HTTP/1.0: each answer is sent whole, with a Content-Length.

    A client of HTTP/1.0 can't read an answer in chunks.
    """

    async def answered(scope: Any, receive: Any, send: Any) -> None:
        start: dict[str, Any] = {}
        body: list[bytes] = []

        async def sending(message: Any) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
                return
            body.append(message.get("body", b""))
            if not message.get("more_body", False):
                whole = b"".join(body)
                others = [each for each in start["headers"] if each[0] != b"content-length"]
                length = (b"content-length", str(len(whole)).encode())
                await send({**start, "headers": [*others, length]})
                await send({"type": "http.response.body", "body": whole})

        await app(scope, receive, sending)

    return answered
