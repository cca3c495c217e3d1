"""A slow computer: a page's process that runs only for a part of the time."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from playwright.sync_api import Browser

# The turns are so short that frames wait for the decoder, and each takes several turns. Longer
# turns look like a network that stops and goes.
RUNNING_SECONDS = 0.001


def renderers(browser: Browser) -> set[int]:
    """Return the ids of the processes that now run *browser*'s pages."""
    session = browser.new_browser_cdp_session()
    processes = session.send("SystemInfo.getProcessInfo")["processInfo"]
    session.detach()
    return {each["id"] for each in processes if each["type"] == "renderer"}


@contextmanager
def slowed(process: int, stopped_ms: int) -> Iterator[None]:
    """Stop *process* for *stopped_ms* after each 1 ms that it runs, until the block ends."""
    is_over = threading.Event()

    def run() -> None:
        with suppress(ProcessLookupError):
            while not is_over.is_set():
                os.kill(process, signal.SIGSTOP)
                is_over.wait(stopped_ms / 1000)
                os.kill(process, signal.SIGCONT)
                is_over.wait(RUNNING_SECONDS)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
