"""
The culprit of each story is on the first screen of `/live` in time, and the page says why.

The simulated crowd of a story pushes to a running service. The metrics say when a push or a look
has shown who is bad; a real browser says when a viewer could see it.
"""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from client.pages import running_chromium
from harness import Service, eventually

# A bad call is visible this long after its push at most. A look every ten seconds finds what stands
# out, and two seconds later the page shows it.
PROMISED_SECONDS = 12.0
AFTER_A_LOOK_SECONDS = 2.0
# The trouble lasts from a quarter to three quarters of this time.
STORY_SECONDS = 100
STORIES = {
    "outage": (),
    "downlink": (),
    "device": (),
    "path": (),
    "pair": (),
    "participant": (),
    # The bad sender uses the original's client, which reports nothing of it; in the next two, ours.
    "received": (),
    "uplink": ("--originals", "0"),
    "sender": ("--originals", "0", "--room-size", "8"),
    "conference": (),
    "bridge": (),
    "region": (),
    "fleet": (),
    "mixed": (),
}
# In these stories the culprit is known, so the page names it.
NAMED = ("uplink", "sender")
# Texts that the page must show for one of the culprits, by the true cause.
WHY = {
    "outage": "connection lost",
    "downlink": "network from bridge to participant",
    "device": "participant's computer",
    "path": "long network delay, no loss",
    "uplink": "what ",
    "received": "what ",
    "pair": "network between the two participants",
}
_STATES = re.compile(
    r'jitsi_jcmc_conference_participants_state\{roomname="([^"]*)",state="(bad|fair)"\} (\d+)'
)
_OUT = re.compile(r'jitsi_jcmc_standing_out\{scope="(\w+)"(?:,name="([^"]*)")?')
# The rows that are completely on the first screen: what stands out, and conferences with their
# counts by state.
SEEN = """() => {
  const isSeen = (each) => {
    const box = each.getBoundingClientRect();
    return box.height > 0 && box.top >= 0 && box.bottom <= innerHeight;
  };
  const seen = [...document.querySelectorAll("[data-key]")].filter(isSeen);
  const bar = (each) => each.querySelector(".bar")?.getAttribute("aria-label") ?? "";
  return seen.map((each) => [each.dataset.key, each.innerText, bar(each)]);
}"""


class Culprit(NamedTuple):
    """What a story is about: the *key* of its row, its begin, and whether it is bad or fair."""

    key: str
    begins: float
    state: str


@pytest.mark.parametrize("story", STORIES)
def test_the_culprit_is_on_the_first_screen(
    tmp_path: Path, story: str, record_property: Callable[[str, object], None]
) -> None:
    truth = tmp_path / "truth"
    command = [
        *(sys.executable, "-m", "otel_jcmc", "simulate", "--story", story, "--interval", "2"),
        *("--for", str(STORY_SECONDS), "--conferences", "24", "--seed", "5"),
        *("--truth", str(truth), *STORIES[story]),
    ]
    known: dict[str, float] = {}
    last: dict[str, float] = {}
    seen: dict[str, float] = {}
    said: list[str] = []
    with Service(tmp_path) as service, running_chromium() as chromium:
        page = chromium.new_page(viewport={"width": 1280, "height": 800})
        page.goto(f"{service.url}/live")
        url = f"{service.url}/metrics/push"
        telling = subprocess.Popen([*command, "--url", url], stdout=subprocess.DEVNULL)
        try:
            until = time.time() + 0.75 * STORY_SECONDS
            lines = eventually(lambda: _lines(truth))
            culprits = _culprits(lines)
            while time.time() < until:
                rows = page.evaluate(SEEN)
                now = time.time()
                shown = {key for key, _, bar in rows for key in _as_it_is(key, bar)}
                for each in _now(culprits, now, shown):
                    seen.setdefault(each.key, now)
                    said += [text for key, text, _ in rows if _is_of(each, key)]
                text = service.get("/metrics/verdicts").body
                now = time.time()
                for each in _now(culprits, now, set(_told(text))):
                    known.setdefault(each.key, now)
                    last[each.key] = now
                page.wait_for_timeout(200)
        finally:
            telling.terminate()
            telling.wait()
            page.close()
    assert known, culprits
    late = {
        key: seen.get(key, float("inf")) - at
        for key, at in known.items()
        # A culprit that has just begun still has time, and one that was over before is none.
        if at < until - PROMISED_SECONDS and last[key] - at > PROMISED_SECONDS
    }
    record_property("late_seconds", {key: round(each, 1) for key, each in late.items()})
    bounds = {
        key: AFTER_A_LOOK_SECONDS if key.startswith("s:") else PROMISED_SECONDS for key in late
    }
    assert late
    assert {key: each for key, each in late.items() if each > bounds[key]} == {}
    assert story not in NAMED or any(key.startswith("s:sender:") for key in late)
    why = {WHY[each["cause"]] for each in lines if "cause" in each}
    assert any(each in text for each in why for text in said), (why, set(said))


def _lines(truth: Path) -> list[dict[str, Any]]:
    """Return the true lines; none before they are written."""
    text = truth.read_text() if truth.exists() else ""
    return [json.loads(each) for each in text.splitlines()] if text.endswith("\n") else []


def _culprits(lines: list[dict[str, Any]]) -> list[Culprit]:
    """Return what stands out; otherwise the bad conferences, and the senders that cause them."""
    wide = [
        Culprit(f"s:{each['stands_out']}:{each['name']}", each["from"], "")
        for each in lines
        if "stands_out" in each
    ]
    # The page shows a bridge by a hash, and there is only one; a fleet has no name.
    wide = [
        each._replace(key=_scope(each.key)) if _scope(each.key) in ("s:fleet", "s:bridge") else each
        for each in wide
    ]
    if wide:
        return wide
    rooms: dict[str, list[dict[str, Any]]] = {}
    for each in lines:
        rooms.setdefault(each["room"], []).append(each)
    found = [
        Culprit(
            f"c:{room}",
            min(each["from"] for each in some),
            "bad" if any(each["state"] == "bad" for each in some) else "fair",
        )
        for room, some in rooms.items()
    ]
    senders = [
        Culprit(f"s:sender:{each['room']}/{each['who']}", each["from"], "")
        for each in lines
        if each["scope"] == "sender" and each["cause"] == "uplink"
    ]
    return found + senders


def _now(culprits: Iterable[Culprit], now: float, shown: set[str]) -> list[Culprit]:
    """Return the *culprits* that are *shown* and have begun by *now*."""
    return [each for each in culprits if each.begins <= now and each.key + each.state in shown]


def _told(text: str) -> Iterable[str]:
    """Yield the keys in the text of the metrics, of conferences with a state."""
    for name, state, count in _STATES.findall(text):
        if int(count):
            yield from _as_it_is(f"c:{name}", f"{count} {state}")
    for scope, name in _OUT.findall(text):
        yield from _as_it_is(f"s:{scope}:{name}", "")


def _as_it_is(key: str, states: str) -> Iterable[str]:
    """Yield the row's *key* in all forms that a culprit with these *states* may have."""
    if key.startswith("s:"):
        yield from (key, _scope(key))
    elif key.startswith("c:"):
        if re.search(r"\b[1-9]\d* bad", states):
            yield from (f"{key}bad", f"{key}fair")
        elif re.search(r"\b[1-9]\d* fair", states):
            yield f"{key}fair"


def _is_of(culprit: Culprit, key: str) -> bool:
    """Say whether a row's *key* is that of *culprit*."""
    return culprit.key in (key, _scope(key))


def _scope(key: str) -> str:
    """Return the key of a row without its name."""
    return key[: key.index(":", 2)] if key.startswith("s:") else key
