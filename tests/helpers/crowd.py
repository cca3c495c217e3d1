"""
Many clients at once in one event loop: browsers that push, and clients that send or read slowly.

A `Browser` is one raw connection to the service, which stays open from push to push.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from harness import CHROME, Service, push_body


class Told(NamedTuple):
    """An answer: its status, whether the connection ends with it, its body."""

    status: int
    closes: bool
    body: bytes


def push_request(name: str, **changes: Any) -> bytes:
    """Return the bytes of a push of participant *name*."""
    body = json.dumps(push_body(name, **changes)).encode()
    head = f"POST /metrics/push HTTP/1.1\r\nHost: x\r\nUser-Agent: {CHROME}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


class Browser:
    """One connection, for use inside `opened`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def opened(cls, url: str, limit: int = 65_536) -> "Browser":
        """Connect to the service at *url*; *limit*: bytes that are read ahead."""
        parts = urlsplit(url)
        return cls(*await asyncio.open_connection(parts.hostname, parts.port, limit=limit))

    async def send(self, sent: bytes) -> None:
        """Send *sent* unchanged."""
        self._writer.write(sent)
        await self._writer.drain()

    async def told(self) -> Told | None:
        """Return the next answer; None if the connection ends before its last byte."""
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            head = await self.head()
            if b"\r\ntransfer-encoding: chunked" in head:
                body = b"".join([piece async for piece in self.pieces()])
            else:
                length = re.search(rb"\r\ncontent-length: (\d+)", head)
                assert length, head
                body = await self._reader.readexactly(int(length[1]))
            return Told(int(head.split()[1]), b"\r\nconnection: close" in head, body)
        return None

    async def head(self) -> bytes:
        """Return the head of the next answer."""
        return (await self._reader.readuntil(b"\r\n\r\n")).lower()

    async def pieces(self) -> AsyncIterator[bytes]:
        """
        Yield the chunks of a body as they come.

        Raises:
            asyncio.IncompleteReadError, ConnectionError: the connection ends before the last one.
        """
        size = 1
        while size:
            size = int(await self._reader.readuntil(b"\r\n"), 16)
            piece = await self._reader.readexactly(size + 2)
            yield piece[:-2]

    async def push(self, name: str, conference: str = "standup", **changes: Any) -> Told | None:
        """Push participant *name* and return the answer."""
        with suppress(ConnectionError):
            await self.send(push_request(name, conference=conference, **changes))
        return await self.told()

    def close(self) -> None:
        """Hang up at once."""
        self._writer.transport.abort()


async def at_once(makes: Iterable[Callable[[], Awaitable[Any]]]) -> list[Any]:
    """Run all of *makes* at the same time, and return their results."""
    return list(await asyncio.gather(*(make() for make in makes)))


def names_in(exposition: str) -> set[str]:
    """Return the participants in *exposition*."""
    return set(
        re.findall(
            r'^jitsi_jcmc_connectionquality\{.*participant_id="([^"]*)"', exposition, re.MULTILINE
        )
    )


def shown(service: Service) -> set[str]:
    """Scrape *service*, and return its participants."""
    return names_in(service.get("/metrics").body)
