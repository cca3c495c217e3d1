"""
How many participants of each address are live, in all and in one conference.

They are those whom this process has stored. It begins with none when the process starts: who was
live before counts from the next push on, so for one life of a participant an address may have twice
as many. Each replica counts by itself.
Addresses are never stored, and nothing here leaves the process.
"""

from typing import Final

# All who have expired are looked for this often, of one address at the most.
_AGAIN_SECONDS: Final = 1.0
# What members of one conference begin with (store/participant.py).
_CONFERENCE_DIGITS: Final = 12


class Crowds:
    """
    At most *most* live participants of one address, *seats* of them in one conference (0: any).

    Memory: some 120 bytes a participant. 0.2 µs a push.
    """

    def __init__(self, most: int, seats: int = 0) -> None:
        """Begin with nobody."""
        self._most, self._seats = most, seats
        # Address and conference -> hashes of the members who came to it.
        self._seated: dict[tuple[str, str], set[int]] = {}
        # Address -> hash of a member -> when its life is over. A hash is a fifth of the member.
        self._lives: dict[str, dict[int, float]] = {}
        self._full: dict[str, float] = {}

    def has_room(self, address: str, now: float) -> bool:
        """Say whether one more participant of *address* may come."""
        lives = self._lives.get(address)
        if lives is None or len(lives) < self._most:
            return True
        if self._full.get(address, 0.0) > now:
            return False
        self._drop_expired(lives, now)
        if len(lives) < self._most:
            return True
        self._full[address] = now + _AGAIN_SECONDS
        return False

    def has_seat(self, address: str, member: str, now: float) -> bool:
        """Say whether *member* of *address* may come to its conference, or is there."""
        place = address, member[:_CONFERENCE_DIGITS]
        seated = self._seated.get(place)
        if not self._seats or seated is None or len(seated) < self._seats:
            return True
        lives = self._lives.get(address, {})
        there = {each for each in seated if lives.get(each, 0.0) > now}
        self._seated[place] = there
        return len(there) < self._seats or hash(member) in there

    def seat(self, address: str, member: str) -> None:
        """Count *member* of *address* among those of its conference, which it has just joined."""
        if self._seats:
            self._seated.setdefault((address, member[:_CONFERENCE_DIGITS]), set()).add(hash(member))

    def keep(self, address: str, member: str, until: float) -> None:
        """Count *member* of *address*, which is live *until* then unless it pushes again."""
        lives = self._lives.get(address)
        if lives is None:
            lives = self._lives[address] = {}
        lives[hash(member)] = until

    def let_go(self, address: str, member: str) -> None:
        """Count *member* of *address* no more: it has left."""
        if lives := self._lives.get(address):
            lives.pop(hash(member), None)
            self._full.pop(address, None)

    def tidy(self, now: float) -> None:
        """Forget all who have expired; to be called each minute or so."""
        for address, lives in list(self._lives.items()):
            self._drop_expired(lives, now)
            if not lives:
                del self._lives[address]
        for (address, conference), seated in list(self._seated.items()):
            there = seated & self._lives.get(address, {}).keys()
            if there:
                self._seated[address, conference] = there
            else:
                del self._seated[address, conference]
        self._full = {address: until for address, until in self._full.items() if until > now}

    @staticmethod
    def _drop_expired(lives: dict[int, float], now: float) -> None:
        for member in [member for member, until in lives.items() if until < now]:
            del lives[member]
