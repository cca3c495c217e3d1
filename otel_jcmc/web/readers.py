"""
Who may read: a door stands before what is not for everybody.

In goes a request, out comes what to tell a caller who may not read, or None.

A private address alone is not enough where the name that was asked by may be anybody's: a page of
another site can give our address a name of its own, and read what the browser behind it may.

Source: RFC 6750 (bearer tokens).
"""

import hmac
import re
from collections.abc import Collection, Sequence
from ipaddress import ip_address
from typing import Any, Final, NamedTuple

from fastapi import Response
from fastapi.responses import PlainTextResponse

from otel_jcmc.intake.bearer import authorizations, bearer_token
from otel_jcmc.intake.callers import Network, is_private
from otel_jcmc.web.tickets import Tickets

# What may stand in Host: an IPv6 address, or another address or a name, and a port.
_is_host: Final = re.compile(r"(?:\[([0-9a-f:.%]+)\]|([0-9a-z._-]+))(?::[0-9]*)?").fullmatch


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
        hosts: Collection[str] | None = None,
        hosts_setting: str = "",
    ) -> None:
        """
        Stand before *name*; *trusted* are the proxies whose forwarded headers count.

        With *hosts*, which *hosts_setting* names, a private address counts only for who asks by one
        of them, by an address or by a name that no public DNS has.

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
        self._hosts = None if hosts is None else frozenset(each.lower() for each in hosts)
        self._hosts_setting = hosts_setting
        self.tickets = Tickets(token) if token else None
        self.refused = refused
        reasons = ("address", "token_missing", "token_wrong")
        for reason in reasons if hosts is None else (*reasons, "host"):
            refused.setdefault((name, reason), 0)

    def refuse(self, scope: Any) -> Refusal | None:
        """Return what to tell the caller of the ASGI *scope*, None when it may read."""
        needs_private = self._private_only and not is_private(scope, self._trusted)
        if not self._private_setting:
            refusal = self._refuse_neither(scope) if needs_private else self._refuse_host(scope)
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

    def _refuse_host(self, scope: Any) -> Refusal | None:
        """Return what a caller with a private address is told who asks by a name not known here."""
        if self._hosts is None:
            return None
        # No browser is without one.
        if all(each in self._hosts or is_no_public_name(each) for each in hosts_of(scope)):
            return None
        if self._token and self._refuse_token(scope) is None:
            return None
        text = (
            "this name is none that may be read by: set "
            f"{self._hosts_setting} to the names that lead here, or ask by the address"
        )
        return Refusal(421, "host", text, {})

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
        if self.tickets and scope.get("method") in ("GET", "HEAD") and self.tickets.has_one(scope):
            return None
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


def hosts_of(scope: Any) -> list[str]:
    """
    Return the names that the caller of the ASGI *scope* has asked by, in lower case.

    A proxy that puts a name of its own into `Host` tells in `X-Forwarded-Host` by which the browser
    has asked. That counts whoever sends it: it can only take away. Where `Host` is there twice, or
    is no name, it is an empty one; who tells none at all is no browser.
    """
    told = [value for name, value in scope["headers"] if name == b"host"]
    hosts = [_host(told[0]) if len(told) == 1 else ""] if told else []
    hops = [value for name, value in scope["headers"] if name == b"x-forwarded-host"]
    return hosts + [_host(hop) for value in hops for hop in value.split(b",")]


def _host(told: bytes) -> str:
    """Return the name in what was *told*, without its port; empty: it is none."""
    found = _is_host(told.decode("latin-1").strip().lower())
    return (found[1] or found[2]).removesuffix(".") if found else ""


def is_no_public_name(host: str) -> bool:
    """Say whether nobody can have *host* in the public DNS: an address, or a name without a dot."""
    if not host:
        return False
    if "." not in host and ":" not in host:
        return True
    try:
        ip_address(host)
    except ValueError:
        return host.endswith((".localhost", ".local", ".internal"))
    return True
