"""The HTTP client of simulate and the benchmarks, and a server that misbehaves on demand."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from otel_jcmc.simulate.client import Client, PageAnswer, Target, percentile

pytestmark = pytest.mark.anyio

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nOK"


class Server:
    """
    Answers every request with `answer`, and counts the connections.

    Attributes:
        requests_each: requests on one connection before it closes without an answer.
    """

    def __init__(self) -> None:
        self.answer = OK
        self.requests_each = 1_000
        self.connections = self.open = self.most_open = self.requests = 0
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        self.most_open = max(self.open, self.most_open)
        try:
            for _ in range(self.requests_each):
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"content-length: (\d+)\r\n", head)
                assert length
                await reader.readexactly(int(length[1]))
                self.requests += 1
                await asyncio.sleep(0.005)
                writer.write(self.answer)
        except asyncio.IncompleteReadError:
            pass
        finally:
            self.open -= 1
            writer.close()


@asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    server = Server()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    yield server
    listening.close()


async def test_a_connection_is_used_again() -> None:
    async with serving() as server:
        client = Client(Target(server.url), 4)
        for _ in range(5):
            assert await client.post(b"{}", "Chrome") == PageAnswer(200, 0)
        client.close()
        assert (server.requests, server.connections) == (5, 1)


async def test_there_are_no_more_connections_than_asked_for() -> None:
    async with serving() as server:
        client = Client(Target(server.url), 3)
        await asyncio.gather(*(client.post(b"{}", "Chrome") for _ in range(20)))
        client.close()
        assert (server.requests, server.most_open) == (20, 3)


async def test_a_push_goes_again_when_its_connection_had_been_closed() -> None:
    async with serving() as server:
        server.requests_each = 1
        client = Client(Target(server.url), 1)
        for _ in range(3):
            assert (await client.post(b"{}", "Chrome")).status == 200
        client.close()
        assert (server.requests, server.connections) == (3, 3)


async def test_a_new_connection_that_is_closed_is_an_error() -> None:
    async with serving() as server:
        server.requests_each = 0
        client = Client(Target(server.url), 1)
        with pytest.raises(ConnectionError):
            await client.post(b"{}", "Chrome")


async def test_an_answer_that_is_not_http_is_an_error() -> None:
    async with serving() as server:
        server.answer = b"220 mail.example.org ESMTP\r\n"
        client = Client(Target(server.url), 1)
        with pytest.raises(ConnectionAbortedError):
            await client.post(b"{}", "Chrome")


async def test_retry_after_is_told() -> None:
    async with serving() as server:
        server.answer = b"HTTP/1.1 503 -\r\nRetry-After: 7\r\ncontent-length: 0\r\n\r\n"
        client = Client(Target(server.url), 1)
        assert await client.post(b"{}", "Chrome") == PageAnswer(503, 7)
        client.close()


async def test_a_connection_that_the_server_wants_closed_is_not_used_again() -> None:
    async with serving() as server:
        server.answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
        client = Client(Target(server.url), 1)
        for _ in range(2):
            assert (await client.post(b"{}", "Chrome")).status == 200
        assert server.connections == 2


def test_a_url_without_a_path_means_the_push_path() -> None:
    request = Target("https://meet.example.org").request(b"{}", "Chrome")
    assert request == (
        b"POST /metrics/push HTTP/1.1\r\n"
        b"host: meet.example.org\r\n"
        b"user-agent: Chrome\r\n"
        b"content-type: text/plain\r\n"
        b"content-length: 2\r\n\r\n{}"
    )


def test_percentiles_are_values_that_were_measured() -> None:
    assert [percentile([1, 2, 3, 4], percent) for percent in (1, 50, 75, 99)] == [1, 2, 3, 4]
