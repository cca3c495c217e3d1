"""
Conferences with the real lib-jitsi-meet, in tabs of a real browser with a fake camera.

`running_site` serves the page: the library, `app.js` instead of jitsi-meet, `relayed.js`, which
sends the call through the relay, and the service's client file. `Tab` is one participant with a
browser context, and therefore a process, of its own.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from string import Template
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlencode, urlsplit

from client.pages import CHROMIUM_FLAGS, chromium_path
from conference.prosody import FOCUS
from conference.relay import Relay
from conference.slow import renderers, slowed
from e2e.parts import ROOT, missing, serving
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, Response, sync_playwright

HERE = Path(__file__).parent
PACKAGES = ROOT / ".cache"
STATS_INTERVAL_MS = 2000

_FLAGS = [
    *CHROMIUM_FLAGS,
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    # The call only uses 127.0.0.1, whatever networks there are.
    "--allow-loopback-in-peer-connection",
    # A spare process belongs to no tab: `slow.py` looks for a tab's own.
    "--disable-features=WebRtcHideLocalIpsWithMdns,SpareRendererForSitePerProcess",
    # All tabs except one are in the background.
    "--disable-renderer-backgrounding",
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
]
_FILES = {
    "/relayed.js": HERE / "relayed.js",
    "/recorder.js": HERE / "recorder.js",
    "/app.js": HERE / "app.js",
    "/jquery.js": PACKAGES / "jquery" / "dist" / "jquery.min.js",
    "/lib-jitsi-meet.js": PACKAGES / "lib-jitsi-meet" / "lib-jitsi-meet.min.js",
}
# The library makes direct calls only in Chromium; elsewhere it waits for a bridge, which does not
# exist here. How it reads the browser's reports does not depend on that.
_NEVER_DIRECT = "b.default.isFirefox()||b.default.isWebKitBased()"


@contextmanager
def running_browser() -> Iterator[Browser]:
    """Run a headless Chromium with a fake camera and microphone."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=_FLAGS)
        yield browser
        browser.close()


Keep = Callable[[str, dict[str, Any]], None]


@contextmanager
def running_site(client_file: str, relay: Relay, keep: Keep | None = None) -> Iterator[str]:
    """
    Serve the conference's page and the relay's stand-ins; return the URL.

    In *client_file*, the client file's URL, `{tab}` stands for the name of the tab. *keep* gets
    that name and what `recorder.js` reports in it: `t` in seconds since 1970, `kind` and `data`.
    """
    for path in _FILES.values():
        if not path.exists():
            missing(path.name)
    page = Template((HERE / "page.html").read_text(encoding="utf-8"))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path == "/stand-in":
                asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
                real = asked["ip"], int(asked["port"])
                ip, port = relay.stand_in(real, asked.get("sender"))
                self.answer("text/plain", f"{ip} {port}")
            elif parts.path in _FILES:
                self.answer("text/javascript", _script(parts.path, self.headers["user-agent"]))
            else:
                url = client_file.format(tab=parse_qs(parts.query).get("me", [""])[0])
                self.answer("text/html", page.substitute(client_file=url))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            (tab,) = parse_qs(urlsplit(self.path).query)["tab"]
            if keep:
                keep(tab, json.loads(body))
            self.answer("text/plain", "")

        def answer(self, kind: str, text: str) -> None:
            body = text.encode()
            self.send_response(200)
            self.send_header("content-type", f"{kind}; charset=utf-8")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with serving(Handler) as url:
        yield url


def _script(path: str, browser: str) -> str:
    text = _FILES[path].read_text(encoding="utf-8")
    return text.replace(_NEVER_DIRECT, "false") if "Firefox" in browser else text


class Count(NamedTuple):
    """Packets of sound sent since the call began, and those that never arrived."""

    sent: int
    lost: int


@dataclass
class Tab:
    """
    One participant's page.

    Attributes:
        name: unique; the relay knows the tab's datagrams by it.
        participant: the id in the conference, once joined.
        room: the name of the conference, once the page is open.
        complaints: console lines and uncaught errors, except the library's.
        process: the id of the page's process.
    """

    page: Page
    name: str
    site: str
    participant: str = ""
    room: str = ""
    process: int = 0
    _slow: ExitStack = field(default_factory=ExitStack)
    _sessions: list[str] = field(default_factory=list)
    _pushed_at: float = 0.0
    complaints: list[str] = field(default_factory=list)

    def open(self, room: str, xmpp: str, focus: str = FOCUS) -> None:
        """Load the page of the conference *room*, with that *focus*."""
        self.room = room
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(f"thrown: {error.stack}"))
        self.page.on("response", self._see)
        asked = {"room": room, "me": self.name, "xmpp": xmpp, "interval": STATS_INTERVAL_MS}
        asked["focus"] = focus
        self.page.goto(f"{self.site}/?{urlencode(asked)}")

    def join(self) -> None:
        """Join the conference; the second time, come back."""
        self.participant = self.page.evaluate("() => join()")

    def leave(self) -> float:
        """Leave the conference and stay on the page; return the time of the request."""
        asked_at = time.time()
        self.page.evaluate("() => leave()")
        return asked_at

    def close(self) -> float:
        """Close the tab as its user does; return the time of the request."""
        asked_at = time.time()
        self.page.close(run_before_unload=True)
        return asked_at

    def kill(self) -> float:
        """Kill the page's process right after a push; return the time of the answer."""
        with self.page.expect_response(_is_push):
            pass
        # The renderer dies at once, before the page can notice a navigation.
        with self.page.expect_event("crash"), suppress(Error):
            self.page.goto("chrome://crash")
        return self._pushed_at

    def slow(self, stopped_ms: int) -> None:
        """Stop the page's process for so long after each 1 ms that it runs; 0: never."""
        if stopped_ms:
            self._slow.enter_context(slowed(self.process, stopped_ms))
        else:
            self._slow.close()

    def count_uplink(self) -> Count:
        """Return what the browser itself counts of its uplink."""
        return Count(**self.page.evaluate("() => countUplink()"))

    def sessions(self) -> list[str]:
        """Return the ids of the sessions for which the client has pushed, in order."""
        self.page.evaluate("1")  # Playwright's events come while it is asked something
        return self._sessions

    def _hear(self, said: ConsoleMessage) -> None:
        if not said.location["url"].endswith("/lib-jitsi-meet.js"):
            self.complaints.append(f"{said.type}: {said.text} ({said.location['url']})")

    def _see(self, response: Response) -> None:
        if not _is_push(response):
            return
        timing = response.request.timing
        self._pushed_at = (timing["startTime"] + timing["responseStart"]) / 1000
        session = json.loads(response.request.post_data or "")["session"]["id"]
        if session not in self._sessions:
            self._sessions.append(session)


def _is_push(response: Response) -> bool:
    return response.request.method == "POST" and response.url.endswith("/metrics/push")


@contextmanager
def opened_tab(browser: Browser, site: str, name: str) -> Iterator[Tab]:
    """Open an empty tab; the test fails if it has complained by the end."""
    others = renderers(browser)
    context = browser.new_context(permissions=["camera", "microphone"])
    tab = Tab(context.new_page(), name, site)
    (tab.process,) = renderers(browser) - others
    try:
        yield tab
    finally:
        tab.slow(0)
        context.close()
    assert tab.complaints == []
