"""
Makes and checks the cookie that a browser gets after its user has entered the token.

The cookie contains the time until which it is valid, and a signature. The key of the signature is
derived from the token. Therefore all replicas accept the cookie, and after a change of the token
all older cookies are invalid.

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
    """Makes and checks the cookies of browsers whose users have entered *token*."""

    def __init__(self, token: str, clock: Callable[[], float] = time) -> None:
        """Derive the key of signatures from *token*; *clock* returns Unix time in seconds."""
        self._key = hmac.digest(token.encode(), b"otel_jcmc pages", sha256)
        self._clock = clock

    def make(self) -> str:
        """Return the value of a cookie that is valid for LIFE_SECONDS from now."""
        until = str(int(self._clock()) + LIFE_SECONDS)
        return f"{until}.{self._sign(until)}"

    def has_one(self, scope: Any) -> bool:
        """Return whether the request of the ASGI *scope* has a valid cookie."""
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
    """Return the values of all cookies called NAME in the request of the ASGI *scope*."""
    found = []
    for name, value in scope["headers"]:
        if name == b"cookie":
            for pair in value.decode("latin-1").split(";"):
                key, _, told = pair.strip().partition("=")
                if key == NAME:
                    found.append(told)
    return found
