"""
Limits how much of history one address can fill, so that it takes no room from other addresses.

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
# After so long without a refusal, log_ended logs that no address is over its share any more.
_OVER_SECONDS: Final = 60.0
_FORGET_ABOVE: Final = 1000


class Shares:
    """
    What each address has filled of its share: a bucket that empties in the time history is kept.

    Memory: the longest time for which an address is remembered is proportional to what it filled.
    An address that has filled a thousandth of its share is forgotten after a thousandth of that
    time.
    """

    def __init__(
        self,
        bounds: Bounds,
        keep_seconds: float,
        fullness: Callable[[], float],
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Begin with empty buckets; *fullness* returns the share of *bounds* that history takes."""
        self._keep_seconds = keep_seconds
        self._fullness = fullness
        self._clock = clock
        # How long one byte and one session count against an address's share, in seconds.
        self._byte_seconds = keep_seconds / (MOST * bounds.bytes)
        self._session_seconds = _BEGUN_BYTES * self._byte_seconds
        if bounds.sessions:
            in_number = keep_seconds / (MOST * bounds.sessions)
            self._session_seconds = max(self._session_seconds, in_number)
        # Address -> the time when its bucket will be empty.
        self._dry_at: dict[str, float] = {}
        self._forget_above = _FORGET_ABOVE
        self._refused_at = 0.0
        self._trouble = Trouble(
            log, "history: %s", "history: for a minute no address has wanted more than its share"
        )

    def has_room(self, address: str) -> bool:
        """Say whether *address* may fill more; an empty address is not known and has no limit."""
        now = self._clock()
        if self._dry_at.get(address, 0.0) <= now + self._keep_seconds or self._fullness() < FULL:
            return True
        self._refused_at = now
        self._trouble.update(
            "one address has filled a quarter of it, and gets no more while it is over half full"
        )
        return False

    def add(self, address: str, size: int, *, is_begun: bool) -> None:
        """Count *size* bytes for *address*, and also a session if *is_begun*."""
        if not address:
            return
        now = self._clock()
        seconds = size * self._byte_seconds + is_begun * self._session_seconds
        self._dry_at[address] = max(now, self._dry_at.get(address, 0.0)) + seconds
        if len(self._dry_at) > self._forget_above:
            self._dry_at = {each: at for each, at in self._dry_at.items() if at > now}
            self._forget_above = 2 * len(self._dry_at) + _FORGET_ABOVE

    def log_ended(self) -> None:
        """Log that refusals have ended, if they have; to be called regularly."""
        if self._trouble.what and self._clock() - self._refused_at > _OVER_SECONDS:
            self._trouble.update("")
