"""
Finds the names and versions of the browser and the operating system in a User-Agent header.

The header of a push comes in, up to four attributes of the catalogue go out. The library ua-parser
(Python) reads the header. Where ua-parser-js (JavaScript) has another name for the same browser or
system, this module returns the name of ua-parser-js, because existing dashboards use it.
"""

import re
import threading
from functools import cache, lru_cache
from typing import Final

from ua_parser import Domain, load_lazy_builtins
from ua_parser.regex import Resolver

from otel_jcmc.catalogue.attributes import (
    ATTRIBUTES,
    BROWSER_NAME,
    BROWSER_VERSION,
    OS_NAME,
    OS_VERSION,
)

# Only this many characters of the header are read; browsers send 100 to 250. The 4096 headers that
# the cache keeps therefore take at most 2 MiB.
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
_WANTED: Final = Domain.USER_AGENT | Domain.OS
_LONGEST: Final = {row.id: row.max_length for row in ATTRIBUTES}
_WARMING: Final = threading.Lock()


def browser_and_system(user_agent: str) -> dict[int, str]:
    """
    Return a dict, catalogue id -> text, of browser and system in *user_agent*.

    An attribute that is not found is left out. All callers get the same dict: do not change it.
    """
    # Cut the text before it goes to the cache, because the cache keeps its keys.
    return _parsed(user_agent[:MAX_USER_AGENT_LENGTH])


@lru_cache(maxsize=4096)
def _parsed(user_agent: str) -> dict[int, str]:
    """Return the attributes in *user_agent*, from the cache if it has them."""
    parsed = _resolver()(user_agent, _WANTED)
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
    # No real browser has a longer name or version than the catalogue allows: such text is forged.
    return {id_: text for id_, text in told.items() if len(text) <= _LONGEST[id_]}


@cache
def _resolver() -> Resolver:
    """
    Return ua-parser's matcher without the expressions for devices, which take most of its 25 MiB.

    The library's own parser is not used: it is global to the process, and has a second cache.
    """
    browsers, systems, _devices = load_lazy_builtins()
    return Resolver((browsers, systems, []))


def warm() -> None:
    """
    Compile the matcher's expressions before the first push; this takes 60 ms.

    Concurrency: any thread may call it; a second call waits for the first. During most of the 60 ms
    other threads can run.
    """
    with _WARMING:
        _resolver()


def _whole(version: str, user_agent: str) -> str:
    """Return *version* with its last numbers from *user_agent*, which ua-parser may omit."""
    found = re.search(rf"(?<=/){re.escape(version)}(?:\.\d+)*", user_agent)
    return found[0] if found else version


def _version(*parts: str | None) -> str:
    """Return the *parts* before the first unknown part, with dots between them."""
    known = []
    for part in parts:
        if part is None:
            break
        known.append(part)
    return ".".join(known)
