"""
Finds the address and the web origin of a caller, the browser or program that sent a request.

The origin comes from the browser's Origin header. If the connection comes from a trusted proxy, the
caller's address comes from the proxy's forwarded header; otherwise it is the remote address of the
connection. If the address is unreadable, the caller is not treated as private (fail closed), and
has no limits by address.

Source: RFC 7239 (Forwarded) and the X-Forwarded-For convention.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Header = tuple[bytes, bytes]

# Loopback, link-local, and the private ranges of RFC 1918 and RFC 4193. `ipaddress`'s `is_private`
# would also include documentation and benchmark ranges.
PRIVATE: Final = tuple(
    ip_network(text)
    for text in (
        *("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"),
        *("::1/128", "fe80::/10", "fc00::/7"),
    )
)
# In one hop of a Forwarded header, the text after `for=`, quoted or not.
_FORWARDED_FOR: Final = re.compile(r"(?:^|;)\s*for\s*=\s*(\"[^\"]*\"|[^;,\s\"]*)", re.IGNORECASE)
# A quoted text ends at its closing quote, or at the end of the header. If the expression required
# the closing quote, a header of 32 kB without one would take 4 s, because the search would begin
# again at each quote.
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*"?')
_SEPARATORS: Final = re.compile(r"[,;=\\]")
FORWARDED: Final = frozenset((b"x-forwarded-for", b"x-real-ip", b"forwarded"))
_PORT: Final = re.compile(r"(:(\d{1,5}|_[A-Za-z0-9._-]+))?")
# Most characters of an address, and of all forwarded headers of a usual request. The caches keep no
# longer texts.
_MAX_HOP: Final = 100
_MAX_REMEMBERED: Final = 500
# The one key of all callers whose forwarded headers name different addresses.
_UNCLEAR: Final = "?"


def is_private(scope: Any, trusted: Sequence[Network]) -> bool:
    """
    Say whether the request of the ASGI *scope* comes from a loopback or private address.

    *trusted* are the proxies whose forwarded headers are believed. The answer is no in these cases:
    a sender that is not one of these proxies sent a forwarded header; a forwarded header is
    unreadable; a forwarded header names an address that is not private.
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


def caller_address(peer: str, headers: Iterable[Header], trusted: Sequence[Network]) -> str:
    """
    Return the address of the caller behind *peer*; empty if it is not known.

    *peer* is the remote address of the connection. If it is one of the *trusted* proxies, the
    result is the address in the proxy's forwarded headers; the result is empty if these headers
    name different addresses. Otherwise the result is *peer*, and forwarded headers are ignored.
    """
    address = _address(peer)
    if address is None:
        return ""
    if _is_in(address, trusted):
        callers = {_caller(hops, trusted) for hops in _forwarded(headers)} or {address}
        address = callers.pop() if len(callers) == 1 else None
    return str(address) if address else ""


def origin_of(headers: Iterable[Header]) -> bytes:
    """Return the value of the Origin header; empty if the request has none, or more than one."""
    told = [value for name, value in headers if name == b"origin"]
    return told[0] if len(told) == 1 else b""


def _forwarded(headers: Iterable[Header]) -> Iterable[list[str]]:
    """Return the addresses in each kind of forwarded header; our nearest proxy wrote the last."""
    chains: dict[bytes, list[str]] = {}
    for name, value in [(name.lower(), value) for name, value in headers]:
        if name not in FORWARDED:
            continue
        if name != b"forwarded":
            chains.setdefault(name, []).extend(value.decode("latin-1").split(","))
        else:
            # A sender may hide a false `for=` in quotes, as in `host="x;for=10.0.0.1"`: replace
            # all separators in quotes.
            text = _QUOTED.sub(lambda it: _SEPARATORS.sub("?", it[0]), value.decode("latin-1"))
            hops = [_FORWARDED_FOR.findall(hop) for hop in text.split(",")]
            chains.setdefault(name, []).extend(
                hop[0].strip('"') if len(hop) == 1 else "" for hop in hops
            )
    return chains.values()


def _caller(hops: list[str], trusted: Sequence[Network]) -> Address | None:
    """Return the last of *hops* that is not *trusted*; the first if all are; None if unreadable."""
    address = None
    for hop in reversed(hops):
        address = _address(hop)
        if address is None or not _is_in(address, trusted):
            return address
    return address


def _address(text: str) -> Address | None:
    """Return the address in *text*, which may have a port and brackets; None: *text* has none."""
    return _parsed(text) if len(text) <= _MAX_HOP else None


@lru_cache(maxsize=1024)
def _parsed(text: str) -> Address | None:
    """Return the address in *text*, from the cache if the cache has the text."""
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
    Finds the key of a push's caller: the text by which limits tell one address from another.

    Attributes:
        on_unknown: called each time that the caller's address is not known.
    """

    def __init__(
        self, trusted: Sequence[Network], on_unknown: Callable[[], None] = lambda: None
    ) -> None:
        """Believe *trusted* proxies; if none are given, private addresses get no key."""
        self._trusted = trusted
        self.on_unknown = on_unknown
        # Most pushes have the same peer and forwarded headers as an earlier push, so caches help.
        self._peer = lru_cache(maxsize=4096)(self._key_of_peer)
        self._told = lru_cache(maxsize=16_384)(self._key_of_told)

    def key(self, peer: str, headers: Sequence[Header]) -> str:
        """
        Return the key of the caller's address; empty if the address is not known for sure.

        *peer* is the remote address of the connection. If *peer* may be a proxy, the caller's
        address is in the proxy's forwarded header. If such a proxy sends no forwarded header, its
        callers have no limits by address. Only *headers* named in FORWARDED are read, in upper or
        lower case; pass no other headers if possible. All IPv6 addresses of a /64, the size of one
        household's network, have the same key.
        """
        key = self._peer(peer)
        if key:
            return key
        if headers and peer:
            length = (
                len(headers[0][1]) if len(headers) == 1 else sum(len(text) for _, text in headers)
            )
            is_usual = length <= _MAX_REMEMBERED
            key = self._told(*headers) if is_usual else self._key_of_told(*headers)
        if not key:
            self.on_unknown()
        return key

    def _key_of_peer(self, peer: str) -> str:
        """Return the key of *peer*; empty if *peer* may be a proxy, and not the caller itself."""
        address = _address(peer)
        if address is None or _is_in(address, self._trusted or PRIVATE):
            return ""
        return _key(address)

    def _key_of_told(self, *headers: Header) -> str:
        """Return the caller's key from *headers* of a trusted proxy; empty: no readable address."""
        if not self._trusted:
            return ""
        callers = {_caller(hops, self._trusted) for hops in _forwarded(headers)}
        if len(callers) > 1:
            # The headers name different addresses: the caller has forged one, and may forge a new
            # address in each push. Therefore all such callers share one key.
            return _UNCLEAR
        caller = callers.pop() if callers else None
        return _key(caller) if caller else ""


def _key(address: Address) -> str:
    """Return *address* as text; an IPv6 address as the first address of its /64."""
    if isinstance(address, IPv4Address):
        return str(address)
    return str(IPv6Address(int(address) >> 64 << 64))
