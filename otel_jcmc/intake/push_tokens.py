"""
Push tokens: our own proof that a page of an allowed origin has asked for one.

In comes the head of a request for a token, out goes one that is signed, short-lived and good for
pushes of that origin alone; in comes a push, out goes nothing or its refusal. A browser says its
page's origin with each POST and lets no page say another one: so this stops other web sites. A
script says what it likes: it is not stopped. Made by service/app.py where JCMC_PUSH_AUTH is
`token`.

Source: RFC 7519 (JWT) by PyJWT, which compares signatures in constant time; the WHATWG Fetch
standard (Origin).
"""

from collections.abc import Callable, Iterable
from functools import lru_cache
from time import time
from typing import Final, NamedTuple

import jwt

from otel_jcmc.catalogue.reasons import Fault, PushRefused, Reason, StoreUnavailable
from otel_jcmc.intake.bearer import REMEMBERED, expect_compact, refusal, token_of
from otel_jcmc.intake.callers import Header, origin_of
from otel_jcmc.store.shared_secret import SharedSecret
from otel_jcmc.wire.push import Report

# What we sign with, and all that we accept: what a token says of itself does not count.
_ALGORITHM: Final = "HS256"
# Between the clocks of two replicas.
_LEEWAY_SECONDS: Final = 10
_CLAIMS: Final = ["origin", "iat", "exp"]


class _Issued(NamedTuple):
    """What a token that was verified says."""

    origin: bytes
    expires_at: float


class PushTokens:
    """Issues tokens, and says of each push whether its own is good; to be called by the door."""

    def __init__(self, secret: SharedSecret, seconds: int, allows: Callable[[bytes], bool]) -> None:
        """Sign with *secret* for *seconds*; *allows* says which origins may have a token."""
        self._secret = secret
        self._seconds = seconds
        self._allows = allows
        self._verified_with = b""
        # By the token's bytes. A timing tells nothing: no token is compared with another one
        # unless their hashes, keyed and of 64 bits, are equal.
        self._known = lru_cache(REMEMBERED)(self._verify)

    async def start(self) -> None:
        """Find the secret."""
        await self._secret.start()

    async def close(self) -> None:
        """Let go of Redis."""
        await self._secret.close()

    def issue(self, headers: Iterable[Header]) -> dict[str, str | int]:
        """
        Return a token for the page that a request with *headers* comes from, and its life in s.

        Raises:
            PushRefused: the origin is not said, or not allowed.
            StoreUnavailable: the secret is not known yet.
        """
        origin = origin_of(headers)
        if not origin or not self._allows(origin):
            raise PushRefused([Fault("origin", Reason.ORIGIN_NOT_ALLOWED)])
        now = int(time())
        claims = {"origin": origin.decode("latin-1"), "iat": now, "exp": now + self._seconds}
        token = jwt.encode(claims, self._key(), _ALGORITHM)
        return {"token": token, "expires_in": self._seconds}

    def __call__(self, headers: Iterable[Header], report: Report) -> str:
        """
        Return who pushes: nobody in particular.

        Raises:
            PushRefused: there is no token, it is not good, or it is another origin's.
            StoreUnavailable: the secret is not known yet.
        """
        token = token_of(headers, report)
        if self._key() != self._verified_with:
            self._known.cache_clear()
            self._verified_with = self._key()
        known = self._known(token)
        if known.expires_at <= time():
            known = self._verify(token)
        if origin_of(headers) != known.origin:
            raise refusal(Reason.ORIGIN_NOT_ALLOWED)
        return ""

    def _verify(self, token: bytes) -> _Issued:
        """
        Return what *token* says, if it is ours and has not expired.

        Raises:
            PushRefused: it is not, or has, or its origin is no longer allowed.
        """
        expect_compact(token)
        try:
            claims = jwt.decode(
                token,
                self._key(),
                [_ALGORITHM],
                {"require": _CLAIMS},
                leeway=_LEEWAY_SECONDS,
            )
            known = _Issued(claims["origin"].encode("latin-1"), float(claims["exp"]))
        except jwt.ExpiredSignatureError:
            raise refusal(Reason.TOKEN_EXPIRED) from None
        except Exception:  # noqa: BLE001  # whatever a stranger's bytes make a library raise
            raise refusal(Reason.TOKEN_INVALID) from None
        if not self._allows(known.origin):
            raise refusal(Reason.ORIGIN_NOT_ALLOWED)
        return known

    def _key(self) -> bytes:
        """
        Return the secret.

        Raises:
            StoreUnavailable: it is not known yet.
        """
        if not self._secret.value:
            raise StoreUnavailable
        return self._secret.value
