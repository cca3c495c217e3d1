"""
The size of the client file, and the time that a sample of a real call takes on the main thread.

It runs a Chromium without DevTools, which would add a millisecond to each request. The page says
when a turn is over, and the kernel says how much CPU time its main thread has used.
"""

import json
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import Any
from urllib.parse import quote

import psutil
from client.pages import CHROMIUM_FLAGS, chromium_path

from benchmarks.report.bench import Bench
from benchmarks.service.running import Running, running

SCRIPT = Path(__file__).with_suffix(".js")
PAGE = b"<!doctype html><title>call</title><script src=/client.js></script>"
FLAGS = [
    *CHROMIUM_FLAGS,
    "--headless",
    "--no-sandbox",  # root could have none
    "--disable-features=WebRtcHideLocalIpsWithMdns",  # names, that nothing here resolves
    "--autoplay-policy=no-user-gesture-required",
    "--mute-audio",  # there may be no device
    # The page is not visible, but its timers must run all the same.
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
]
TURN_SECONDS = 30.0


def measure(bench: Bench) -> None:
    """Take the file's size, then sample calls of some sizes."""
    with running() as service:
        packed = urllib.request.Request(
            f"{service.service.url}/client-file", headers={"accept-encoding": "gzip"}
        )
        with urllib.request.urlopen(packed) as answer:
            bench.add("client file, compressed", [len(answer.read())], "B", 8292)
        for others in (2, 10, 40):
            call = f"for a sample, {others} others in the call"
            rounds = [_sample_ms(bench, service, others, is_sent=False) for _ in bench.rounds(2, 1)]
            bench.add(f"main thread {call}", rounds, "ms", 3.5 if others == 40 else 2)
        # The browser's own work for a request is most of it, and the client can't reduce that.
        rounds = [_sample_ms(bench, service, 2, is_sent=True) for _ in bench.rounds(2, 1)]
        bench.add("with the browser's fetch(), 2 others", rounds, "ms")


def _sample_ms(bench: Bench, service: Running, others: int, *, is_sent: bool) -> float:
    """Return what the client adds to a page that asks for the same report without it."""
    count = bench.choose(20, 10)
    asked = {
        "others": others,
        "count": count,
        "isSent": is_sent,
        "clientFile": f"{service.service.url}/client-file",
    }
    before = _pushes(service)
    with _site() as (url, turns), _browser(f"{url}/?{quote(json.dumps(asked))}") as chromium:
        at = [_after(turns, chromium) for _ in range(6)][1:]  # the first two warm up
    told = _pushes(service) - before
    if is_sent and told < 2 * count:
        raise RuntimeError(f"{told:.0f} pushes of {2 * count} samples")
    apart, with_client, apart_again, with_client_again = (
        end - start for start, end in pairwise(at)
    )
    return (with_client + with_client_again - apart - apart_again) / (2 * count)


def _pushes(service: Running) -> float:
    """Return how many pushes the service has taken."""
    return service.service.own('otel_jcmc_pushes_total{outcome="accepted",reason=""}') or 0


@contextmanager
def _site() -> Iterator[tuple[str, "Queue[str]"]]:
    """Serve the page; what it says at the end of each turn is in the queue."""
    turns: Queue[str] = Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_script = self.path == "/client.js"
            kind = "text/javascript" if is_script else "text/html"
            self._answer(kind, SCRIPT.read_bytes() if is_script else PAGE)

        def do_POST(self) -> None:
            said = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
            turns.put(said)
            turns.join()  # until the time has been taken
            self._answer("text/plain", b"")

        def _answer(self, kind: str, body: bytes) -> None:
            self.send_response(200)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 # the base's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads, server.block_on_close = True, False  # one may wait for a word
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", turns
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def _browser(url: str) -> Iterator[psutil.Process]:
    """Run a Chromium with one page."""
    with tempfile.TemporaryDirectory(prefix="jcmc-chromium", ignore_cleanup_errors=True) as folder:
        command = [chromium_path(), *FLAGS, f"--user-data-dir={folder}", url]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as running:
            chromium = psutil.Process(running.pid)
            try:
                yield chromium
            finally:
                # What was started may be a script: the browser is its child.
                family = [chromium, *chromium.children(recursive=True)]
                for each in family:
                    with suppress(psutil.NoSuchProcess):
                        each.kill()
                psutil.wait_procs(family, 10)


def _after(turns: "Queue[str]", chromium: psutil.Process) -> float:
    """Return the CPU time in ms of the page's main thread at the end of a turn."""
    try:
        said = turns.get(timeout=TURN_SECONDS)
    except Empty:
        raise RuntimeError("the page is silent: is the machine too busy?") from None
    try:
        if said:
            raise RuntimeError(said)
        return max(_main_thread_ms(each) for each in chromium.children(recursive=True))
    finally:
        turns.task_done()


def _main_thread_ms(process: psutil.Process) -> float:
    """Return the CPU time of the first thread of a renderer, 0 for another process."""
    try:
        arguments: list[Any] = process.cmdline()
        if "--type=renderer" not in arguments:
            return 0.0
        ran_ns = Path(f"/proc/{process.pid}/task/{process.pid}/schedstat").read_text().split()[0]
    except (psutil.Error, OSError):
        return 0.0
    return int(ran_ns) / 1e6
