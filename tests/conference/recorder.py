"""
Tells a story with real browsers and keeps what happened: a recording.

A recording is a list of lines, each with `t` (seconds since it began), `who`, `kind` and `data`.
tests/recordings/README.md says what each kind has.
"""

import json
import re
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conference.conference import Tab, opened_tab, running_browser, running_site
from conference.doorway import Doorway, running_doorway
from conference.prosody import running_prosody
from conference.relay import Relay, Way, running_relay
from conference.stories import Do, Step, Story
from harness import Service
from playwright.sync_api import Browser, Error

_SERIES = re.compile(r'jitsi_jcmc_(\w+)\{.*participant_id="([^"]+)".*\} (\S+)$')
_EVERY_SECONDS = 0.5


@dataclass
class Recording:
    """What is being recorded now: its lines, from any thread."""

    began: float = field(default_factory=time.time)
    lines: list[dict[str, Any]] = field(default_factory=list)

    def add(self, who: str, kind: str, data: Any, at: float | None = None) -> None:
        """Keep a line; *at* is in seconds since 1970, None for now."""
        seconds = round((at or time.time()) - self.began, 3)
        self.lines.append({"t": seconds, "who": who, "kind": kind, "data": data})

    def write(self, path: Path) -> None:
        """Write the lines to *path*, in the order of time."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8") as out:
            for line in sorted(self.lines, key=lambda line: line["t"]):
                out.write(json.dumps(line, separators=(",", ":")) + "\n")


@dataclass
class Bed:
    """
    What stories are told with: everything but the tabs.

    Attributes:
        recording: where pages and the doorway put their lines; another one for each story.
    """

    browser: Browser
    service: Service
    relay: Relay
    xmpp: str
    site: str = ""
    doorway: Doorway = field(default_factory=Doorway)
    recording: Recording = field(default_factory=Recording)

    def hear(self, tab: str, said: dict[str, Any]) -> None:
        """Keep what `recorder.js` tells in *tab*."""
        self.recording.add(tab, said["kind"], said["data"], said["t"])

    def note(self, tab: str, push: dict[str, Any]) -> None:
        """Keep a push of *tab*."""
        at = push.pop("t")
        self.recording.add(tab, "push", push, at)

    def tell(self, story: Story, interval_ms: int) -> Recording:
        """Tell *story* in a conference of its own, and return what happened."""
        recording = self.recording = Recording()
        room = f"{story.name}-{interval_ms}-{recording.began:.0f}"
        about = {"story": story.name, "says": story.says, "interval_ms": interval_ms}
        recording.add("plan", "story", about)
        # Each story has a relay's counts of its own.
        self.relay.links.clear()
        with ExitStack() as stack:
            tabs: dict[str, Tab] = {}

            def open_(name: str) -> Tab:
                opened = opened_tab(
                    self.browser, self.site, name, interval_ms=interval_ms, is_recorded=True
                )
                tab = tabs[name] = stack.enter_context(opened)
                tab.open(room, self.xmpp)
                return tab

            stack.enter_context(self._watching(recording, room))
            for name in story.names:
                open_(name).join()
            self._wait_until_all_push(recording, tabs)
            began = time.monotonic()
            for step in story.steps:
                _let_pass(tabs, began + step.at - time.monotonic())
                recording.add("plan", step.do, _plain(step))
                if step.do is Do.FAIL_TO_JOIN:
                    with suppress(Error):
                        open_(step.tab).join()
                else:
                    self._do(step, tabs)
            for tab in tabs.values():
                # What the story is about is no complaint: pushes that fail, a room that is locked.
                tab.complaints.clear()
        return recording

    def _do(self, step: Step, tabs: dict[str, Tab]) -> None:
        tab = tabs.get(step.tab)
        match step.do:
            case Do.MEASURE | Do.STOP:
                return
            case Do.NET:
                link = self.relay.link(step.tab)
                link.up.conditions, link.down.conditions = step.up, step.down
                return
            case Do.CUT_PUSHES:
                self.doorway.cut.add(step.tab)
                return
            case Do.MEND_PUSHES:
                self.doorway.cut.discard(step.tab)
                return
        assert tab is not None
        match step.do:
            case Do.MUTE | Do.UNMUTE:
                tab.mute_camera(is_muted=step.do is Do.MUTE)
            case Do.HIDE | Do.SHOW:
                tab.hide(is_hidden=step.do is Do.HIDE)
            case Do.LEAVE:
                tab.leave()
            case Do.CRASH:
                tab.kill()
            case Do.LOCK:
                tab.lock("friend")

    def _wait_until_all_push(self, recording: Recording, tabs: dict[str, Tab]) -> None:
        """
        Wait until two pushes of each have told numbers; who is alone pushes nothing.

        Then until ada's next statistics: stories begin at the same point of an interval.
        """

        def count(name: str, kind: str) -> int:
            return sum((line["who"], line["kind"]) == (name, kind) for line in recording.lines)

        def wait_for(kind: str, names: Iterable[str], least: int) -> None:
            deadline = time.monotonic() + 90
            while not all(count(name, kind) >= least for name in names):
                assert time.monotonic() < deadline, f"{kind} does not come"
                _let_pass(tabs, 0.05)

        if len(tabs) > 1:
            wait_for("push", tabs, 2)
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


def _let_pass(tabs: dict[str, Tab], seconds: float) -> None:
    """Let time pass; Playwright's events come meanwhile."""
    deadline = time.monotonic() + seconds
    page = next(iter(tabs.values())).page
    if (left := deadline - time.monotonic()) > 0:
        with suppress(Error):  # the page may be one that has crashed
            page.wait_for_timeout(1000 * left)
    if (left := deadline - time.monotonic()) > 0:
        time.sleep(left)


def _plain(step: Step) -> dict[str, Any]:
    """Return a step as a recording has it."""
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
    """Return what /metrics says of everyone in *room*, by participant and metric."""
    found: dict[str, dict[str, float]] = {}
    for line in service.get("/metrics").body.splitlines():
        if f'roomname="{room}"' in line and (known := _SERIES.match(line)):
            metric, participant, value = known.groups()
            found.setdefault(participant, {})[metric] = float(value)
    return found


@contextmanager
def running_bed(folder: Path) -> Iterator[Bed]:
    """Run all that stories need, below *folder*."""
    for name in ("service", "prosody"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    with (
        Service(folder / "service") as service,
        running_prosody(folder / "prosody") as xmpp,
        running_relay() as relay,
        running_browser() as browser,
    ):
        bed = Bed(browser, service, relay, xmpp)
        with (
            running_doorway(service.url, bed.note) as bed.doorway,
            running_site(f"{bed.doorway.url}/client-file", relay, bed.hear) as bed.site,
        ):
            yield bed
