"""
The network that a push comes from, as a short keyed hash.

Only the number of networks matters: a bad bridge must be seen from several networks, or invented
conferences could blame it. The first 24 bits of an address count, 48 of IPv6. The service keeps 24
bits of a hash.
"""

from ipaddress import ip_network
from typing import TYPE_CHECKING, Final

from otel_jcmc.intake.hashes import Hashes

if TYPE_CHECKING:
    from otel_jcmc.store.shared_secret import SharedSecret

_HASH_BYTES: Final = 3


class Networks:
    """
    The networks of callers.

    Concurrency: use it from one event loop.
    """

    def __init__(self, secret: "SharedSecret") -> None:
        """Hash with *secret*, the same in all replicas."""
        self._hashes = Hashes(secret, "network", _HASH_BYTES)

    def name(self, address: str) -> str:
        """Return the name of *address*'s network; empty: not known."""
        return self._hashes.name(_network(address)) if address else ""


def _network(address: str) -> str:
    """Return the first part of *address*; the whole text if it is not an address."""
    try:
        return str(ip_network(f"{address}/{48 if ':' in address else 24}", strict=False))
    except ValueError:
        return address
