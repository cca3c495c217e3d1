"""
What a browser has once its person has shown the token: a cookie that says until when it is good.

In goes the token, out come cookies, and whether a request has one that is good. They are signed
with a key that follows from the token: all replicas take them, and a new token ends them all.

Source: RFC 6265 (cookies).
"""

import hmac
from collections.abc import Callable
from hashlib import sha256
from time import time
from typing import Any, Final

NAME: Final = "otel_jcmc"
LIFE_SECONDS: Final = 12 * 3600


class Tickets:
    """Cookies of those who have shown *token*."""

    def __init__(self, token: str, clock: Callable[[], float] = time) -> None:
        """Sign with what follows from *token*; *clock* is Unix time in seconds."""
        self._key = hmac.digest(token.encode(), b"otel_jcmc pages", sha256)
        self._clock = clock

    def make(self) -> str:
        """Return the value of a cookie that is good from now on."""
        until = str(int(self._clock()) + LIFE_SECONDS)
        return f"{until}.{self._sign(until)}"

    def has_one(self, scope: Any) -> bool:
        """Say whether the caller of the ASGI *scope* has a cookie that is good."""
        return any(map(self._is_good, _cookies(scope)))

    def _is_good(self, value: str) -> bool:
        until, _, sign = value.partition(".")
        if not hmac.compare_digest(sign.encode(), self._sign(until).encode()):
            return False
        left = int(until) - self._clock()
        return 0 < left <= LIFE_SECONDS

    def _sign(self, until: str) -> str:
        return hmac.new(self._key, until.encode(), sha256).hexdigest()


def _cookies(scope: Any) -> list[str]:
    """Return the values of all cookies of our name."""
    found = []
    for name, value in scope["headers"]:
        if name == b"cookie":
            for pair in value.decode("latin-1").split(";"):
                key, _, told = pair.strip().partition("=")
                if key == NAME:
                    found.append(told)
    return found
