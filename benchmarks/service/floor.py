"""
The cost of a push in the same server without our code: the floor under the figure of `push`.

A bare ASGI callable that reads the body and answers OK, on uvicorn as `serve` sets it up. A busy
or slow machine shows here first.
"""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import psutil
import uvicorn

from benchmarks.report.bench import ROOT
from benchmarks.report.machine import Family


class Floor(NamedTuple):
    """The bare server, with its process."""

    url: str
    family: Family


@contextmanager
def running_floor() -> Iterator[Floor]:
    """Run the server for as long as the block."""
    command = [sys.executable, "-m", "benchmarks.service.floor"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            port = server.stdout.readline().strip()
            yield Floor(f"http://127.0.0.1:{port}", Family(psutil.Process(server.pid)))
        finally:
            server.terminate()


async def app(_scope: Any, receive: Any, send: Any) -> None:
    """Read the body, answer OK."""
    while (await receive()).get("more_body"):
        pass
    headers = [(b"content-length", b"2"), (b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"OK"})


def serve() -> None:
    """Serve on a free port, and print which."""
    config = uvicorn.Config(
        app,
        port=0,
        loop="uvloop",
        http="httptools",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=75,
    )
    listener = config.bind_socket()
    listener.listen(2048)
    print(listener.getsockname()[1], flush=True)
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(uvicorn.Server(config).serve(sockets=[listener]))


if __name__ == "__main__":
    serve()
