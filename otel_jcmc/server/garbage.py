"""
Looks for garbage at times of its own, so that no push waits for it.

What a push, a connection or a scrape leaves behind holds nothing that holds it, and Python frees it
at once. Python's own collector, which is for the rest, looks through everything that is younger
than its last look after so many objects: with 100,000 participants that took 130 ms, and found
nothing. Here the last second's objects are looked through each second, and all of them now and
then, for what a library may leave behind.
"""

import asyncio
import gc
from typing import Final

YOUNG_SECONDS: Final = 1.0
ALL_SECONDS: Final = 600.0


def look_at_times(loop: asyncio.AbstractEventLoop) -> None:
    """Take the collector of this process over from Python, for as long as *loop* runs."""
    gc.disable()
    all_at = loop.time() + ALL_SECONDS

    def look() -> None:
        nonlocal all_at
        now = loop.time()
        if now < all_at:
            gc.collect(0)
        else:
            gc.collect()
            all_at = now + ALL_SECONDS
        loop.call_later(YOUNG_SECONDS, look)

    loop.call_later(YOUNG_SECONDS, look)
