"""What one process relays to another, over a real socket, with a scripted other end."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from otel_jcmc.server.relay import Relay, as_it_came

pytestmark = pytest.mark.anyio

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
SCOPE: dict[str, Any] = {
    "type": "http",
    "method": "GET",
    "raw_path": b"/metrics",
    "query_string": b"",
    "headers": [(b"host", b"x")],
    "client": ("203.0.113.9", 4711),
    "server": ("127.0.0.1", 3000),
    "scheme": "https",
}
HEAD = b"HTTP/1.1 200 OK\r\ndate: then\r\nconnection: close\r\n"


class Asker:
    """
    A client of a relay.

    Attributes:
        sent: the messages of its answer.
        reads: set while it reads the answer.
    """

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = list(pieces) or [b""]
        self.sent: list[Any] = []
        self.reads = asyncio.Event()
        self.reads.set()
        self.is_gone = asyncio.Event()

    async def receive(self) -> Any:
        if self._pieces:
            body = self._pieces.pop(0)
            return {"type": "http.request", "body": body, "more_body": bool(self._pieces)}
        await self.is_gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        await self.reads.wait()
        self.sent.append(message)

    @property
    def body(self) -> bytes:
        return b"".join(each.get("body", b"") for each in self.sent)


async def relayed(path: Path, serve: Serve, asker: Asker, **changes: Any) -> list[Any]:
    """Return the answer to *asker*'s request, which is relayed to *serve*."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        finally:
            writer.close()
            over.set()

    over = asyncio.Event()
    server = await asyncio.start_unix_server(answer, path / "s")
    async with server, asyncio.timeout(10):
        await Relay(str(path / "s"))({**SCOPE, **changes}, asker.receive, asker.send)
        await over.wait()
    return asker.sent


async def test_what_is_asked_and_answered_in_pieces_goes_on_in_pieces(short_path: Path) -> None:
    heard = []
    asker = Asker(b"one ", b"", b"two")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n0\r\n\r\n"))
        writer.write(HEAD + b"transfer-encoding: chunked\r\n\r\n2\r\nab\r\n")
        while not asker.body:  # noqa: ASYNC110  # the first piece is there before the second is made
            await asyncio.sleep(0.01)
        writer.write(b"3\r\ncde\r\n0\r\n\r\n")

    headers = [
        (b"transfer-encoding", b"chunked"),
        (b"x-otel-jcmc-caller", b"forged"),
        (b"x-a", b"b"),
    ]
    sent = await relayed(
        short_path, serve, asker, method="POST", headers=headers, query_string=b"a=1"
    )
    head, _, body = heard[0].partition(b"\r\n\r\n")
    assert body == b"4\r\none \r\n3\r\ntwo\r\n0\r\n\r\n"
    assert head.split(b"\r\n") == [
        b"POST /metrics?a=1 HTTP/1.1",
        b"x-a: b",
        b'x-otel-jcmc-caller: [["203.0.113.9", 4711], ["127.0.0.1", 3000], "https"]',
        b"connection: close",
        b"transfer-encoding: chunked",
    ]
    assert sent[0] == {"type": "http.response.start", "status": 200, "headers": []}
    assert [each["body"] for each in sent[1:]] == [b"ab", b"cde"]
    assert [each["more_body"] for each in sent[1:]] == [True, False]


async def test_who_does_not_read_holds_up_the_other_side(short_path: Path) -> None:
    written = 0
    asker = Asker()
    asker.reads.clear()

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(HEAD + b"content-length: 20000000\r\n\r\n")
        while written < 20_000_000:
            writer.write(b"x" * 50_000)
            await writer.drain()
            written += 50_000

    asking = asyncio.create_task(relayed(short_path, serve, asker))
    await asyncio.sleep(0.3)
    # What sockets buffer, and two pieces.
    assert written < 1_500_000
    asker.reads.set()
    await asking
    assert len(asker.body) == 20_000_000


async def test_who_hangs_up_ends_the_other_side(short_path: Path) -> None:
    asker, ended = Asker(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asker.is_gone.set()
        assert await reader.read() == b""
        ended.set()

    assert await relayed(short_path, serve, asker) == []
    assert ended.is_set()


@pytest.mark.parametrize("said", [b"", b"no HTTP at all\r\n\r\n", HEAD])
async def test_an_answer_that_never_begins_is_503(short_path: Path, said: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)

    start, body = await relayed(short_path, serve, Asker())
    assert start["status"] == 503
    assert (b"retry-after", b"1") in start["headers"]
    assert body["body"] == b"the process that answers this is away: again in a second\n"


async def test_without_another_process_it_is_503(short_path: Path) -> None:
    asker = Asker()
    await Relay(str(short_path / "nobody"))(SCOPE, asker.receive, asker.send)
    assert asker.sent[0]["status"] == 503


async def test_an_answer_that_breaks_off_breaks_off(short_path: Path) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD + b"content-length: 10\r\n\r\nhalf")

    sent = await relayed(short_path, serve, Asker())
    assert sent[0]["status"] == 200
    assert [(each["body"], each["more_body"]) for each in sent[1:]] == [(b"half", True)]


async def test_an_answer_to_head_has_a_length_and_no_body(short_path: Path) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD + b"content-length: 10\r\n\r\n")
        await reader.read()

    start, body = await relayed(short_path, serve, Asker(), method="HEAD")
    assert start["headers"] == [(b"content-length", b"10")]
    assert (body["body"], body["more_body"]) == (b"", False)


async def test_no_more_than_so_many_at_a_time(short_path: Path) -> None:
    begun, end = asyncio.Event(), asyncio.Event()

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        begun.set()
        await end.wait()
        writer.write(HEAD + b"content-length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_unix_server(serve, short_path / "s")
    relay, first, second, third = Relay(str(short_path / "s"), 1), Asker(), Asker(), Asker()
    async with server, asyncio.timeout(10):
        asking = asyncio.create_task(relay(SCOPE, first.receive, first.send))
        await begun.wait()
        await relay(SCOPE, second.receive, second.send)
        end.set()
        await asking
        await relay(SCOPE, third.receive, third.send)
    assert [each.sent[0]["status"] for each in (first, second, third)] == [200, 503, 200]


def test_what_came_from_outside_is_not_believed() -> None:
    """A worker removes the header; without a worker's header a caller has no address."""
    scope = {**SCOPE, "headers": [(b"host", b"x")]}
    told = as_it_came(scope)
    assert (told["client"], told["server"], told["scheme"]) == (None, None, "http")
    said = b'[["203.0.113.9", 4711], ["::1", 3000], "https"]'
    told = as_it_came({**scope, "headers": [(b"x-otel-jcmc-caller", said), (b"host", b"x")]})
    assert told["client"] == ("203.0.113.9", 4711)
    assert told["server"] == ("::1", 3000)
    assert told["scheme"] == "https"
    assert told["headers"] == [(b"host", b"x")]
