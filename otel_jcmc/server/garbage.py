"""
Runs Python's garbage collector every 10 minutes only, so that hardly any push waits for it.

The objects that a push, a connection or a scrape leaves behind form no cycles, and Python frees
them at once. Python's own collector, which frees cycles, starts after a certain number of new
objects and scans all objects made since its last run. With 100,000 participants one run took
130 ms, in the middle of a push, and found nothing to free. Here all objects are scanned every
10 minutes, for cycles that a library may leave.
"""

import asyncio
import gc
from typing import Final

LOOK_SECONDS: Final = 600.0


def look_at_times(loop: asyncio.AbstractEventLoop) -> None:
    """Switch off Python's automatic garbage collector; run it every 10 minutes in *loop*."""
    gc.disable()

    def look() -> None:
        gc.collect()
        loop.call_later(LOOK_SECONDS, look)

    loop.call_later(LOOK_SECONDS, look)
