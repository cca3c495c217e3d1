"""
Looks for garbage at times of its own, so that no push waits for it.

What a push, a connection or a scrape leaves behind holds nothing that holds it, and Python frees it
at once. Python's own collector, which is for the rest, looks through everything that is younger
than its last look after so many objects: with 100,000 participants that took 130 ms, in the middle
of a push, and found nothing. Here all is looked through now and then, for what a library may leave.
"""

import asyncio
import gc
from typing import Final

LOOK_SECONDS: Final = 600.0


def look_at_times(loop: asyncio.AbstractEventLoop) -> None:
    """Take the collector of this process over from Python, for as long as *loop* runs."""
    gc.disable()

    def look() -> None:
        gc.collect()
        loop.call_later(LOOK_SECONDS, look)

    loop.call_later(LOOK_SECONDS, look)
