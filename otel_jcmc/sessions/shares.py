"""
How much of history each address fills: one that fills much takes no room from others.

While history is more than half full, an address that has filled a quarter of it gets no more than a
quarter in the time for which history is kept. Both sessions and bytes count; the larger share of
its limit decides. Each process counts alone, from its start on; no address is stored or logged.
"""

import logging
from collections.abc import Callable
from time import monotonic
from typing import Final

from otel_jcmc.catalogue.trouble import Trouble
from otel_jcmc.sessions.quota import OPEN_BYTES, ROOM_BYTES, SESSION_BYTES, Bounds

log = logging.getLogger(__name__)

MOST: Final = 1 / 4
FULL: Final = 1 / 2
_BEGUN_BYTES: Final = SESSION_BYTES + OPEN_BYTES + ROOM_BYTES
# After this long without a refusal, no address is over its share any more.
_OVER_SECONDS: Final = 60.0
_FORGET_ABOVE: Final = 1000


class Shares:
    """
    The share of history of each address: a bucket that empties in the time that history is kept.

    Memory: an address that has filled a thousandth of its share is forgotten after a thousandth of
    that time.
    """

    def __init__(
        self,
        bounds: Bounds,
        keep_seconds: float,
        fullness: Callable[[], float],
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Begin with nothing filled; *fullness* tells which share of its *bounds* history takes."""
        self._keep_seconds = keep_seconds
        self._fullness = fullness
        self._clock = clock
        # How long one byte and one session count against an address's share, in seconds.
        self._byte_seconds = keep_seconds / (MOST * bounds.bytes)
        self._session_seconds = _BEGUN_BYTES * self._byte_seconds
        if bounds.sessions:
            in_number = keep_seconds / (MOST * bounds.sessions)
            self._session_seconds = max(self._session_seconds, in_number)
        # Address -> the time when all that it has filled will no longer count.
        self._dry_at: dict[str, float] = {}
        self._forget_above = _FORGET_ABOVE
        self._refused_at = 0.0
        self._trouble = Trouble(
            log, "history: %s", "history: for a minute no address has wanted more than its share"
        )

    def has_room(self, address: str) -> bool:
        """Say whether more of *address* may be kept; empty: not known, and not limited."""
        now = self._clock()
        if self._dry_at.get(address, 0.0) <= now + self._keep_seconds or self._fullness() < FULL:
            return True
        self._refused_at = now
        self._trouble.update(
            "one address has filled a quarter of it, and gets no more while it is over half full"
        )
        return False

    def add(self, address: str, size: int, *, is_begun: bool) -> None:
        """Count *size* bytes of *address*, and a session if they begin one."""
        if not address:
            return
        now = self._clock()
        seconds = size * self._byte_seconds + is_begun * self._session_seconds
        self._dry_at[address] = max(now, self._dry_at.get(address, 0.0)) + seconds
        if len(self._dry_at) > self._forget_above:
            self._dry_at = {each: at for each, at in self._dry_at.items() if at > now}
            self._forget_above = 2 * len(self._dry_at) + _FORGET_ABOVE

    def log_ended(self) -> None:
        """Log when no address has been refused for a while; to be called regularly."""
        if self._trouble.what and self._clock() - self._refused_at > _OVER_SECONDS:
            self._trouble.update("")
