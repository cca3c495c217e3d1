"""
What the same server takes for a push that nobody looks at: the floor under the figure of `push`.

A bare ASGI callable that reads the body and answers OK, on uvicorn as `serve` sets it up. A busy
or slow machine shows here first.
"""

import asyncio
import json
import subprocess
import sys
from dataclasses import asdict
from typing import Any

import psutil
import uvicorn

from benchmarks.bench import ROOT, Bench
from benchmarks.generator import Order, Result
from benchmarks.machine import Watch
from benchmarks.push import CONNECTIONS


def measure(bench: Bench) -> None:
    """Push to it as `push` does to the service."""
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.floor"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}"
        order = json.dumps(asdict(Order(url, connections=CONNECTIONS, seconds=2)))
        watch = Watch({"server": psutil.Process(server.pid)})
        cpu, rates = [], []
        for _ in bench.rounds(5, 2):
            command = [sys.executable, "-m", "benchmarks.generator", order]
            ran = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE)
            result = Result(**json.loads(ran.stdout))
            usage = bench.note(watch.read())
            cpu.append(1e6 * usage.cpu["server"] / result.pushes)
            rates.append(result.pushes / result.seconds)
        server.terminate()
    bench.add("uvicorn CPU a push", cpu, "µs")
    bench.add_rate(f"pushes, {CONNECTIONS} connections", rates, "/s")


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
