"""
Checks whether a caller may read an answer that is not public.

A request comes in. None goes out if the caller may read, otherwise the answer that refuses.

For answers that people read in a browser, a private address alone is not enough: the host name in
the request is checked too. Otherwise an attacker could let the name of a website point to our
address (DNS rebinding). A page of that website, opened in the browser of a user, could then read
all that this browser may read.

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

# The value of a Host header: an IPv6 address, an IPv4 address or a name, and perhaps a port.
_is_host: Final = re.compile(r"(?:\[([0-9a-f:.%]+)\]|([0-9a-z._-]+))(?::[0-9]*)?").fullmatch


class Refusal(NamedTuple):
    """The answer to a caller that may not read; *reason* is the label under which it counts."""

    status: int
    reason: str
    text: str
    headers: dict[str, str]

    def response(self) -> Response:
        """Return this refusal as a response of plain text."""
        return PlainTextResponse(f"{self.text}\n", self.status, self.headers)


class Readers:
    """
    Admits callers by their address and token: one of the two is enough, or both are needed.

    Attributes:
        name: the name of the protected answers; refusals are counted under this name.
        refused: (name, reason) -> number of callers refused; several `Readers` may share this
            dictionary.
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
        Protect the answers called *name*; *trusted* are the proxies whose forwarded headers count.

        *private_setting* is the name of the setting that gives *private_only*. If this name is
        empty, a caller needs a private address or the *token*. If this name is given, a caller
        needs a private address if *private_only* is true, and also the *token* if a token is set.
        An empty *token* means that no token is set, so no caller can have it.

        If *hosts* are given, a private address counts only if the request uses one of these host
        names, an IP address, or a name that can't be in public DNS. *hosts_setting* is the name of
        the setting that lists these hosts. *token_setting* is the name of the token's setting.
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
        """Return the refusal for the caller of the ASGI *scope*; None if the caller may read."""
        needs_private = self._private_only and not is_private(scope, self._trusted)
        if not self._private_setting:
            refusal = self._refuse_neither(scope) if needs_private else self._refuse_host(scope)
        elif needs_private:
            refusal = self._refuse_address()
        else:
            refusal = self._refuse_token(scope) if self._token else None
        if refusal is not None:
            # Refusals are counted but not logged: otherwise anyone could fill the log with them.
            self.refused[self.name, refusal.reason] += 1
        return refusal

    def _refuse_address(self) -> Refusal:
        """Return the refusal for a caller without a private address; its token is not checked."""
        also = f"; the bearer token in {self._token_setting} is needed too" if self._token else ""
        text = (
            f"only private addresses may read this (unless {self._private_setting}=false;"
            f" JCMC_TRUSTED_PROXIES names the proxies whose forwarded headers count){also}"
        )
        return Refusal(403, "address", text, {})

    def _refuse_host(self, scope: Any) -> Refusal | None:
        """
        Return the refusal for a caller with a private address, if it uses an unknown host name.

        Return None if the host name is known, or if the caller has the token.
        """
        if self._hosts is None:
            return None
        # A caller that sends no Host is admitted: it is not a browser, because browsers send Host.
        if all(each in self._hosts or is_no_public_name(each) for each in hosts_of(scope)):
            return None
        if self._token and self._refuse_token(scope) is None:
            return None
        text = (
            "this host name may not be used for reading: set "
            f"{self._hosts_setting} to the names of this service, or use its address"
        )
        return Refusal(421, "host", text, {})

    def _refuse_neither(self, scope: Any) -> Refusal | None:
        """Return the refusal for a caller without a private address; None if it has the token."""
        if self._token:
            return self._refuse_token(scope, "callers with private addresses need no token; ")
        text = (
            "only private addresses may read this (JCMC_TRUSTED_PROXIES names the proxies whose"
            f" forwarded headers count); set {self._token_setting} to admit others by a token"
        )
        return Refusal(403, "address", text, {})

    def _refuse_token(self, scope: Any, more: str = "") -> Refusal | None:
        """
        Return the refusal for a caller without the token; None if it has the token or a cookie.

        *more* is put before the setting's name in the text for a missing token.
        """
        if self.tickets and scope.get("method") in ("GET", "HEAD") and self.tickets.has_one(scope):
            return None
        said = authorizations(scope["headers"])
        told = bearer_token(said[0]) if len(said) == 1 else None
        if told is None:
            text = f"a bearer token is missing ({more}the token is in {self._token_setting})"
            return Refusal(401, "token_missing", text, {"www-authenticate": "Bearer"})
        if not hmac.compare_digest(told, self._token):
            text = f"the bearer token is wrong: it is not the token in {self._token_setting}"
            error = 'Bearer error="invalid_token"'
            return Refusal(401, "token_wrong", text, {"www-authenticate": error})
        return None


def hosts_of(scope: Any) -> list[str]:
    """
    Return the host names that the caller of the ASGI *scope* used, in lower case.

    A proxy that replaces `Host` sends the browser's name for the service in `X-Forwarded-Host`.
    `X-Forwarded-Host` is read from any sender, not only from a proxy, because a further name can
    only take rights away. If `Host` is given twice or is not a valid name, the result has an empty
    name. If the request has no `Host`, the caller is not a browser, and the result has no name for
    `Host`.
    """
    told = [value for name, value in scope["headers"] if name == b"host"]
    hosts = [_host(told[0]) if len(told) == 1 else ""] if told else []
    hops = [value for name, value in scope["headers"] if name == b"x-forwarded-host"]
    return hosts + [_host(hop) for value in hops for hop in value.split(b",")]


def _host(told: bytes) -> str:
    """Return the host name in *told* without its port; empty if *told* is not a host name."""
    found = _is_host(told.decode("latin-1").strip().lower())
    return (found[1] or found[2]).removesuffix(".") if found else ""


def is_no_public_name(host: str) -> bool:
    """Return whether *host* is an IP address, or a name that public DNS can't have."""
    if not host:
        return False
    if "." not in host and ":" not in host:
        return True
    try:
        ip_address(host)
    except ValueError:
        return host.endswith((".localhost", ".local", ".internal"))
    return True
