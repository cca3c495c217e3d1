"""One connection to Redis: replies in pieces, errors, and servers that are not Redis."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import hiredis
import pytest
from redis.exceptions import OutOfMemoryError
from storing import sent

from otel_jcmc.catalogue.reasons import StoreUnavailable
from otel_jcmc.store.commands import Command
from otel_jcmc.store.embedded import EmbeddedStore
from otel_jcmc.store.link import Link

ECHO = ("ECHO", "x")

Ask = Callable[..., Awaitable[list[Any]]]


async def by_run(link: Link, commands: list[Command], timeout_seconds: float = 0.5) -> list[Any]:
    return await link.run(commands, timeout_seconds)


async def by_send(link: Link, commands: list[Command], timeout_seconds: float = 0.5) -> list[Any]:
    """Send as pushes do on an open connection, and wait."""
    await link.run([("CLIENT", "ID")], 10)
    return await sent(link, commands, timeout_seconds)


WAYS = pytest.mark.parametrize("ask", [by_run, by_send])


@asynccontextmanager
async def answering(path: Path, answer: Callable[[int], list[bytes]]) -> AsyncIterator[Link]:
    """
    Return a link to a server of the test, which greets as Redis does.

    It answers each later command with the pieces that *answer* returns for the command's number,
    one after the other; the first command of a connection has the number 0.
    """
    served: list[asyncio.StreamWriter] = []
    serving: list[Any] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.append(writer)
        serving.append(asyncio.current_task())
        # The link may hang up in the middle of an answer.
        with suppress(ConnectionError):
            await converse(reader, writer)

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        commands, count = hiredis.Reader(), 0
        while received := await reader.read(65_536):
            commands.feed(received)
            while command := commands.gets():
                if command[0] in (b"CLIENT", b"INFO"):
                    writer.write(b"+OK\r\n")
                    continue
                for piece in answer(count):
                    writer.write(piece)
                    await asyncio.sleep(0.001)
                count += 1

    server = await asyncio.start_unix_server(serve, path / "socket")
    link = Link(f"unix://{path}/socket")
    yield link
    await link.close()
    server.close()
    for writer in served:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
    await asyncio.gather(*serving)
    await server.wait_closed()


@pytest.mark.anyio
@WAYS
@pytest.mark.parametrize("size", [1, 3, 1000])
async def test_replies_that_come_in_pieces_are_whole_and_in_order(
    short_path: Path, size: int, ask: Ask
) -> None:
    def answer(number: int) -> list[bytes]:
        whole = b"*2\r\n$1\r\n%d\r\n:%d\r\n" % (number, number)
        return [whole[start : start + size] for start in range(0, len(whole), size)]

    async with answering(short_path, answer) as link:
        assert await ask(link, [ECHO] * 3) == [[b"0", 0], [b"1", 1], [b"2", 2]]
        assert await ask(link, [ECHO] * 2) == [[b"3", 3], [b"4", 4]]


@pytest.mark.anyio
@WAYS
async def test_an_error_of_a_command_is_its_reply(short_path: Path, ask: Ask) -> None:
    replies = [b"$1\r\na\r\n", b"-OOM no room\r\n", b"$-1\r\n"]
    async with answering(short_path, lambda number: [replies[number]]) as link:
        first: Any
        first, error, last = await ask(link, [ECHO] * 3)
    assert (first, last) == (b"a", None)
    assert isinstance(error, OutOfMemoryError)


@pytest.mark.anyio
@WAYS
@pytest.mark.parametrize(
    "answer",
    [b"-LOADING in memory\r\n", b"-NOAUTH Authentication required.\r\n", b"HTTP/1.1 400 Bad\r\n"],
)
async def test_who_is_no_redis_that_takes_commands_is_no_answer(
    short_path: Path, answer: bytes, ask: Ask
) -> None:
    async with answering(short_path, lambda _: [b"+OK\r\n", answer]) as link:
        for _ in range(2):
            with pytest.raises(StoreUnavailable):
                await ask(link, [ECHO] * 2)


@pytest.mark.anyio
@WAYS
async def test_a_reply_that_comes_late_is_not_taken_for_the_next_ones(
    short_path: Path, ask: Ask
) -> None:
    # The first connection is silent until it is too late.
    scripts = iter([[], [b"+second\r\n"]])

    async def send(link: Link) -> list[Any]:
        return await ask(link, [ECHO], timeout_seconds=0.1)

    async with answering(short_path, lambda _: next(scripts)) as link:
        with pytest.raises(StoreUnavailable):
            await send(link)
        assert await send(link) == [b"second"]


@pytest.mark.anyio
@WAYS
async def test_who_waits_is_told_when_the_connection_is_lost(
    redis_server: EmbeddedStore, ask: Ask
) -> None:
    """A command that only closes the connection is tried once more, not for ever."""
    link = Link(redis_server.url)
    assert await ask(link, [("PING",)]) == [b"PONG"]
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            await ask(link, [("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no"), ("PING",)])
        assert await ask(link, [("PING",)]) == [b"PONG"]
    await link.close()


@pytest.mark.anyio
@WAYS
async def test_tasks_that_run_at_once_get_their_own_replies(
    redis_server: EmbeddedStore, ask: Ask
) -> None:
    link = Link(redis_server.url)
    # However long that takes on a busy machine.
    found = await asyncio.gather(*(ask(link, [("ECHO", f"{number}")], 10) for number in range(50)))
    assert found == [[b"%d" % number] for number in range(50)]
    await link.close()


@pytest.mark.anyio
async def test_both_ways_at_once_get_their_own_replies(redis_server: EmbeddedStore) -> None:
    link = Link(redis_server.url)
    await by_run(link, [("PING",)])
    asked = (
        (sent if number % 3 else by_run)(link, [("ECHO", f"{number}")] * (1 + number % 4), 10)
        for number in range(60)
    )
    told = await asyncio.gather(*asked)
    assert told == [[b"%d" % number] * (1 + number % 4) for number in range(60)]
    await link.close()


@pytest.mark.anyio
async def test_who_is_behind_one_that_is_late_asks_again(redis_server: EmbeddedStore) -> None:
    """The connection is dropped, because a late reply would be taken for the next one's."""
    link = Link(redis_server.url)
    await by_run(link, [("PING",)])
    late = asyncio.ensure_future(sent(link, [("BLPOP", "nobody", "0.4"), ("ECHO", "a")], 0.1))
    behind = [asyncio.ensure_future(each(link, [("ECHO", "b")], 10)) for each in (sent, by_run)]
    with pytest.raises(StoreUnavailable) as caught:
        await late
    assert isinstance(caught.value.__cause__, TimeoutError)
    assert await asyncio.gather(*behind) == [[b"b"]] * 2
    await link.close()


@pytest.mark.anyio
async def test_who_waits_when_the_link_is_closed_is_told(redis_server: EmbeddedStore) -> None:
    """Or it gets an answer on a new connection; it is not left waiting."""
    link = Link(redis_server.url)
    await by_run(link, [("PING",)])
    waits = asyncio.ensure_future(sent(link, [("BLPOP", "nobody", "0.2"), ("ECHO", "a")], 5))
    await asyncio.sleep(0)
    await link.close()
    assert await asyncio.wait_for(waits, 5) == [None, b"a"]
    await link.close()
