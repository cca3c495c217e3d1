"""
One Chromium for successive modules of tests: to start it takes longer than most tests.

Playwright's sync API keeps an event loop running in its thread as long as it lives, and no other
loop can run there. So the browser ends before the first test of a module that does not use it.
"""

from contextlib import ExitStack
from pathlib import Path

from client.pages import running_chromium
from playwright.sync_api import Browser


class _Kept:
    """The running browser, if there is one, and the module that used it last."""

    def __init__(self) -> None:
        self.stack = ExitStack()
        self.browser: Browser | None = None
        self.module: Path | None = None


_kept = _Kept()


def kept_chromium(module: Path) -> Browser:
    """Return a headless Chromium without tabs, for a *module* of tests."""
    if _kept.browser is None or not _kept.browser.is_connected():
        end_chromium()
        _kept.browser = _kept.stack.enter_context(running_chromium())
    _kept.module = module
    for context in _kept.browser.contexts:
        context.close()
    return _kept.browser


def end_chromium(*, unless_of: Path | None = None) -> None:
    """End the browser if it runs, except if the module *unless_of* uses it."""
    if _kept.browser is not None and _kept.module != unless_of:
        _kept.browser = None
        _kept.stack.close()
