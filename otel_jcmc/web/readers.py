"""
Who may read: a door stands before what is not for everybody.

In goes a request, out comes what to tell a caller who may not read, or None.

Source: RFC 6750 (bearer tokens).
"""

import hmac
from collections.abc import Sequence
from typing import Any, NamedTuple

from fastapi import Response
from fastapi.responses import PlainTextResponse

from otel_jcmc.intake.bearer import authorizations, bearer_token
from otel_jcmc.intake.callers import Network, is_private


class Refusal(NamedTuple):
    """What a caller is told who may not read; *reason* is the word that is counted."""

    status: int
    reason: str
    text: str
    headers: dict[str, str]

    def response(self) -> Response:
        """Return the answer to a caller who may not read."""
        return PlainTextResponse(f"{self.text}\n", self.status, self.headers)


class Readers:
    """
    Who may read what is behind it: private addresses, who has the token, or both at once.

    Attributes:
        name: what it stands before.
        refused: (name of the door, reason) -> callers sent away so far; may be shared by doors.
    """

    def __init__(
        self,
        name: str,
        trusted: Sequence[Network],
        refused: dict[tuple[str, str], int],
        *,
        token: str,
        token_setting: str,
        private_setting: str = "",
        private_only: bool = True,
    ) -> None:
        """
        Stand before *name*; *trusted* are the proxies whose forwarded headers count.

        With a *private_setting*, which is the one that *private_only* comes from, a caller needs
        all that is asked for. Without one a private address is enough and so is the *token*. An
        empty token is none: nobody can have it.
        """
        self.name = name
        self._trusted = trusted
        self._token = token.encode()
        self._token_setting = token_setting
        self._private_setting = private_setting
        self._private_only = private_only
        self.refused = refused
        for reason in ("address", "token_missing", "token_wrong"):
            refused.setdefault((name, reason), 0)

    def refuse(self, scope: Any) -> Refusal | None:
        """Return what to tell the caller of the ASGI *scope*, None when it may read."""
        needs_private = self._private_only and not is_private(scope, self._trusted)
        if not self._private_setting:
            refusal = self._refuse_neither(scope) if needs_private else None
        elif needs_private:
            refusal = self._refuse_address()
        else:
            refusal = self._refuse_token(scope) if self._token else None
        if refusal is not None:
            # Counted and not logged: anybody can knock.
            self.refused[self.name, refusal.reason] += 1
        return refusal

    def _refuse_address(self) -> Refusal:
        """Return what a caller is told whose address is not private; its token is not looked at."""
        also = f"; a bearer token, {self._token_setting}, is needed too" if self._token else ""
        text = (
            f"only private addresses may read this (unless {self._private_setting}=false;"
            f" JCMC_TRUSTED_PROXIES are whose forwarded headers count){also}"
        )
        return Refusal(403, "address", text, {})

    def _refuse_neither(self, scope: Any) -> Refusal | None:
        """Return what a caller is told whose address is not private and who has no token either."""
        if self._token:
            return self._refuse_token(scope, "private addresses need none; ")
        text = (
            "only private addresses may read this (JCMC_TRUSTED_PROXIES are whose forwarded"
            f" headers count); set {self._token_setting} to let others in by a bearer token"
        )
        return Refusal(403, "address", text, {})

    def _refuse_token(self, scope: Any, more: str = "") -> Refusal | None:
        """Return what a caller is told without the token, None when it has it."""
        said = authorizations(scope["headers"])
        told = bearer_token(said[0]) if len(said) == 1 else None
        if told is None:
            text = f"a bearer token is missing ({more}its setting is {self._token_setting})"
            return Refusal(401, "token_missing", text, {"www-authenticate": "Bearer"})
        if not hmac.compare_digest(told, self._token):
            text = f"the bearer token is not the one of {self._token_setting}"
            error = 'Bearer error="invalid_token"'
            return Refusal(401, "token_wrong", text, {"www-authenticate": error})
        return None
