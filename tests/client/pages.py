"""
Pages for the real browser: a server for them, and a tab that looks into them.

`Origin` is a small web server on 127.0.0.1 with a blank page, the client file (filled in as by the
service) and a push endpoint with the answers that a test wants. `Tab` runs JavaScript in a page and
keeps all console lines and errors. The fixtures in conftest.py make both.
"""

import json
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from otel_jcmc.web.client import FILE_NAME, JMMC_FILE_NAME, make_client_file

HERE = Path(__file__).parent
CLIENTS = {"/client-file": FILE_NAME, "/jmmc/getClient": JMMC_FILE_NAME}
PAGE = '<!doctype html><title>call</title><script src="/fakes.js"></script>'
CHROMIUM_FLAGS = [
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    # Nothing leaves this machine.
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
]


def chromium_path() -> str:
    """Return Chromium's path. Its absence fails the test: a suite that may skip proves nothing."""
    for name in ("chromium-headless-shell", "chromium"):
        found = shutil.which(name) or shutil.which(name, path="/usr/bin")
        if found:
            return found
    pytest.fail("no Chromium: apt-get install -y chromium-headless-shell", pytrace=False)


@contextmanager
def running_chromium(*flags: str) -> Iterator[Browser]:
    """Run a headless Chromium; without Playwright's sandbox, which root cannot have."""
    path = chromium_path()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*CHROMIUM_FLAGS, *flags])
        yield browser
        browser.close()


@dataclass
class Request:
    """A request of a browser."""

    method: str
    path: str
    headers: dict[str, str]
    body: str

    def push(self) -> dict[str, Any]:
        """Return the body as JSON."""
        pushed: dict[str, Any] = json.loads(self.body)
        return pushed


@dataclass
class Origin:
    """A running server: its URL, its requests, and its answers to pushes."""

    url: str
    requests: list[Request] = field(default_factory=list)
    push_status: int = 200
    push_headers: dict[str, str] = field(default_factory=dict)
    preflight_status: int = 403
    token: str = "t.o.k"
    # A POST to /hold waits for this, and is not recorded.
    release: threading.Event = field(default_factory=threading.Event)

    def client_file(
        self, settings: dict[str, Any] | None = None, path: str = "/client-file"
    ) -> str:
        """Return the URL of a client file with *settings*; default: the file of the repository."""
        query = f"?settings={quote(json.dumps(settings))}" if settings is not None else ""
        return f"{self.url}{path}{query}"

    def wait_for(self, count: int, page: Page, seconds: float = 10) -> list[Request]:
        """Return all requests except GETs, when there are *count*; *page* goes on meanwhile."""
        deadline = time.monotonic() + seconds
        while len(self.requests) < count:
            assert time.monotonic() < deadline, f"{len(self.requests)} of {count} requests"
            page.wait_for_timeout(20)
        return self.requests


def _client_text(settings: str | None, name: str) -> str:
    """Return a file as the service serves it, without comments."""
    return make_client_file(json.loads(settings or "{}"), name).body.decode()


class _Server(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.origin = Origin(f"http://127.0.0.1:{self.server_port}")


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path == "/page":
            self.answer(200, "text/html", PAGE)
        elif parts.path == "/fakes.js":
            self.answer(200, "text/javascript", (HERE / "fakes.js").read_text(encoding="utf-8"))
        elif name := CLIENTS.get(parts.path):
            settings = parse_qs(parts.query).get("settings", [None])[0]
            self.answer(200, "text/javascript", _client_text(settings, name))
        else:
            self.answer(404, "text/plain", "")

    def do_POST(self) -> None:
        origin = self.server.origin
        if self.path == "/hold":
            self.rfile.read(int(self.headers["Content-Length"]))
            origin.release.wait()
            self.answer(200, "text/plain", "")
            return
        self.record()
        if self.path.endswith("/push-token"):
            issued = json.dumps({"token": origin.token, "expires_in": 3600})
            self.answer(200, "application/json", issued)
            return
        self.answer(origin.push_status, "text/plain", "OK", origin.push_headers)

    def do_OPTIONS(self) -> None:
        self.record()
        allowed = {"Access-Control-Allow-Headers": "authorization"}
        self.answer(self.server.origin.preflight_status, "text/plain", "", allowed)

    def record(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.origin.requests.append(Request(self.command, self.path, headers, body))

    def answer(
        self, status: int, kind: str, text: str, headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(text.encode())))
        self.send_header("Access-Control-Allow-Origin", "*")
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 # the base's name
        pass


@contextmanager
def running_origin() -> Iterator[Origin]:
    """Run a server on a free port of 127.0.0.1."""
    server = _Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.origin
    finally:
        server.origin.release.set()
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Tab:
    """A page of *origin* with the fakes, and all its complaints."""

    page: Page
    origin: Origin
    complaints: list[str] = field(default_factory=list)

    def open(self) -> None:
        """Load the page again."""
        self.page.goto(f"{self.origin.url}/page")

    def load_client(
        self, settings: dict[str, Any] | None = None, path: str = "/client-file"
    ) -> None:
        """Load a client file into the page."""
        self.page.add_script_tag(url=self.origin.client_file(settings, path))

    def take_complaints(self) -> list[str]:
        """Return the page's complaints since the last call, also late rejections."""
        self.page.evaluate("() => new Promise((resolve) => setTimeout(resolve))")
        complaints, self.complaints = self.complaints, []
        # The browser itself reports answers other than 200; a page cannot prevent it.
        return [word for word in complaints if "Failed to load resource" not in word]

    def run(self, body: str, argument: Any = None) -> Any:
        """Run the body of an async function; the result comes back as JSON."""
        # As text in both directions, because Playwright and its driver would walk through a large
        # value.
        script = (
            "async (text) => { const argument = JSON.parse(text);"
            f" return JSON.stringify(await (async () => {{ {body} }})()) ?? 'null'; }}"
        )
        return json.loads(self.page.evaluate(script, json.dumps(argument, allow_nan=False)))


@contextmanager
def opened_tab(browser: Browser, origin: Origin) -> Iterator[Tab]:
    """Open a page with an empty storage of its own."""
    context = browser.new_context()
    tab = Tab(context.new_page(), origin)
    tab.page.on("console", lambda said: tab.complaints.append(f"{said.type}: {said.text}"))
    tab.page.on("pageerror", lambda error: tab.complaints.append(f"thrown: {error}"))
    tab.open()
    yield tab
    context.close()
