"""
Plays a story with real browsers and records what happens.

A recording is a list of lines, each with `t` (seconds since the start), `who`, `kind` and `data`.
tests/recordings/README.md describes each kind.
"""

import json
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlencode

from conference.conference import Tab, opened_tab, running_browser, running_site
from conference.doorway import Doorway, running_doorway
from conference.firefox import FIREFOX_HOST, opened_firefox_seat, running_firefox
from conference.prosody import BRIDGE, BRIDGE_FOCUS, running_bridge, running_prosody
from conference.relay import Relay, Way, running_relay
from conference.stories import Do, Step, Story
from harness import Service
from playwright.sync_api import Error

_SERIES = re.compile(r'jitsi_jcmc_(\w+)\{.*participant_id="([^"]+)".*\} (\S+)$')
_EVERY_SECONDS = 0.5
CHROMIUM, FIREFOX = "Chromium", "Firefox"
LOOPBACK = "127.0.0.1"
# Steps that app.js performs.
_SCRIPTS = {
    Do.MUTE: "muteCamera(true)",
    Do.UNMUTE: "muteCamera(false)",
    Do.HIDE: "hide(true)",
    Do.SHOW: "hide(false)",
    Do.LEAVE: "leave()",
    Do.FILL: "fill()",
    Do.SHOW_ONE: "APP.conference._room.setLastN(1)",
    Do.SHOW_NONE: "APP.conference._room.setLastN(0)",
    Do.SHOW_ALL: "APP.conference._room.setLastN(-1)",
}


@dataclass
class Recording:
    """The present recording: its lines, from any thread."""

    began: float = field(default_factory=time.time)
    lines: list[dict[str, Any]] = field(default_factory=list)

    def add(self, who: str, kind: str, data: Any, at: float | None = None) -> None:
        """Keep a line; *at* is in seconds since 1970; None: now."""
        seconds = round((at or time.time()) - self.began, 3)
        self.lines.append({"t": seconds, "who": who, "kind": kind, "data": data})

    def write(self, path: Path) -> None:
        """Write the lines to *path*, in the order of time."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8") as out:
            for line in sorted(self.lines, key=lambda line: line["t"]):
                out.write(json.dumps(line, separators=(",", ":")) + "\n")


class Seat(Protocol):
    """A page in a browser, with what a story needs."""

    def go(self, url: str) -> object:
        """Load a page."""

    def run(self, script: str) -> object:
        """Run a JavaScript expression, and wait for its promise."""

    def wait(self, seconds: float) -> None:
        """Let time pass."""

    def kill(self) -> object:
        """Kill the page's process, right after a push."""

    def slow(self, stopped_ms: int) -> object:
        """Stop the page's process for so long after each 1 ms that it runs; 0: never."""


Open = Callable[[str], AbstractContextManager[Seat]]


@dataclass
class _ChromiumSeat:
    tab: Tab

    def go(self, url: str) -> None:
        self.tab.page.goto(url)

    def run(self, script: str) -> object:
        found: object = self.tab.page.evaluate(script)
        return found

    def wait(self, seconds: float) -> None:
        with suppress(Error):  # the page may be one that has crashed
            self.tab.page.wait_for_timeout(1000 * seconds)

    def kill(self) -> None:
        self.tab.kill()

    def slow(self, stopped_ms: int) -> None:
        self.tab.slow(stopped_ms)


@dataclass
class Bed:
    """
    Everything that stories need, except the tabs.

    Attributes:
        browser: its name.
        open: opens a seat with a named tab in it.
        recording: gets the lines of pages and doorway; each story has another one.
    """

    browser: str
    open: Open
    service: Service
    relay: Relay
    xmpp: str
    site: str = ""
    doorway: Doorway = field(default_factory=Doorway)
    recording: Recording = field(default_factory=Recording)

    def hear(self, tab: str, said: dict[str, Any]) -> None:
        """Keep what `recorder.js` reports in *tab*."""
        self.recording.add(tab, said["kind"], said["data"], said["t"])

    def note(self, tab: str, push: dict[str, Any]) -> None:
        """Keep a push of *tab*."""
        at = push.pop("t")
        self.recording.add(tab, "push", push, at)

    def tell(self, story: Story, interval_ms: int) -> Recording:
        """Play *story* in a conference of its own, and return what happened."""
        recording = self.recording = Recording()
        room = f"{story.name}-{interval_ms}-{recording.began:.0f}"
        about = {"story": story.name, "says": story.says}
        if story.has_bridge:
            about["bridge"] = BRIDGE
        recording.add(
            "plan", "story", {**about, "interval_ms": interval_ms, "browser": self.browser}
        )
        # Each story has its own counts of the relay.
        self.relay.links.clear()
        with ExitStack() as stack:
            seats: dict[str, Seat] = {}

            def join(name: str) -> None:
                seat = seats[name] = stack.enter_context(self.open(name))
                asked = {"room": room, "me": name, "xmpp": self.xmpp, "interval": interval_ms}
                asked |= {"record": "yes", "host": self.relay.host}
                asked["lines"] = story.lines
                if story.has_bridge:
                    asked["focus"] = BRIDGE_FOCUS
                seat.go(f"{self.site}/?{urlencode(asked)}")
                seat.run("join()")

            stack.enter_context(self._watching(recording, room))
            for name in story.names:
                join(name)
            self._wait_until_all_push(recording, seats)
            began = time.monotonic()
            for step in story.steps:
                _let_pass(seats, began + step.at - time.monotonic())
                recording.add("plan", step.do, _plain(step))
                if step.do is Do.FAIL_TO_JOIN:
                    with suppress(Error):
                        join(step.tab)
                else:
                    self._do(step, seats)
        return recording

    def _do(self, step: Step, seats: dict[str, Seat]) -> None:
        match step.do:
            case Do.NET:
                link = self.relay.link(step.tab)
                link.up.conditions, link.down.conditions = step.up, step.down
            case Do.CUT_PUSHES:
                self.doorway.cut.add(step.tab)
            case Do.MEND_PUSHES:
                self.doorway.cut.discard(step.tab)
            case Do.CRASH:
                seats[step.tab].kill()
            case Do.SLOW | Do.QUICK:
                seats[step.tab].slow(step.stopped_ms if step.do is Do.SLOW else 0)
            case _ if step.do in _SCRIPTS:
                seats[step.tab].run(_SCRIPTS[step.do])

    def _wait_until_all_push(self, recording: Recording, seats: dict[str, Seat]) -> None:
        """
        Wait until two pushes of each had numbers; a participant alone pushes nothing.

        Then wait for ada's next statistics, so that stories begin at the same point of an interval.
        """

        def count(name: str, kind: str) -> int:
            of = [line for line in recording.lines if (line["who"], line["kind"]) == (name, kind)]
            return sum(kind != "push" or _has_numbers(line["data"]["body"]) for line in of)

        def wait_for(kind: str, names: Iterable[str], least: int) -> None:
            deadline = time.monotonic() + 90
            while not all(count(name, kind) >= least for name in names):
                assert time.monotonic() < deadline, f"{kind} does not come"
                _let_pass(seats, 0.05)

        if len(seats) > 1:
            wait_for("push", seats, 2)
            wait_for("stats", ["ada"], count("ada", "stats") + 1)

    @contextmanager
    def _watching(self, recording: Recording, room: str) -> Iterator[None]:
        """Keep the relay's counts and a scrape each half second until the block ends."""
        is_over = threading.Event()

        def watch() -> None:
            while not is_over.wait(_EVERY_SECONDS):
                for name, link in list(self.relay.links.items()):
                    if name:
                        recording.add(
                            name, "relay", {"up": _counts(link.up), "down": _counts(link.down)}
                        )
                at = time.time()
                recording.add("service", "scrape", _scraped(self.service, room), at)

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()


def _has_numbers(push: dict[str, Any]) -> bool:
    """Say whether something has arrived; through a bridge, pages push before that."""
    told: dict[str, Any] = push.get("metrics", {}).get("bitrate_download", {})
    return bool(told.get("value"))


def _let_pass(seats: dict[str, Seat], seconds: float) -> None:
    """Let time pass, while the browser's events come."""
    deadline = time.monotonic() + seconds
    if seconds > 0:
        next(iter(seats.values())).wait(seconds)
    if (left := deadline - time.monotonic()) > 0:
        time.sleep(left)


def _plain(step: Step) -> dict[str, Any]:
    """Return a step in the form of a recording."""
    if step.do is not Do.NET:
        return {"tab": step.tab}
    return {"tab": step.tab, "up": step.up._asdict(), "down": step.down._asdict()}


def _counts(way: Way) -> dict[str, Any]:
    return {
        "sent": way.sent,
        "lost": way.lost,
        "bytes": way.sent_bytes,
        "is_dead": way.conditions.is_dead,
    }


def _scraped(service: Service, room: str) -> dict[str, dict[str, float]]:
    """Return the scrape of all participants in *room*, by participant and metric."""
    found: dict[str, dict[str, float]] = {}
    for line in service.get("/metrics/participants").body.splitlines():
        if f'roomname="{room}"' in line and (known := _SERIES.match(line)):
            metric, participant, value = known.groups()
            found.setdefault(participant, {})[metric] = float(value)
    return found


@contextmanager
def running_bed(folder: Path, browser: str = CHROMIUM) -> Iterator[Bed]:
    """Run everything that stories need, below *folder*."""
    for name in ("service", "prosody", "firefox"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    with (
        Service(folder / "service") as service,
        running_prosody(folder / "prosody") as prosody,
        running_bridge(prosody, folder / "bridge.log"),
        running_relay(LOOPBACK if browser == CHROMIUM else FIREFOX_HOST) as relay,
        _running_chromium()
        if browser == CHROMIUM
        else _running_firefox(folder / "firefox") as open_,
    ):
        bed = Bed(browser, open_, service, relay, prosody.url)
        with (
            running_doorway(service.url, bed.note) as bed.doorway,
            running_site(f"{bed.doorway.url}/client-file", relay, bed.hear) as bed.site,
        ):
            yield bed


@contextmanager
def _running_chromium() -> Iterator[Open]:
    with running_browser() as chromium:

        @contextmanager
        def open_(name: str) -> Iterator[Seat]:
            with opened_tab(chromium, "", name) as tab:
                yield _ChromiumSeat(tab)

        yield open_


@contextmanager
def _running_firefox(folder: Path) -> Iterator[Open]:
    with running_firefox(folder) as firefox:
        yield partial(opened_firefox_seat, firefox)
