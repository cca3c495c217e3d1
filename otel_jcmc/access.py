"""
Who a caller is, who may read, and what pages of which origins may do.

A caller's address is the connection's, or what a trusted proxy says in front of us; anything that
can't be read makes the caller not private (fail closed), and counts against nobody's limits. A
`Door` stands before what is not for everybody. CORS is for the paths that browsers use, and no
other. Called by receiver.py, limits.py and routes.py.

Source: RFC 7239 (Forwarded), the X-Forwarded-For convention, RFC 6750 (bearer tokens), and the
WHATWG Fetch standard (CORS).
"""

import hmac
import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Final, NamedTuple

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Header = tuple[bytes, bytes]

# Loopback, link-local, and the private ranges of RFC 1918 and RFC 4193. Not `is_private`, which
# also holds documentation, benchmark and carrier ranges.
PRIVATE: Final = tuple(
    ip_network(text)
    for text in (
        *("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"),
        *("::1/128", "fe80::/10", "fc00::/7"),
    )
)
# One hop of Forwarded: what follows `for=`, quoted or not.
_FORWARDED_FOR: Final = re.compile(r"(?:^|;)\s*for\s*=\s*(\"[^\"]*\"|[^;,\s\"]*)", re.IGNORECASE)
# To its end, or to that of the header: to look for an end once more from each quote in a text that
# has none took 4 s for 32 kB.
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*"?')
_SEPARATORS: Final = re.compile(r"[,;=\\]")
FORWARDED: Final = frozenset((b"x-forwarded-for", b"x-real-ip", b"forwarded"))
_PORT: Final = re.compile(r"(:(\d{1,5}|_[A-Za-z0-9._-]+))?")
# In the place of an address, where forwarded headers disagree.
_UNCLEAR: Final = "?"
PREFLIGHT_SECONDS: Final = b"86400"
# What a browser is told that shows or loads an answer of ours: take it for what it says it is, load
# nothing for it, frame it nowhere, and let no page of another origin have it.
SECURITY_HEADERS: Final[tuple[Header, ...]] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
# Without it a page of another origin can't read when to come back.
_EXPOSE: Final = (b"access-control-expose-headers", b"retry-after")


def is_private(scope: Any, trusted: Sequence[Network]) -> bool:
    """
    Say whether the request of the ASGI *scope* comes from a loopback or private address.

    *trusted* are the proxies whose forwarded headers count. A header from anyone else, one that
    can't be read, or several that disagree make the caller not private.
    """
    client = scope.get("client")
    peer = _address(client[0]) if client else None
    if peer is None:
        return False
    hops = list(_forwarded(scope["headers"]))
    if not hops:
        return _is_in(peer, PRIVATE)
    if not _is_in(peer, trusted):
        return False
    return all(
        (caller := _caller(chain, trusted)) is not None and _is_in(caller, PRIVATE)
        for chain in hops
    )


def _forwarded(headers: Iterable[Header]) -> Iterable[list[str]]:
    """Return, for each kind of forwarded header that is there, its hops, the nearest last."""
    chains: dict[bytes, list[str]] = {}
    for name, value in headers:
        if name not in FORWARDED:
            continue
        if name != b"forwarded":
            chains.setdefault(name, []).extend(value.decode("latin-1").split(","))
        else:
            # In quotes a sender may have hidden a pair: `host="x;for=10.0.0.1"`.
            text = _QUOTED.sub(lambda it: _SEPARATORS.sub("?", it[0]), value.decode("latin-1"))
            hops = [_FORWARDED_FOR.findall(hop) for hop in text.split(",")]
            chains.setdefault(name, []).extend(
                hop[0].strip('"') if len(hop) == 1 else "" for hop in hops
            )
    return chains.values()


def _caller(hops: list[str], trusted: Sequence[Network]) -> Address | None:
    """Return the nearest hop that is no trusted proxy, else the farthest; None if unreadable."""
    address = None
    for hop in reversed(hops):
        address = _address(hop)
        if address is None or not _is_in(address, trusted):
            return address
    return address


@lru_cache(maxsize=1024)
def _address(text: str) -> Address | None:
    """Return the address in *text*, which may have a port and brackets; None if there is none."""
    text, port = text.strip(), ""
    if text.startswith("["):
        text, closed, port = text[1:].partition("]")
        if not closed:
            return None
    elif text.count(":") == 1:
        text, colon, port = text.partition(":")
        port = colon + port
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if not _PORT.fullmatch(port):
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _is_in(address: Address, networks: Sequence[Network]) -> bool:
    """Say whether *address* lies in one of *networks*."""
    return any(address in network for network in networks)


class Callers:
    """
    Whose address a push counts against, when there is a limit for each.

    Attributes:
        on_unknown: called each time that there is nobody to count against.
    """

    def __init__(
        self, trusted: Sequence[Network], on_unknown: Callable[[], None] = lambda: None
    ) -> None:
        """Believe what *trusted* proxies say; with none, private peers may be proxies as well."""
        self._trusted = trusted
        self.on_unknown = on_unknown
        # Peers and what proxies say come again and again.
        self._peer = lru_cache(maxsize=4096)(self._key_of_peer)
        self._told = lru_cache(maxsize=16_384)(self._key_of_told)

    def key(self, peer: str, headers: Iterable[Header]) -> str:
        """
        Return what stands for the caller's address; empty when the address is not really known.

        *peer* is the connection's other end. If that may be a proxy, the address is what it says
        in its forwarded header; a proxy that says nothing hides its callers, who then count
        against nobody. IPv6 addresses count by /64, which is what one household has.
        """
        key = self._peer(peer)
        if key:
            return key
        told = [header for header in headers if header[0] in FORWARDED]
        if told and peer:
            key = self._told(*told)
        if not key:
            self.on_unknown()
        return key

    def _key_of_peer(self, peer: str) -> str:
        """Return the key of a *peer* that is a caller itself; empty for one that may be a proxy."""
        address = _address(peer)
        if address is None or _is_in(address, self._trusted or PRIVATE):
            return ""
        return _key(address)

    def _key_of_told(self, *headers: Header) -> str:
        """Return the key of the caller that a trusted proxy's *headers* tell; empty if unclear."""
        if not self._trusted:
            return ""
        callers = {_caller(hops, self._trusted) for hops in _forwarded(headers)}
        if len(callers) > 1:
            # One of them is what the caller made up, and may be new each time: one for all those.
            return _UNCLEAR
        caller = callers.pop()
        return _key(caller) if caller else ""


def _key(address: Address) -> str:
    """Return what stands for *address* in a limit."""
    if isinstance(address, IPv4Address):
        return str(address)
    return str(IPv6Address(int(address) >> 64 << 64))


class Refusal(NamedTuple):
    """What a caller is told who may not read; *reason* is the word that is counted."""

    status: int
    reason: str
    text: str
    headers: dict[str, str]


class Door:
    """
    Who may read what is behind it: private addresses, who has the token, or both at once.

    Attributes:
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
        self._name = name
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
            self.refused[self._name, refusal.reason] += 1
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
        told = _bearer(scope["headers"])
        if told is None:
            text = f"a bearer token is missing ({more}its setting is {self._token_setting})"
            return Refusal(401, "token_missing", text, {"www-authenticate": "Bearer"})
        if not hmac.compare_digest(told, self._token):
            text = f"the bearer token is not the one of {self._token_setting}"
            error = 'Bearer error="invalid_token"'
            return Refusal(401, "token_wrong", text, {"www-authenticate": error})
        return None


def _bearer(headers: Iterable[Header]) -> bytes | None:
    """Return the bearer token in *headers*, None when there is none or more than one."""
    told = [value for name, value in headers if name == b"authorization"]
    if len(told) != 1:
        return None
    scheme, _, token = told[0].strip().partition(b" ")
    return token.strip() if scheme.lower() == b"bearer" else None


class Cors:
    """
    What the answers to pages of other origins carry.

    Attributes:
        headers: for answers where the origin does not matter, empty when origins are listed.
    """

    def __init__(self, origins: Sequence[str]) -> None:
        """Allow *origins*, or all with `*`."""
        self._origins = None if "*" in origins else frozenset(each.encode() for each in origins)
        self.headers: list[Header] = (
            [(b"access-control-allow-origin", b"*"), _EXPOSE] if self._origins is None else []
        )

    def allows(self, origin: bytes) -> bool:
        """Say whether pages of *origin* may push."""
        return self._origins is None or origin in self._origins

    def answer(self, headers: Iterable[Header]) -> list[Header]:
        """Return what an answer to a request with *headers* carries."""
        if self._origins is None:
            return self.headers
        vary = (b"vary", b"origin")
        for name, value in headers:
            if name == b"origin" and value in self._origins:
                # With credentials, because clients of the second wire format send a cookie.
                return [
                    (b"access-control-allow-origin", value),
                    (b"access-control-allow-credentials", b"true"),
                    _EXPOSE,
                    vary,
                ]
        return [vary]

    def preflight(self, headers: Iterable[Header], method: bytes) -> list[Header]:
        """Return what the answer to a preflight for *method* carries."""
        asked = dict(headers)
        answer = self.answer(asked.items())
        if not any(name == b"access-control-allow-origin" for name, _ in answer):
            return answer
        answer = [
            *answer,
            (b"access-control-allow-methods", method),
            (b"access-control-max-age", PREFLIGHT_SECONDS),
        ]
        if wanted := asked.get(b"access-control-request-headers"):
            answer.append((b"access-control-allow-headers", wanted))
        if b"access-control-request-private-network" in asked:
            # A public page may push to a collector in its own network.
            answer.append((b"access-control-allow-private-network", b"true"))
        return answer
