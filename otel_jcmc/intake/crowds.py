"""
What is known of each address: how fast it pushes, and which participants of it are live.

One `Crowd` an address, found once for a push and handed on. The live are those whom this process
has stored. It begins with none when the process starts: who was live before counts from the next
push on, so for one life of a participant an address may have twice as many. Each replica counts by
itself. Addresses are never stored, and nothing here leaves the process.
"""

from collections.abc import Iterator
from typing import Final

# All who have expired are looked for this often, of one address at the most.
_AGAIN_SECONDS: Final = 1.0
# What members of one conference begin with (store/participant.py).
_CONFERENCE_DIGITS: Final = 12
# An address that pushed within this time may have a push on its way, and stays known.
_ON_ITS_WAY_SECONDS: Final = 10.0
# So many addresses and participants are looked at, then pushes get their turn.
_AT_ONCE: Final = 1000
# So many addresses may be known before those that are of no account are looked for.
_MANY: Final = 65_536


class Crowd:
    """
    Who comes from one address.

    Attributes:
        address: empty for callers whose address nobody knows: they have no limits.
        full_at, joins_full_at: when its buckets of pushes and of newcomers are full again, as in
            limits.Pace.
        lives: hash of a participant -> when its life is over. A hash is a fifth of the participant.
        seated: conference -> hashes of those who came to it.
        looks_at: before then nobody is looked for who has expired.
        network: what networks.py calls it; empty: not known yet.
    """

    __slots__ = ("address", "full_at", "joins_full_at", "lives", "looks_at", "network", "seated")

    def __init__(self, address: str) -> None:
        """Begin with nobody."""
        self.address, self.network = address, ""
        self.full_at = self.joins_full_at = self.looks_at = 0.0
        self.lives: dict[int, float] = {}
        self.seated: dict[str, set[int]] = {}

    def drop_expired(self, now: float) -> None:
        """Forget who has expired."""
        lives = self.lives
        for member in [member for member, until in lives.items() if until < now]:
            del lives[member]


class Crowds:
    """
    The addresses; at most *most* live participants of each, *seats* in one conference (0: any).

    Memory: some 600 bytes an address, and 120 a participant. It is of no use to come from ever new
    addresses: one without live participants is forgotten when it has pushed nothing for 10 s.
    """

    def __init__(self, most: int = 0, seats: int = 0) -> None:
        """Begin with nobody."""
        self._most, self._seats = most, seats
        self._crowds: dict[str, Crowd] = {}
        self._tidies_at = _MANY

    def find(self, address: str, now: float) -> Crowd:
        """Return what is known of *address*."""
        crowd = self._crowds.get(address)
        if crowd is None:
            if len(self._crowds) >= self._tidies_at:
                self.tidy(now)
            crowd = self._crowds[address] = Crowd(address)
        return crowd

    def has_room(self, crowd: Crowd, now: float) -> bool:
        """Say whether one more participant may come."""
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
        """Say whether *member* may come to its conference, or is there."""
        lives = crowd.lives
        if not self._seats or len(lives) < self._seats:
            return True
        conference = member[:_CONFERENCE_DIGITS]
        seated = crowd.seated.get(conference)
        if seated is None or len(seated) < self._seats:
            return True
        there = {each for each in seated if lives.get(each, 0.0) > now}
        crowd.seated[conference] = there
        return len(there) < self._seats or hash(member) in there

    def seat(self, crowd: Crowd, member: str) -> None:
        """Count *member* among those of its conference, which it has just joined."""
        if self._seats:
            crowd.seated.setdefault(member[:_CONFERENCE_DIGITS], set()).add(hash(member))

    def tidy(self, now: float) -> None:
        """Forget all who have expired."""
        for _ in self.tidy_in_parts(now):
            pass

    def tidy_in_parts(self, now: float) -> Iterator[None]:
        """Forget all who have expired, a part at a time; to be gone through each minute or so."""
        looked_at = 0
        for crowd in list(self._crowds.values()):
            if looked_at > _AT_ONCE:
                yield
                looked_at = 0
            if self._crowds.get(crowd.address) is not crowd:
                continue  # it has gone since
            looked_at += 1 + len(crowd.lives)
            crowd.drop_expired(now)
            for conference, seated in list(crowd.seated.items()):
                if there := seated & crowd.lives.keys():
                    crowd.seated[conference] = there
                else:
                    del crowd.seated[conference]
            last = max(crowd.full_at, crowd.joins_full_at)
            if not crowd.lives and last + _ON_ITS_WAY_SECONDS < now:
                del self._crowds[crowd.address]
        # Each look at all of them is paid for by as many who are new.
        self._tidies_at = max(_MANY, 2 * len(self._crowds))
