"""
Finds the address and the web origin of a caller.

The origin comes from the browser's header. The address is the address at the other end of the
connection, or the address that a trusted proxy there reports. A caller with an unreadable address
does not count as private (fail closed), and counts against no limit.

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
# A quoted text ends at its closing quote, or at the header's end. Without the second case, the
# search began again at each quote of a text without an end, which took 4 s for 32 kB.
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*"?')
_SEPARATORS: Final = re.compile(r"[,;=\\]")
FORWARDED: Final = frozenset((b"x-forwarded-for", b"x-real-ip", b"forwarded"))
_PORT: Final = re.compile(r"(:(\d{1,5}|_[A-Za-z0-9._-]+))?")
# Longest text of an address, and of a usual list of addresses. The caches keep no longer texts.
_MAX_HOP: Final = 100
_MAX_REMEMBERED: Final = 500
# The key of a caller whose forwarded headers disagree, in place of an address.
_UNCLEAR: Final = "?"


def is_private(scope: Any, trusted: Sequence[Network]) -> bool:
    """
    Say whether the request of the ASGI *scope* comes from a loopback or private address.

    *trusted* are the proxies whose forwarded headers count. The answer is no if another sender
    sends such a header, if a header is unreadable, or if several headers disagree.
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

    The address is *peer*, the other end of the connection, or the address that a *trusted* proxy
    there reports. Headers from other senders do not count. Several headers that disagree do not
    count either.
    """
    address = _address(peer)
    if address is None:
        return ""
    if _is_in(address, trusted):
        callers = {_caller(hops, trusted) for hops in _forwarded(headers)} or {address}
        address = callers.pop() if len(callers) == 1 else None
    return str(address) if address else ""


def origin_of(headers: Iterable[Header]) -> bytes:
    """Return the page's origin from the Origin header; empty: no such header, or several."""
    told = [value for name, value in headers if name == b"origin"]
    return told[0] if len(told) == 1 else b""


def _forwarded(headers: Iterable[Header]) -> Iterable[list[str]]:
    """Return for each kind of forwarded header that is present its hops, the nearest last."""
    chains: dict[bytes, list[str]] = {}
    for name, value in [(name.lower(), value) for name, value in headers]:
        if name not in FORWARDED:
            continue
        if name != b"forwarded":
            chains.setdefault(name, []).extend(value.decode("latin-1").split(","))
        else:
            # A sender may have hidden a pair in quotes: `host="x;for=10.0.0.1"`.
            text = _QUOTED.sub(lambda it: _SEPARATORS.sub("?", it[0]), value.decode("latin-1"))
            hops = [_FORWARDED_FOR.findall(hop) for hop in text.split(",")]
            chains.setdefault(name, []).extend(
                hop[0].strip('"') if len(hop) == 1 else "" for hop in hops
            )
    return chains.values()


def _caller(hops: list[str], trusted: Sequence[Network]) -> Address | None:
    """Return the nearest of *hops* not *trusted*, otherwise the farthest; None if unreadable."""
    address = None
    for hop in reversed(hops):
        address = _address(hop)
        if address is None or not _is_in(address, trusted):
            return address
    return address


def _address(text: str) -> Address | None:
    """Return the address in *text*, which may have a port and brackets; None if there is none."""
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
    Finds the address whose limits a push counts against.

    Attributes:
        on_unknown: called each time that the caller's address is not known.
    """

    def __init__(
        self, trusted: Sequence[Network], on_unknown: Callable[[], None] = lambda: None
    ) -> None:
        """Believe *trusted* proxies; if there are none, every private peer may be a proxy."""
        self._trusted = trusted
        self.on_unknown = on_unknown
        # The same peers and forwarded headers come again and again, so caches help.
        self._peer = lru_cache(maxsize=4096)(self._key_of_peer)
        self._told = lru_cache(maxsize=16_384)(self._key_of_told)

    def key(self, peer: str, headers: Sequence[Header]) -> str:
        """
        Return the key of the caller's address; empty if the address is not known for sure.

        *peer* is the other end of the connection. If *peer* may be a proxy, its forwarded header
        has the caller's address. A proxy that sends no such header hides its callers, which then
        count against no limit. Only *headers* named in FORWARDED count, in upper or lower case;
        pass no other headers if possible. All IPv6 addresses of a /64, the size of one household's
        network, have one key.
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
        """Return the key of *peer* if it is the caller itself; empty if it may be a proxy."""
        address = _address(peer)
        if address is None or _is_in(address, self._trusted or PRIVATE):
            return ""
        return _key(address)

    def _key_of_told(self, *headers: Header) -> str:
        """Return the key of the caller in a trusted proxy's *headers*; empty if unclear."""
        if not self._trusted:
            return ""
        callers = {_caller(hops, self._trusted) for hops in _forwarded(headers)}
        if len(callers) > 1:
            # The caller has forged one of the headers, and may forge a new address each time: all
            # such callers share one key.
            return _UNCLEAR
        caller = callers.pop() if callers else None
        return _key(caller) if caller else ""


def _key(address: Address) -> str:
    """Return the key under which *address* counts in limits."""
    if isinstance(address, IPv4Address):
        return str(address)
    return str(IPv6Address(int(address) >> 64 << 64))
