"""
A Jitsi page in a real browser: it loads the client file and replays a recorded call.

The page has another origin than the service. `meeting.js` takes the part of jitsi-meet: it has its
globals, and a conference that emits the events of tests/samples. `Seat` is one participant in a
browser context of its own.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from e2e.parts import serving
from harness import eventually
from playwright.sync_api import Browser, Page

HERE = Path(__file__).parent
SAMPLES = HERE.parent / "samples"

_PAGE = """<!doctype html><title>meeting</title>
<script src="/meeting.js"></script>
<script src="{client_file}" async></script>
"""


def recorded(sample: str, *lines: int, **changes: Any) -> list[dict[str, Any]]:
    """
    Return the events in some *lines* of a sample, with *changes* in each.

    Three at most. From the fourth on, the client knows how often events come. The page replays all
    at once and then falls silent, and the client would report that the statistics have stopped.
    """
    assert len(lines) <= 3
    text = (SAMPLES / f"{sample}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(text[line - 1])["data"] | changes for line in lines]


@contextmanager
def running_site(client_file: str, headers: dict[str, str]) -> Iterator[str]:
    """Serve the Jitsi page with *headers*, and a second page to go to; return the URL."""
    bodies = {
        "/meeting": ("text/html", _PAGE.format(client_file=client_file)),
        "/meeting.js": ("text/javascript", (HERE / "meeting.js").read_text(encoding="utf-8")),
        "/elsewhere": ("text/html", "<!doctype html><title>elsewhere</title>"),
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, text = bodies.get(self.path.partition("?")[0], ("text/plain", ""))
            body = text.encode()
            self.send_response(200)
            self.send_header("content-type", f"{kind}; charset=utf-8")
            self.send_header("content-length", str(len(body)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with serving(Handler) as url:
        yield url


@dataclass
class Seat:
    """
    One participant's page.

    Attributes:
        complaints: every line on its console, and every error that nothing caught.
    """

    page: Page
    site: str
    complaints: list[str] = field(default_factory=list)

    def join(self, me: str, room: str) -> None:
        """Open the page, enter the conference, and return when the client has found it."""
        self.page.goto(f"{self.site}/meeting?{urlencode({'me': me, 'room': room})}")
        self.page.evaluate("() => enterRoom()")
        eventually(lambda: self.page.evaluate("() => isFollowed()"))

    def replay(self, events: list[dict[str, Any]]) -> None:
        """Let the conference emit *events*, one right after the other."""
        self.page.evaluate("events => replay(events)", events)

    def leave_room(self) -> None:
        """Leave the conference and stay on the page."""
        self.page.evaluate("() => leaveRoom()")

    def go_elsewhere(self) -> None:
        """Leave the page for another one."""
        self.page.goto(f"{self.site}/elsewhere")


@contextmanager
def taken_seat(browser: Browser, site: str) -> Iterator[Seat]:
    """Open a browser context; the test fails if the page has complained by the end."""
    context = browser.new_context()
    seat = Seat(context.new_page(), site)
    seat.page.on("console", lambda said: seat.complaints.append(f"{said.type}: {said.text}"))
    seat.page.on("pageerror", lambda error: seat.complaints.append(f"thrown: {error}"))
    try:
        yield seat
    finally:
        context.close()
    assert seat.complaints == []
