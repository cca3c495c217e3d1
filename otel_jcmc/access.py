"""
Who a caller is, and what pages of which origins may do.

A caller's address is the connection's, or what a trusted proxy says in front of us; anything that
can't be read makes the caller not private (fail closed). CORS is for the push path and the client
file alone. Called by receiver.py.

Source: RFC 7239 (Forwarded), the X-Forwarded-For convention, and the WHATWG Fetch standard (CORS).
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Final

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
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
_SEPARATORS: Final = re.compile(r"[,;=\\]")
_PORT: Final = re.compile(r"(:(\d{1,5}|_[A-Za-z0-9._-]+))?")
PREFLIGHT_SECONDS: Final = b"86400"
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
        if name in (b"x-forwarded-for", b"x-real-ip"):
            chains.setdefault(name, []).extend(value.decode("latin-1").split(","))
        elif name == b"forwarded":
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
