"""
Each story's culprit is on the first screen of the page in time.

A story is told to a real service by its crowd; the metrics say when a push or a look has shown who
is bad, a real browser when somebody could have seen it.
"""

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from client.pages import running_chromium
from harness import Service

# Who is bad is shown so long after the push that says so. A look is made every ten seconds, so
# what it finds has two.
PROMISED_SECONDS = 12.0
AFTER_A_LOOK_SECONDS = 2.0
# It happens from a quarter to three quarters of it.
STORY_SECONDS = 100
_BAD = re.compile(
    r'jitsi_jcmc_conference_participants_state\{roomname="([^"]*)",state="bad"\} (\d+)'
)
_OUT = re.compile(r'jitsi_jcmc_standing_out\{scope="(\w+)"(?:,name="([^"]*)")?')
# What is on the first screen, whole: what stands out, and conferences with how many are bad.
SEEN = """() => {
  const isSeen = (each) => {
    const box = each.getBoundingClientRect();
    return box.height > 0 && box.top >= 0 && box.bottom <= innerHeight;
  };
  const seen = [...document.querySelectorAll("[data-key]")].filter(isSeen);
  const bad = (each) => each.querySelector(".number + .number")?.textContent;
  return seen.map((each) => [each.dataset.key, bad(each)]);
}"""


@pytest.mark.parametrize(
    "story", ["outage", "downlink", "device", "conference", "bridge", "region", "fleet"]
)
def test_the_culprit_is_on_the_first_screen(tmp_path: Path, story: str) -> None:
    truth = tmp_path / "truth"
    command = [
        *(sys.executable, "-m", "otel_jcmc", "simulate", "--story", story, "--interval", "2"),
        *("--for", str(STORY_SECONDS), "--conferences", "24", "--seed", "5"),
        *("--truth", str(truth)),
    ]
    known: dict[str, float] = {}
    last: dict[str, float] = {}
    seen: dict[str, float] = {}
    with Service(tmp_path) as service, running_chromium() as chromium:
        page = chromium.new_page(viewport={"width": 1280, "height": 800})
        page.goto(f"{service.url}/live")
        url = f"{service.url}/metrics/push"
        telling = subprocess.Popen([*command, "--url", url], stdout=subprocess.DEVNULL)
        try:
            until = time.monotonic() + 0.75 * STORY_SECONDS
            while time.monotonic() < until:
                for key, count in page.evaluate(SEEN):
                    if not key.startswith("c:") or int(count):
                        seen.setdefault(key, time.monotonic())
                text = service.get("/metrics/verdicts").body
                now = time.monotonic()
                for name, count in _BAD.findall(text):
                    if int(count):
                        known.setdefault(f"c:{name}", now)
                        last[f"c:{name}"] = now
                for scope, name in _OUT.findall(text):
                    known.setdefault(f"s:{scope}:{name}", now)
                    last[f"s:{scope}:{name}"] = now
                page.wait_for_timeout(200)
        finally:
            telling.terminate()
            telling.wait()
            page.close()
    told = _culprits(truth)
    culprits = {key: at for key, at in known.items() if key in told or _scope(key) in told}
    assert culprits, known
    late = {
        key: seen.get(key, float("inf")) - at
        for key, at in culprits.items()
        # What has just begun has its time still, and what was over before is no culprit.
        if at < until - PROMISED_SECONDS and last[key] - at > PROMISED_SECONDS
    }
    bounds = {
        key: AFTER_A_LOOK_SECONDS if key.startswith("s:") else PROMISED_SECONDS for key in late
    }
    assert late
    assert {key: each for key, each in late.items() if each > bounds[key]} == {}


def _culprits(truth: Path) -> set[str]:
    """Return the keys of rows that the story is about: what stands out, else the conferences."""
    lines: list[dict[str, Any]] = [json.loads(each) for each in truth.read_text().splitlines()]
    # A bridge is told by a hash, and there is one.
    wide = {
        _scope(key) if each["stands_out"] in ("fleet", "bridge") else key
        for each in lines
        if "stands_out" in each
        for key in [f"s:{each['stands_out']}:{each['name']}"]
    }
    return wide or {f"c:{each['room']}" for each in lines}


def _scope(key: str) -> str:
    """Return the key of a row without the name of what it is of."""
    return key[: key.index(":", 2)] if key.startswith("s:") else key
