"""
Limits how much of history one address can fill, so that other addresses can record sessions too.

If an address has filled a quarter of history, and history is at least half full, the service
records nothing more from this address for a while. The service forgets at a constant speed how much
an address has filled: it forgets a quarter of history in the time for which history is kept.
History has a limit for sessions and a limit for bytes. A new session counts by the limit of which
it takes the larger fraction. Each process counts only the sessions and entries that it has recorded
since its start. No address is stored or logged.
"""

import logging
from collections.abc import Callable
from time import monotonic
from typing import Final

from otel_jcmc.catalogue.trouble import Trouble
from otel_jcmc.sessions.quota import OPEN_BYTES, ROOM_BYTES, SESSION_BYTES, Bounds

log = logging.getLogger(__name__)

# An address may fill at most the fraction MOST of history while history is at least FULL full.
MOST: Final = 1 / 4
FULL: Final = 1 / 2
_BEGUN_BYTES: Final = SESSION_BYTES + OPEN_BYTES + ROOM_BYTES
# When no address has been refused for this time, `log_ended` logs that refusals have ended.
_OVER_SECONDS: Final = 60.0
_FORGET_ABOVE: Final = 1000


class Shares:
    """
    Counts for each address how much of history it has filled.

    An address has a bucket of a quarter of history. Recorded sessions and entries fill the bucket.
    The bucket empties at a constant speed: a full bucket is empty after the time for which history
    is kept.

    Memory: an address is forgotten when its bucket is empty. An address that has filled a
    thousandth of its bucket is forgotten after a thousandth of the time for which history is kept.
    """

    def __init__(
        self,
        bounds: Bounds,
        keep_seconds: float,
        fullness: Callable[[], float],
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """
        Begin with empty buckets.

        Args:
            bounds: how large history may be.
            keep_seconds: how long history is kept.
            fullness: returns the fraction of *bounds* that history takes now, 0 to 1.
            clock: returns the time in seconds.
        """
        self._keep_seconds = keep_seconds
        self._fullness = fullness
        self._clock = clock
        # In how many seconds a bucket loses one byte, and in how many it loses one session.
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
        """Say whether history may keep more from *address*; empty: not known, has no limit."""
        now = self._clock()
        if self._dry_at.get(address, 0.0) <= now + self._keep_seconds or self._fullness() < FULL:
            return True
        self._refused_at = now
        self._trouble.update(
            "one address has filled a quarter of it, and gets no more while it is over half full"
        )
        return False

    def add(self, address: str, size: int, *, is_begun: bool) -> None:
        """Fill the bucket of *address* with *size* bytes; *is_begun*: also with a new session."""
        if not address:
            return
        now = self._clock()
        seconds = size * self._byte_seconds + is_begun * self._session_seconds
        self._dry_at[address] = max(now, self._dry_at.get(address, 0.0)) + seconds
        if len(self._dry_at) > self._forget_above:
            self._dry_at = {each: at for each, at in self._dry_at.items() if at > now}
            self._forget_above = 2 * len(self._dry_at) + _FORGET_ABOVE

    def log_ended(self) -> None:
        """Log once when no address has been refused for _OVER_SECONDS; must be called regularly."""
        if self._trouble.what and self._clock() - self._refused_at > _OVER_SECONDS:
            self._trouble.update("")
