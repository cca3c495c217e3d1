"""
User-Agent -> names of the browser and the system.

In goes the header of a push; out come up to four attributes of the catalogue, in the words of
ua-parser-js, which existing dashboards know, where ua-parser says it differently. Called by
receiver.py once per push: 40 µs for a new text, 0.1 µs for one that was seen.
"""

import re
from functools import lru_cache
from typing import Final

import ua_parser

from otel_jcmc.catalogue import BROWSER_NAME, BROWSER_VERSION, OS_NAME, OS_VERSION

# Browsers send 100 to 250 characters. The cache is bounded by this times its size: 2 MiB.
MAX_USER_AGENT_LENGTH = 512

_BROWSERS: Final = {
    "Chrome Mobile": "Chrome",
    "Chrome Mobile WebView": "Chrome WebView",
    "Chrome Mobile iOS": "Chrome",
    "Edge Mobile": "Edge",
    "Firefox Mobile": "Firefox",
    "Firefox iOS": "Firefox",
    "HeadlessChrome": "Chrome Headless",
}
_SYSTEMS: Final = {"Mac OS X": "Mac OS", "Chrome OS": "Chromium OS"}


def browser_and_system(user_agent: str) -> dict[int, str]:
    """
    Return the attributes that *user_agent* tells, by catalogue id.

    What it does not tell is left out. The result is shared: it must not be changed.
    """
    # Cut before the cache, which keeps what it was asked.
    return _parsed(user_agent[:MAX_USER_AGENT_LENGTH])


@lru_cache(maxsize=4096)
def _parsed(user_agent: str) -> dict[int, str]:
    """Return what *user_agent* tells, from the cache if it was seen."""
    parsed = ua_parser.parse(user_agent)
    told: dict[int, str] = {}
    if browser := parsed.user_agent:
        told[BROWSER_NAME.id] = _BROWSERS.get(browser.family, browser.family)
        version = _version(browser.major, browser.minor, browser.patch, browser.patch_minor)
        if version:
            told[BROWSER_VERSION.id] = _whole(version, user_agent)
    if system := parsed.os:
        told[OS_NAME.id] = _SYSTEMS.get(system.family, system.family)
        version = _version(system.major, system.minor, system.patch, system.patch_minor)
        if version:
            told[OS_VERSION.id] = version
    return told


def warm() -> None:
    """Compile the matcher's expressions, 0.3 s that no push should wait for."""
    browser_and_system("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/1.0.0.0")


def _whole(version: str, user_agent: str) -> str:
    """Return *version* with the parts that the matcher leaves off: of some browsers the fourth."""
    found = re.search(rf"(?<=/){re.escape(version)}(?:\.\d+)*", user_agent)
    return found[0] if found else version


def _version(*parts: str | None) -> str:
    """Return the parts that are known, with dots between them."""
    known = []
    for part in parts:
        if part is None:
            break
        known.append(part)
    return ".".join(known)
