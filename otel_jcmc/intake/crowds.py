"""
Keeps for each caller's address how fast it pushes, and which of its participants are live.

Each address has one `Crowd`. Intake finds it once for each push, and passes it to all functions
that need it. Only participants whose pushes went through this process count as live. A new process
begins with no live participants, and counts an older participant from its next push on. So after a
start, until the older participants have pushed or expired, an address may have twice as many live
participants as its limit. Each replica counts only the pushes that it gets. The addresses in this
module are never stored, and no data of this module leaves the process.
"""

from collections.abc import Iterator
from sys import intern
from typing import Final

# Shortest time between two searches for expired participants of one address.
_AGAIN_SECONDS: Final = 1.0
# All members of one conference begin with the same 12 digits (store/participant.py).
_CONFERENCE_DIGITS: Final = 12
# If an address pushed within this time, a push may be on its way to Redis: its crowd is kept.
_ON_ITS_WAY_SECONDS: Final = 10.0
# How many addresses and participants to examine before the event loop handles waiting pushes.
_AT_ONCE: Final = 1000
# Number of addresses at which the search for addresses without live participants begins.
_MANY: Final = 65_536


class Crowd:
    """
    The participants of one address, and how fast the address pushes.

    Attributes:
        address: empty for callers whose address is unknown; these callers have no limits.
        full_at, joins_full_at: time at which the address's token buckets for pushes and for new
            participants are full again, as in limits.Pace.
        lives: hash of a participant's member -> time of its expiry. The hash takes a fifth of the
            memory that the member would take.
        seated: first 12 digits of the members of a conference -> list of hashes of the members that
            joined this conference from this address, each hash once. A set would take four times as
            much memory as a list, and most addresses have one participant.
        looks_at: earliest time of the next search for expired participants.
        network: name of the address's network from networks.py; empty: not known yet.
    """

    __slots__ = ("address", "full_at", "joins_full_at", "lives", "looks_at", "network", "seated")

    def __init__(self, address: str) -> None:
        """Begin with no participants."""
        self.address, self.network = address, ""
        self.full_at = self.joins_full_at = self.looks_at = 0.0
        self.lives: dict[int, float] = {}
        self.seated: dict[str, list[int]] = {}

    def drop_expired(self, now: float) -> None:
        """Forget expired participants."""
        lives = self.lives
        for member in [member for member, until in lives.items() if until < now]:
            del lives[member]


class Crowds:
    """
    The crowds of all addresses.

    Each address may have *most* live participants in all conferences, and *seats* live participants
    in one conference (0: no limit).

    An address takes some 600 bytes of memory, a participant 120 bytes. A flood of pushes from many
    addresses does not fill the memory: `tidy` removes an address that has no live participants and
    has not pushed for 10 s.
    """

    def __init__(self, most: int = 0, seats: int = 0) -> None:
        """Begin with no participants."""
        self._most, self._seats = most, seats
        self._crowds: dict[str, Crowd] = {}
        self._tidies_at = _MANY

    def find(self, address: str, now: float) -> Crowd:
        """Return the crowd of *address*, a new crowd if the address has none."""
        crowd = self._crowds.get(address)
        if crowd is None:
            if len(self._crowds) >= self._tidies_at:
                self.tidy(now)
            crowd = self._crowds[address] = Crowd(address)
        return crowd

    def has_room(self, crowd: Crowd, now: float) -> bool:
        """Say whether *crowd* may have one more live participant."""
        if not self._most or len(crowd.lives) < self._most:
            return True
        if crowd.looks_at > now:
            return False
        crowd.drop_expired(now)
        if len(crowd.lives) < self._most:
            return True
        crowd.looks_at = now + _AGAIN_SECONDS
        return False

    def has_seat(self, crowd: Crowd, member: str, now: float) -> bool:
        """Say whether *member* is in its conference already, or *crowd* may have one more there."""
        lives = crowd.lives
        if not self._seats or len(lives) < self._seats:
            return True
        conference = member[:_CONFERENCE_DIGITS]
        seated = crowd.seated.get(conference)
        if seated is None or len(seated) < self._seats:
            return True
        there = [each for each in seated if lives.get(each, 0.0) > now]
        crowd.seated[conference] = there
        return len(there) < self._seats or hash(member) in there

    def seat(self, crowd: Crowd, member: str) -> None:
        """Count *member*, which has just joined, for the limit *seats* of its conference."""
        if self._seats:
            # Many addresses have participants in the same conference: they share one key text.
            conference = intern(member[:_CONFERENCE_DIGITS])
            seated = crowd.seated.setdefault(conference, [])
            if (seat := hash(member)) not in seated:
                seated.append(seat)

    def tidy(self, now: float) -> None:
        """Forget all expired participants, and addresses without live participants."""
        for _ in self.tidy_in_parts(now):
            pass

    def tidy_in_parts(self, now: float) -> Iterator[None]:
        """Do the work of `tidy` in steps, one for each iteration; call it about once a minute."""
        looked_at = 0
        for crowd in list(self._crowds.values()):
            if looked_at > _AT_ONCE:
                yield
                looked_at = 0
            if self._crowds.get(crowd.address) is not crowd:
                continue  # removed since this search began
            looked_at += 1 + len(crowd.lives)
            crowd.drop_expired(now)
            for conference, seated in list(crowd.seated.items()):
                if there := [each for each in seated if each in crowd.lives]:
                    crowd.seated[conference] = there
                else:
                    del crowd.seated[conference]
            last = max(crowd.full_at, crowd.joins_full_at)
            if not crowd.lives and last + _ON_ITS_WAY_SECONDS < now:
                del self._crowds[crowd.address]
        # `find` calls `tidy` again when the number of addresses has doubled. So the time that
        # searches take, divided by the number of addresses, does not grow.
        self._tidies_at = max(_MANY, 2 * len(self._crowds))
