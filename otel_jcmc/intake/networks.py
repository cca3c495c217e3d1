"""
Names the network that a push comes from, by a short keyed hash.

The verdict counts from how many networks bad calls come, and needs no addresses for this. It blames
a bridge only if participants in several networks have bad calls. Otherwise one sender could make a
bridge look bad with pushes for invented conferences. The network of an address is its first 24 bits
(IPv4) or 48 bits (IPv6). The service keeps 24 bits of the network's hash.
"""

from ipaddress import ip_network
from typing import TYPE_CHECKING, Final

from otel_jcmc.intake.hashes import Hashes

if TYPE_CHECKING:
    from otel_jcmc.store.shared_secret import SharedSecret

_HASH_BYTES: Final = 3


class Networks:
    """
    Names the networks of callers' addresses.

    Concurrency: use it from one event loop.
    """

    def __init__(self, secret: "SharedSecret") -> None:
        """Hash with the key *secret*, which is the same in all replicas."""
        self._hashes = Hashes(secret, "network", _HASH_BYTES)

    def name(self, address: str) -> str:
        """Return the name of *address*'s network; empty if address or hash key is not known."""
        return self._hashes.name(_network(address)) if address else ""


def _network(address: str) -> str:
    """Return the network of *address*; the whole text if it is not an address."""
    try:
        return str(ip_network(f"{address}/{48 if ':' in address else 24}", strict=False))
    except ValueError:
        return address
