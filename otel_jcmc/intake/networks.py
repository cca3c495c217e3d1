"""
The network that a push comes from, as a short keyed hash.

Only how many networks are concerned matters: what a bridge is said to be must be seen from several,
or somebody who makes up rooms could frame it. Of an address the first 24 bits count, or 48 of
IPv6, and 24 bits of a hash are kept.
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

    Concurrency: to be used from one event loop.
    """

    def __init__(self, secret: "SharedSecret") -> None:
        """Hash with *secret*, the same in all replicas."""
        self._hashes = Hashes(secret, "network", _HASH_BYTES)

    def name(self, address: str) -> str:
        """Return what the network of *address* is called; empty: not known."""
        return self._hashes.name(_network(address)) if address else ""


def _network(address: str) -> str:
    """Return the first part of *address*; of what is no address all of it."""
    try:
        return str(ip_network(f"{address}/{48 if ':' in address else 24}", strict=False))
    except ValueError:
        return address
