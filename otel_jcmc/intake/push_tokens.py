"""
Issues and checks push tokens, which prove that a page of an allowed origin has asked for a token.

The service answers a token request with a signed and short-lived token. The token is valid only for
pushes from the same origin; other pushes are refused. With each POST, a browser sends its page's
origin in the header Origin, and no page can change this header. So push tokens stop pushes of other
web sites. A program that is not a browser can send any origin, so push tokens do not stop such
programs. service/app.py makes the PushTokens object if JCMC_PUSH_AUTH is `token`.

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

# The only algorithm for signing and verifying. The algorithm in a token's head is not used.
_ALGORITHM: Final = "HS256"
# Allowed difference between the clocks of two replicas, in s.
_LEEWAY_SECONDS: Final = 10
_CLAIMS: Final = ["origin", "iat", "exp"]


class _Issued(NamedTuple):
    """The content of a verified token; *expires_at* is in s since 1970."""

    origin: bytes
    expires_at: float


class PushTokens:
    """Issues tokens, and checks the token of each push; intake.py calls this object."""

    def __init__(self, secret: SharedSecret, seconds: int, allows: Callable[[bytes], bool]) -> None:
        """Sign with *secret* tokens for *seconds*, for pages of origins that *allows* accepts."""
        self._secret = secret
        self._seconds = seconds
        self._allows = allows
        self._verified_with = b""
        # Token -> its verified content. The time of a look-up reveals nothing about other tokens:
        # Python compares two tokens only if their keyed 64-bit hashes are equal.
        self._known = lru_cache(REMEMBERED)(self._verify)

    async def start(self) -> None:
        """Fetch the secret that signs tokens."""
        await self._secret.start()

    async def close(self) -> None:
        """Close the connection to Redis."""
        await self._secret.close()

    def issue(self, headers: Iterable[Header]) -> dict[str, str | int]:
        """
        Return a token for the page that sent *headers*, and its lifetime in s.

        Raises:
            PushRefused: the origin is missing, or not allowed.
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
        Check the token of a push. Return the user, always empty: push tokens name no user.

        Raises:
            PushRefused: the token is missing, not valid, or from another origin.
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
        Return the content of *token*, if this service issued it and it has not expired.

        Raises:
            PushRefused: the token is not valid, has expired, or its origin is no longer allowed.
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
        Return the secret that signs tokens.

        Raises:
            StoreUnavailable: the secret is not known yet.
        """
        if not self._secret.value:
            raise StoreUnavailable
        return self._secret.value
