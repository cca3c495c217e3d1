"""
The bridge's channel: a WebSocket to each page, for everything that is not media (RFC 6455).

The page gets its URL with the offer; it contains the bridge's name, as with jitsi-videobridge. It
carries the statistics that pages send each other, and how many senders' pictures a page wants.
"""

import asyncio
import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from bridge.endpoint import Endpoint

_GUID: Final = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10

Find = Callable[[str], Endpoint | None]


@dataclass
class Channels:
    """
    The server of all channels.

    Attributes:
        name: what the bridge calls itself.
        find: the endpoint with a name of ICE, which is the last part of its URL.
        url: where it listens.
    """

    name: str
    find: Find
    url: str = ""
    _writers: dict[str, asyncio.StreamWriter] = field(default_factory=dict)

    async def start(self, host: str) -> None:
        """Begin to listen."""
        server = await asyncio.start_server(self._serve, host, 0)
        port = server.sockets[0].getsockname()[1]
        self.url = f"ws://{host}:{port}/colibri-ws/{self.name}"

    def url_of(self, endpoint: Endpoint) -> str:
        """Return the URL for one page."""
        return f"{self.url}/conference/{endpoint.ufrag}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        ufrag = head.split(" ", 2)[1].rpartition("/")[2]
        endpoint = self.find(ufrag)
        if endpoint is None:
            writer.close()
            return
        (key,) = (
            line.partition(": ")[2]
            for line in head.split("\r\n")
            if line.lower().startswith("sec-websocket-key:")
        )
        accepted = base64.b64encode(hashlib.sha1((key + _GUID).encode()).digest()).decode()
        writer.write(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accepted}\r\n\r\n".encode()
        )
        self._writers[endpoint.name] = writer
        self.tell(endpoint, {"colibriClass": "ServerHello"})
        try:
            while (text := await _message(reader, writer)) is not None:
                self._take(endpoint, json.loads(text))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the page has gone
        self._writers.pop(endpoint.name, None)
        writer.close()

    def tell(self, endpoint: Endpoint, message: dict[str, Any]) -> None:
        """Send *message* to a page, if it is there."""
        if (writer := self._writers.get(endpoint.name)) is not None:
            writer.write(_frame(_TEXT, json.dumps(message).encode()))

    def _take(self, endpoint: Endpoint, message: dict[str, Any]) -> None:
        if message["colibriClass"] == "EndpointStats":
            for other in endpoint.others.values():
                self.tell(other, {**message, "from": endpoint.name})
        elif (last_n := message.get("lastN")) is not None:
            shown = endpoint.show(last_n)
            told = {"colibriClass": "LastNEndpointsChangeEvent", "lastNEndpoints": shown}
            self.tell(endpoint, told)


def _frame(kind: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        return bytes([128 | kind, size]) + payload
    return bytes([128 | kind, 126]) + size.to_bytes(2) + payload


async def _message(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes | None:
    """Return the next message; None: the page has closed the channel."""
    while True:
        first, size = await reader.readexactly(2)
        size &= 127
        if size >= 126:
            size = int.from_bytes(await reader.readexactly(2 if size == 126 else 8))
        mask = await reader.readexactly(4)
        masked = await reader.readexactly(size)
        payload = bytes(byte ^ mask[at & 3] for at, byte in enumerate(masked))
        if first & 15 == _TEXT:
            return payload
        if first & 15 == _CLOSE:
            return None
        if first & 15 == _PING:
            writer.write(_frame(_PONG, payload))
