"""How a server stops: it answers all connected clients, also those in a socket's queue."""

import asyncio
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import uvicorn

from otel_jcmc.server.connections import ConnectionLimits, Connections
from otel_jcmc.server.ending import LINGER_SECONDS
from otel_jcmc.server.server import Server
from otel_jcmc.server.sockets import listen

REQUEST = b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n"


class App:
    """An application that always answers with two letters."""

    push_endpoint = None

    def __init__(self) -> None:
        self.connections = Connections(ConnectionLimits(), {})

    def is_admin(self, _server: Any) -> bool:
        return False

    async def __call__(self, _scope: Any, _receive: Any, send: Any) -> None:
        lines = [(b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": lines})
        await send({"type": "http.response.body", "body": b"OK"})


def connected(port: int) -> socket.socket:
    """Return a connection; only the kernel has accepted it."""
    return socket.create_connection(("127.0.0.1", port), timeout=5)


def answer_on(client: socket.socket) -> bytes:
    """Return all bytes until the connection ends; nothing if it is reset."""
    with client, suppress(ConnectionError):
        return b"".join(iter(lambda: client.recv(4096), b""))
    return b""


def stop_with(ask: Callable[[int], list[socket.socket]], late: bytes = b"") -> list[bytes]:
    """
    Serve, let *ask* connect, stop before the loop has noticed it, and return the answers.

    *late* is sent on each connection that the server knows, after the stop and while the loop is
    too busy to read.
    """
    app: Any = App()
    (listener,) = listen("127.0.0.1", 0, "JCMC_PORT", 0)
    port = listener.getsockname()[1]
    config = uvicorn.Config(app, loop="uvloop", log_config=None, lifespan="off")

    async def serve() -> list[bytes]:
        config.load()
        config.loaded_app = app
        server = Server(config, None)
        server.lifespan = config.lifespan_class(config)
        await server.startup([listener])
        clients = ask(port)
        if not late:
            # At once: the loop accepts no connection before the next await.
            await server.shutdown([listener])
            return [answer_on(client) for client in clients]
        for _ in range(1000):
            await asyncio.sleep(0.01)
            if len(server.server_state.connections) == len(clients):
                break
        loop = asyncio.get_running_loop()
        ending = asyncio.ensure_future(server.shutdown([listener]))
        waking, woken = socket.socketpair()
        await asyncio.sleep(0.02)

        def be_late() -> None:
            """Delay the loop for longer than the connections that it reads next may take."""
            loop.remove_reader(woken)
            for client in clients:
                client.sendall(late)
            time.sleep(LINGER_SECONDS + 0.1)

        loop.add_reader(woken, be_late)
        waking.send(b"x")
        await ending
        waking.close()
        woken.close()
        return [answer_on(client) for client in clients]

    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        return runner.run(serve())


def test_who_waits_in_the_queue_of_a_socket_is_answered() -> None:
    def ask(port: int) -> list[socket.socket]:
        clients = [connected(port) for _ in range(20)]
        for client in clients:
            # The second one is for another connection.
            client.sendall(REQUEST * 2)
        return clients

    answers = stop_with(ask)
    assert len(answers) == 20
    for answer in answers:
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert answer.count(b"HTTP/1.1") == 1


def test_who_has_asked_before_its_time_was_over_is_answered_by_a_busy_loop() -> None:
    answers = stop_with(lambda port: [connected(port) for _ in range(5)], REQUEST)
    assert [answer[:15] for answer in answers] == [b"HTTP/1.1 200 OK"] * 5
