"""What pushes, connections and pages leave behind is freed at once, without the collector."""

import os
import signal
import socket
import sys
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from harness import Service, eventually, push_body
from workers import named

# Runs the service with a garbage collector that, on demand, writes down what it finds.
SCRIPT = """
import gc, json, os, signal, sys
from pathlib import Path
from otel_jcmc.command import running
from otel_jcmc.command.arguments import main

def look(*_):
    gc.set_debug(gc.DEBUG_SAVEALL)
    gc.collect()
    found = [f"{type(each).__module__}.{type(each).__qualname__}" for each in gc.garbage]
    gc.set_debug(0)
    gc.garbage.clear()
    path = Path(f"found.{os.getpid()}")
    path.with_suffix(".new").write_text("\\n".join(found))
    path.with_suffix(".new").rename(path)

running.look_at_times = lambda loop: gc.disable()
signal.signal(signal.SIGUSR1, look)
main()
"""
OURS = ("otel_jcmc.", "uvloop.", "httptools.", "uvicorn.", "_asyncio.")


def garbage_of(service: Service, pid: int) -> Counter[str]:
    """Return the objects of connections that the process *pid* finds as garbage now, by type."""
    path = service.folder / f"found.{pid}"
    path.unlink(missing_ok=True)
    os.kill(pid, signal.SIGUSR1)
    eventually(path.exists)
    return Counter(each for each in path.read_text().splitlines() if each.startswith(OURS))


def send(service: Service, request: bytes) -> None:
    """Send *request* on a new connection, and hang up."""
    url = urlsplit(service.url)
    with socket.create_connection((url.hostname, url.port), timeout=10) as wire:
        wire.sendall(request)
        wire.settimeout(0.2)
        try:
            while wire.recv(65_536):
                pass
        except TimeoutError:
            pass


@pytest.mark.parametrize("workers", ["0", "1"])
def test_nothing_of_a_connection_waits_to_be_found(short_path: Path, workers: str) -> None:
    service = Service(short_path / "b", JCMC_WORKERS=workers)
    service.command = [sys.executable, "-c", SCRIPT]
    with service:
        pids = named(service).values() if workers != "0" else [service.pid]
        # What the start has left, and the first of each kind.
        for _ in range(2):
            for pid in pids:
                garbage_of(service, pid)
            for number in range(10):
                assert service.push(push_body(f"p{number}")).status == 200
                assert service.push("{").status == 400
                assert service.get("/metrics").status == 200
                assert service.get("/-/ready").status == 200
                assert service.get("/nothing").status == 404
                send(service, b"no HTTP\r\n\r\n")
            # In the middle of a head, of a body, and after an answer.
            send(service, b"POST /metrics/push HTTP/1.1\r\nHost: x\r\n")
            send(service, b"POST /metrics/push HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
            send(service, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        found = {pid: garbage_of(service, pid) for pid in pids}
    assert not any(found.values()), found
