"""
Whole requests, ready to send: one participant after the other pushes, then the first one again.

Each is put together from parts made beforehand, which takes 1.5 µs. Participant *number* always has
the same identity, browser and page, and each push takes the next step of its page.
"""

from time import time
from typing import NamedTuple

from benchmarks.load.bodies import STEPS, make_bodies
from benchmarks.load.browsers import SHARES, headers
from otel_jcmc.simulate.client import Target

PARTICIPANTS_EACH = 10
# Households, as a proxy in front of the service tells them: each as many as a small office has.
ADDRESSES = 1000


class _Head(NamedTuple):
    """The head of a request, on both sides of the number that is its body's length."""

    before: bytes
    after: bytes


class Pushes:
    """
    The pushes of *count* participants from number *first* on, in rotation.

    Attributes:
        made: how many there have been.
        head_bytes, body_bytes: of all of them.
    """

    def __init__(
        self, target: Target, first: int, count: int, shape: str = "wire", *, lean: bool = False
    ) -> None:
        """Make what the requests are put together from."""
        self._identity, self._pages = make_bodies(shape)
        self._has_session = b'"session"' in self._identity
        self._heads = [_head(target, place, lean=lean) for place in range(ADDRESSES)]
        self._first, self._count = first, count
        # Higher than that of any earlier run, and no run of a second makes so many rounds.
        self._sequence = int(time() * 100) % 2**31
        self.made = self.head_bytes = self.body_bytes = 0

    def next(self) -> bytes:
        """Return the next request."""
        turn, place = divmod(self.made, self._count)
        number = self._first + place
        conference = number // PARTICIPANTS_EACH % 1_000_000
        if self._has_session:
            sequence = self._sequence + turn
            identity = self._identity % (
                *(number, number, conference),
                *(number, conference, sequence),
            )
        else:
            identity = self._identity % (number, number, conference)
        page = self._pages[number % len(self._pages)]
        rest = page[(number // len(self._pages) + turn) % STEPS]
        before, after = self._heads[number % len(self._heads)]
        length = len(identity) + len(rest)
        request = b"%b%d%b%b%b" % (before, length, after, identity, rest)
        self.made += 1
        self.body_bytes += length
        self.head_bytes += len(request) - length
        return request


def _head(target: Target, place: int, *, lean: bool) -> _Head:
    """Return the head of the participant at address number *place*; *lean*: without the address."""
    lines = headers(SHARES[place % len(SHARES)], target.netloc, lean=lean)
    if not lean:
        lines.append(f"x-forwarded-for: 198.18.{place // 250}.{place % 250 + 1}")
    text = target.start + "".join(f"{line}\r\n" for line in lines) + "\r\n"
    before, after = (part.encode("latin-1") for part in text.split("{length}"))
    return _Head(before, after)
