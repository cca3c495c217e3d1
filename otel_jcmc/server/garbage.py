"""
Runs Python's garbage collector every 10 minutes only, so that hardly any push waits for it.

Python frees an object at once when no other object refers to it. The collector is needed only for
objects that refer to each other (cycles). Pushes, connections and scrapes leave no cycles. Without
this module, Python starts the collector after a certain number of new objects, and the collector
scans all objects made since its last run. With 100,000 participants one run took 130 ms, in the
middle of a push, and found nothing to free. This module scans all objects every 10 minutes, because
a library may leave cycles.
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
