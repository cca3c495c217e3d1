"""
Limits the share of history that one IP address can fill, so that other addresses find room.

The limit applies while history is more than half full. Then an address may fill at most a quarter
of history in the time for which history is kept. Sessions and bytes both count, and the larger of
the two shares decides. Each process counts only its own pushes, from its own start. It keeps the
addresses in memory alone, and logs none of them.
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
# If no address was refused for this time, log_ended logs that the refusals have ended.
_OVER_SECONDS: Final = 60.0
_FORGET_ABOVE: Final = 1000


class Shares:
    """
    The share of history that each address has filled.

    The share of an address falls steadily: from full to zero in the time for which history is kept.

    Memory: an address is forgotten when its share is zero. So an address that has filled a
    thousandth of its share is forgotten after a thousandth of the time for which history is kept.
    """

    def __init__(
        self,
        bounds: Bounds,
        keep_seconds: float,
        fullness: Callable[[], float],
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """
        Begin with no addresses.

        *fullness* returns the share of *bounds* that all of history fills, 0 to 1. *keep_seconds*
        is the time for which history is kept.
        """
        self._keep_seconds = keep_seconds
        self._fullness = fullness
        self._clock = clock
        # An address needs this number of seconds until a byte, or a session, no longer counts.
        self._byte_seconds = keep_seconds / (MOST * bounds.bytes)
        self._session_seconds = _BEGUN_BYTES * self._byte_seconds
        if bounds.sessions:
            in_number = keep_seconds / (MOST * bounds.sessions)
            self._session_seconds = max(self._session_seconds, in_number)
        # Address -> the time at which its share will be zero, by the clock.
        self._dry_at: dict[str, float] = {}
        self._forget_above = _FORGET_ABOVE
        self._refused_at = 0.0
        self._trouble = Trouble(
            log, "history: %s", "history: for a minute no address has wanted more than its share"
        )

    def has_room(self, address: str) -> bool:
        """Say whether *address* may fill more; if it is empty (not known), it has no limit."""
        now = self._clock()
        if self._dry_at.get(address, 0.0) <= now + self._keep_seconds or self._fullness() < FULL:
            return True
        self._refused_at = now
        self._trouble.update(
            "one address has filled a quarter of it, and gets no more while it is over half full"
        )
        return False

    def add(self, address: str, size: int, *, is_begun: bool) -> None:
        """Count *size* bytes for *address*; if *is_begun*, also count a new session."""
        if not address:
            return
        now = self._clock()
        seconds = size * self._byte_seconds + is_begun * self._session_seconds
        self._dry_at[address] = max(now, self._dry_at.get(address, 0.0)) + seconds
        if len(self._dry_at) > self._forget_above:
            self._dry_at = {each: at for each, at in self._dry_at.items() if at > now}
            self._forget_above = 2 * len(self._dry_at) + _FORGET_ABOVE

    def log_ended(self) -> None:
        """Log that refusals have ended if the last one is long ago; call this regularly."""
        if self._trouble.what and self._clock() - self._refused_at > _OVER_SECONDS:
            self._trouble.update("")
